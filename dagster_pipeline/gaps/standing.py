"""What passes the whole brief on its own: a segment, a treatment, the cohort without one segment.

Each is looked for among several, so each is judged at levels that hold over all of them (Holm; criteria/multiplicity.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.segments import passing_segments
from dagster_pipeline.criteria.treatments import passing_treatments
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import Demand, demands_of
from dagster_pipeline.gaps.effects import EffectCalculator
from dagster_pipeline.gaps.rest import RestReader, passing_without

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Standing:
    """One experiment's brief, to be asked of parts of the experiment.

    ``demands`` are the brief's on the whole cohort; ``calculator_at`` gives a calculator at another confidence, with the
    regions of single gaps at that confidence too.
    """

    brief: Brief
    demands: tuple[Demand, ...]
    calculator: EffectCalculator
    calculator_at: Callable[[float], EffectCalculator]
    available: Mapping[str, MetricDefinition]
    _stricter: dict[float, tuple[Demand, ...]] = field(default_factory=dict)

    def segments(self, segments: Sequence[str]) -> tuple[str, ...]:
        """Those that pass on their own; none where the brief names no segments."""
        if not self.brief.segment_columns:
            return ()
        return passing_segments(segments, self._segment_passes, self.brief.confidence)

    def without(self, segments: Sequence[str], reader: Callable[[], RestReader]) -> tuple[str, ...]:
        """The segments without which the rest passes; asked only where the whole cohort does not pass as it is."""
        if not self.brief.segment_columns or _all_pass(self.demands):
            return ()
        return passing_without(self.brief, self.calculator, reader(), self.available, segments)

    def treatments(self) -> tuple[str, ...]:
        """Those that pass on their own."""
        arms = self.calculator.design.treatments
        return passing_treatments(arms, self._treatment_passes, self.brief.confidence)

    def _segment_passes(self, segment: str, confidence: float) -> bool:
        stricter = replace(self.calculator, confidence=confidence)
        return _all_pass(demands_of(self.brief, stricter, self.available, segment))

    def _treatment_passes(self, treatment: str, confidence: float) -> bool:
        # What fails at the brief's own confidence fails at every stricter one: most arms end here.
        if not _all_pass(_of(self.demands, treatment)):
            return False
        if confidence <= self.brief.confidence + _ROUNDING:
            return True
        if confidence not in self._stricter:
            calculator = self.calculator_at(confidence)
            self._stricter[confidence] = demands_of(self.brief, calculator, self.available)
        return _all_pass(_of(self._stricter[confidence], treatment))


def _of(demands: Iterable[Demand], treatment: str) -> list[Demand]:
    return [demand for demand in demands if demand.treatment == treatment]


def _all_pass(demands: Sequence[Demand]) -> bool:
    """Base and joint; nothing demanded is no pass."""
    return bool(demands) and all(d.base is d.joint is Outcome.PASSED for d in demands)
