"""What a brief demands of a metric, as limits on the raw effect and as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.format import Unit
from dagster_pipeline.statistics.evidence import Better, EffectKind

if TYPE_CHECKING:
    from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
    from dagster_pipeline.config.metrics import MetricDefinition


@dataclass(frozen=True)
class Limit:
    """A limit on the raw effect: at least ``value``, or at most; on the estimate or on its interval's end."""

    value: float
    at_least: bool
    on_interval: bool


@dataclass(frozen=True)
class Demand:
    """One criterion or guardrail of the brief, with the unit its effect is written in."""

    metric: str
    kind: str
    effect: EffectKind
    unit: Unit
    limits: tuple[Limit, ...]

    @property
    def sentence(self) -> str:
        """The demand in words: "must fall by at least 10%; …"."""
        said = ""
        for limit in self.limits:
            words = _words(limit, self.effect, self.unit)
            said = f"{said}, and {_unlike(said, words)}" if said else words
        return said


def metric_label(metric: str, definitions: Mapping[str, MetricDefinition]) -> str:
    """A metric's name for people, without the unit in brackets; an unknown one by its own name."""
    definition = definitions.get(metric)
    if definition is None:
        return visible(metric.replace("_", " "))
    return visible(definition.label.removesuffix("(s)").strip())


def demand_of(
    criterion: Mapping[str, Any],
    brief: Brief | None,
    definitions: Mapping[str, MetricDefinition],
    nth: int = 0,
) -> Demand:
    """The brief's demand that a criterion of verdict.json answers.

    ``nth`` counts the demands of one kind on one metric, 0 for the first. Where the brief is not at hand,
    what verdict.json says itself: its threshold, in the metric's own effect.
    """
    metric, kind = str(criterion["metric"]), str(criterion["kind"])
    written = _written(metric, kind, brief, nth)
    definition = definitions.get(metric)
    chosen = getattr(written, "effect", None) or getattr(definition, "effect", None) or EffectKind.ABSOLUTE
    better = Better(getattr(definition, "better", Better.HIGHER))
    limits = _limits(written, better) if written else _limits_of_threshold(criterion, better)
    return Demand(metric, kind, EffectKind(chosen), fmt.unit_of(definition), limits)


def _written(metric: str, kind: str, brief: Brief | None, nth: int) -> Criterion | Guardrail | None:
    if brief is None:
        return None
    asked: tuple[Criterion | Guardrail, ...] = brief.guardrails if kind == "guardrail" else brief.criteria
    on_metric = [item for item in asked if item.metric == metric]
    return on_metric[nth] if nth < len(on_metric) else None


def _limits(written: Any, better: Better) -> tuple[Limit, ...]:
    """Criteria are oriented by the better side, guardrails are raw (DESIGN.md §4)."""
    lower_is_better = better is Better.LOWER
    found = []
    for name in ("min_improvement", "min_delta", "min_bound"):
        if (value := getattr(written, name, None)) is not None:
            found.append(
                Limit(-value if lower_is_better else value, not lower_is_better, name == "min_bound")
            )
    if (rise := getattr(written, "max_increase", None)) is not None:
        found.append(Limit(rise, at_least=False, on_interval=False))
    if (fall := getattr(written, "max_decrease", None)) is not None:
        found.append(Limit(-fall, at_least=True, on_interval=False))
    if (bound := getattr(written, "max_bound", None)) is not None:
        found += _guardrail_bounds(bound, written, lower_is_better)
    return tuple(found)


def _guardrail_bounds(bound: float, written: Any, lower_is_better: bool) -> list[Limit]:
    up, down = written.max_increase is not None, written.max_decrease is not None
    if not (up or down):
        up, down = lower_is_better, not lower_is_better
    sides = [Limit(bound, at_least=False, on_interval=True)] if up else []
    return sides + ([Limit(-bound, at_least=True, on_interval=True)] if down else [])


def _limits_of_threshold(criterion: Mapping[str, Any], better: Better) -> tuple[Limit, ...]:
    threshold = criterion.get("threshold")
    if not isinstance(threshold, int | float):
        return ()
    return (Limit(float(threshold), better is Better.HIGHER, on_interval=False),)


def _unlike(said: str, words: str) -> str:
    """The second of two demands without the verb they share: "must fall by 10%, and by 5% even at …"."""
    verb, by, rest = words.partition(" by ")
    return f"by {rest}" if by and said.startswith(f"{verb} by ") else words


def _words(limit: Limit, effect: EffectKind, unit: Unit) -> str:
    size = fmt.tidy(fmt.effect(abs(limit.value), effect, unit)).lstrip("+")
    falls = limit.value < 0 if limit.value else limit.at_least
    verb = "fall" if falls else "rise"
    if limit.value == 0:
        words = f"must not {verb}"
    elif limit.at_least != falls:
        words = f"must {verb} by at least {size}"
    else:
        words = f"may {verb} by at most {size}"
    return f"{words} even at the cautious end of its interval" if limit.on_interval else words
