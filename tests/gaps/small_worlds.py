"""Experiments of a few requests, as the warehouse's aggregates and as plain lists to enumerate."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.config.types import Experiment, PlumblineConfig, Source, Thresholds, Warehouse, Window
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign, statistic_of
from dagster_pipeline.gaps.measurements import Cohort, MeasuredRow, Measurements, SourceFact
from dagster_pipeline.gaps.places import Place
from dagster_pipeline.gaps.regions import GapRegions
from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import Cells, Estimate, Metric, MetricKind, Moments
from dagster_pipeline.statistics.quantiles import rank_of
from dagster_pipeline.transform.mapping import Finding, WarehouseMapping

EXPERIMENT = "quoting_v2"
CONTROL, TREATMENT, UNKNOWN = "control", "treatment", "unknown"
HALVES = {CONTROL: 0.5, TREATMENT: 0.5}
AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
WINDOW = Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC))


@dataclass(frozen=True)
class Request:
    """One cohort request and one metric's value of it: y (for a quantile seconds, inf without the event) over d.

    ``low`` and ``high`` are the least and most that all open gaps together allow; ``read`` holds the value under other
    readings. A request that is not mature counts in no estimate; a ``late`` one got its arm after its outcome.
    """

    arm: str
    y: float
    low: float | None = None
    high: float | None = None
    d: float = 1.0
    mature: bool = True
    late: bool = False
    read: Mapping[str, float] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[float, float]:
        """The interval its value lies in."""
        return self.y if self.low is None else self.low, self.y if self.high is None else self.high


@dataclass(frozen=True)
class Lost:
    """Requests known only through a table's orphans; what is counted of one of them, of a share or quantile nothing."""

    source: str
    arm: str
    y: float = 0.0
    d: float = 1.0
    count: int = 1

    def ends(self, metric: Metric) -> tuple[float, float]:
        """The least and the most that its children allow."""
        if metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            return self.y, self.y
        return 0.0, math.inf if metric.kind is MetricKind.QUANTILE else 1.0


def definition(name: str) -> MetricDefinition:
    return metric_definitions()[name]


def design(split: Mapping[str, float] = HALVES, *, clustered: bool = False) -> ExperimentDesign:
    return ExperimentDesign(EXPERIMENT, CONTROL, dict(split), clustered)


def measure(
    worlds: Mapping[str, Sequence[Request]],
    lost: Iterable[Lost] = (),
    rows: Iterable[MeasuredRow] = (),
    facts: Iterable[SourceFact] = (),
    experiment: str = EXPERIMENT,
    segment: str | None = None,
) -> Measurements:
    """What the warehouse would have measured: metric → its requests."""
    moments: dict[tuple[str, Cohort], Moments] = {}
    quantiles: dict[tuple[str, Cohort], float | None] = {}
    cells: dict[tuple[str, Cohort], Cells] = {}
    gone: dict[tuple[str, Cohort], Cells] = {}
    for name, requests in worlds.items():
        metric = statistic_of(definition(name))
        for arm in {r.arm for r in requests}:
            own, cohort = [r for r in requests if r.arm == arm], Cohort(experiment, segment, name, arm)
            for reading, values in _readings(own, metric, _names(requests, metric)):
                moments[reading, cohort] = _moments(values, metric)
                if metric.kind is MetricKind.QUANTILE and values:
                    found = level_of([y for y, _ in values], metric)
                    quantiles[reading, cohort] = None if math.isinf(found) else found
            if metric.kind not in (MetricKind.MEAN, MetricKind.RATIO) or arm == UNKNOWN:
                cells["observed", cohort] = _cells([(r.y, r.y, r.d) for r in own if r.mature])
                cells["joint", cohort] = _cells([(*r.ends, r.d) for r in own])
        for arm, own in _by_arm_in_time(requests).items():
            cohort = Cohort(experiment, segment, name, arm)
            moments["late_assignment", cohort] = _moments([(r.y, r.d) for r in own if r.mature], metric)
            cells["late_assignment", cohort] = _cells([(r.y, r.y, r.d) for r in own if r.mature])
        for source, arm in {(x.source, x.arm) for x in lost}:
            same = [x for x in lost if (x.source, x.arm) == (source, arm)]
            found = [(*x.ends(metric), x.d) for x in same for _ in range(x.count)]
            gone[source, Cohort(experiment, None, name, arm)] = _cells(found)
            everything = [(*x.ends(metric), x.d) for x in lost if x.arm == arm for _ in range(x.count)]
            gone["any", Cohort(experiment, None, name, arm)] = _cells(everything)
    return Measurements(moments, quantiles, cells, gone, tuple(rows), {f.name: f for f in facts}, frozenset())


def _by_arm_in_time(requests: Sequence[Request]) -> Mapping[str, list[Request]]:
    """Requests by arm with the late ones as the unknown, and those without an arm out of the way."""
    found: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        found[UNKNOWN if request.late else "unlabelled" if request.arm == UNKNOWN else request.arm].append(
            request
        )
    return found


# Sums are measured under every reading, quantiles only under those that concern them.
_READINGS = (
    "variant_from_quotes", "immature_low", "immature_high", "duplicate_rows.quotes", "duplicate_rows.hires",
    "undated_high.quotes", "undated_high.hires", "unknown_outcome_high.hires", "missing_values.quotes.quoted_at",
    "conflict_low.requests", "conflict_high.requests", "conflict_low.quotes", "conflict_high.quotes",
    "conflict_low.hires", "conflict_high.hires", "timestamp_disorder.quotes", "early_high.quotes", "early_low.hires",
    "source_conflict.quotes", "disputed_low.quotes", "disputed_high.quotes",
)  # fmt: skip


def _names(requests: Sequence[Request], metric: Metric) -> list[str]:
    always = () if metric.kind is MetricKind.QUANTILE else _READINGS
    return sorted({*always, *(name for r in requests for name in r.read)})


def _readings(
    own: Sequence[Request], metric: Metric, names: Sequence[str]
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    # A quantile has most of what it counts where its seconds are least: the readings' ends change sides.
    sides = (1, 0) if metric.kind is MetricKind.QUANTILE else (0, 1)
    yield "repaired", [(r.y, r.d) for r in own if r.mature]
    yield "joint_low", [(r.ends[sides[0]], r.d) for r in own]
    yield "joint_high", [(r.ends[sides[1]], r.d) for r in own]
    for reading in names:
        everyone = reading.startswith("immature")
        yield reading, [(r.read.get(reading, r.y), r.d) for r in own if r.mature or everyone]


def _moments(values: Sequence[tuple[float, float]], metric: Metric) -> Moments:
    y = np.array([0.0 if metric.kind is MetricKind.QUANTILE else v for v, _ in values])
    d = np.array([v for _, v in values])
    n = len(values)
    return Moments(n, n, *(float(x) for x in (y.sum(), d.sum(), y @ y, d @ d, y @ d)))


def _cells(values: Sequence[tuple[float, float, float]]) -> Cells:
    counted: dict[tuple[float, float, float], int] = defaultdict(int)
    for value in values:
        counted[value] += 1
    low, high, d = (np.array([key[i] for key in counted], dtype=float) for i in range(3))
    return Cells(low, high, d, np.array(list(counted.values()), dtype=np.int64))


def level_of(values: Sequence[float], metric: Metric, d: Sequence[float] | None = None) -> float:
    """The level by its definition; nan where it does not exist."""
    if metric.kind is MetricKind.QUANTILE:
        return float(sorted(values)[rank_of(metric.quantile, len(values)) - 1])
    below = sum(d) if d is not None else len(values)
    return sum(values) / below if below else math.nan


def effects_of(worlds: Iterable[tuple[Sequence[float], Sequence[float]]], name: str) -> list[float]:
    """The effect of every complete world, treatment's values and control's; the worlds without one left out."""
    metric = statistic_of(definition(name))
    found = (effect(level_of(t, metric), level_of(c, metric), metric) for t, c in worlds if len(t) and len(c))
    return [value for value in found if value is not None]


def regions(measurements: Measurements, split: Mapping[str, float] = HALVES) -> GapRegions:
    used = design(split)
    return GapRegions(EvidenceReader(measurements, used), used, 0.90)


def estimate_of(measurements: Measurements, name: str) -> Estimate:
    """The repaired estimate, without its interval."""
    metric = statistic_of(definition(name))
    reader = EvidenceReader(measurements, design())
    if metric.kind is MetricKind.QUANTILE:
        levels = [reader.quantile(name, arm) for arm in (TREATMENT, CONTROL)]
    else:
        found = [reader.moments(name, arm) for arm in (TREATMENT, CONTROL)]
        levels = [m.y / m.d if m.d else None for m in found]
    return Estimate(effect(levels[0], levels[1], metric))


def opened(
    measurements: Measurements,
    name: str,
    kind: str,
    source: str,
    column: str | None = None,
    residual: int = 0,
    units: Mapping[str, int] | None = None,
    **fields,
):
    """What one gap does to one metric of the treatment."""
    place = Place(kind, source, column, residual, fields.pop("share", None), units or {}, **fields)
    asked = place.asks(statistic_of(definition(name)), TREATMENT, estimate_of(measurements, name))
    return regions(measurements).open(asked)


def row(kind, source, column=None, variant=None, total=100, affected=10, residual=None, **fields):
    """One row of a gap model."""
    defaults = {"experiment": None, "segment": None, "is_gap": True, "note": None}
    left = affected if residual is None else residual
    return MeasuredRow(
        kind=kind, source=source, column=column, variant=variant, rows_total=total, rows_affected=affected,
        rows_residual=left, **(defaults | fields),
    )  # fmt: skip


def fact(name: str, newest: datetime | None = None, *, is_stale: bool = False) -> SourceFact:
    return SourceFact(name, 100, 100, 0, 0, 0, 0, 100, newest, is_stale)


def experiment(name: str = EXPERIMENT, **fields) -> Experiment:
    return Experiment(**({"id": name, "control": CONTROL, "split": HALVES, "window": WINDOW} | fields))


def config(
    experiments: Iterable[Experiment] | None = None, briefs: Iterable[Brief] = (), **fields
) -> PlumblineConfig:
    found = (experiment(),) if experiments is None else tuple(experiments)
    return PlumblineConfig(
        version=1, warehouse=Warehouse(engine="duckdb", path=Path("/nowhere/w.duckdb")), as_of=AS_OF,
        sources={"requests": Source(from_="requests", columns={"request_id": "request_id"})},
        experiments=found, briefs=tuple(briefs), thresholds=Thresholds(), directory=Path("/nowhere"),
        file=Path("/nowhere/plumbline.yml"), **fields,
    )  # fmt: skip


def mapping(
    metrics: Iterable[str], findings: Iterable[Finding] = (), absent: Mapping[str, str] | None = None
) -> WarehouseMapping:
    return WarehouseMapping(
        {"sources": {}}, tuple(findings), tuple(definition(name) for name in metrics), absent or {}, ()
    )


def without(measurements: Measurements, *models: str) -> Measurements:
    return replace(measurements, unread=frozenset(models))


VALUES = {
    "hire_rate_7d": (0.0, 1.0),
    "quoted_within_30m": (0.0, 1.0),
    "quotes_per_request": (0.0, 1.0, 4.0),
    "ttfq_median": (30.0, 60.0, 90.0, math.inf),
}
"""What a request's value of a metric may be in worlds that are enumerated."""


def labelled(name):
    """Two to four requests per arm."""
    values = st.lists(st.sampled_from(VALUES[name]), min_size=2, max_size=4)
    return st.tuples(values, values).map(
        lambda pair: [Request(a, y) for a, ys in zip((CONTROL, TREATMENT), pair, strict=True) for y in ys]
    )


def worlds(*choices):
    """Every complete world: one of its (arm, value) choices for each request."""
    for world in itertools.product(*choices):
        yield tuple([y for a, y in world if a == arm] for arm in (TREATMENT, CONTROL))


def fixed(requests):
    return [[(r.arm, r.y)] for r in requests]


def holds(region, effects, slack=1e-9):
    """No completion lies outside; an end without a limit holds all."""
    low = -math.inf if region.lower is None else region.lower
    high = math.inf if region.upper is None else region.upper
    return all(low - slack <= e <= high + slack for e in effects)


def ends(region):
    return region.lower, region.upper
