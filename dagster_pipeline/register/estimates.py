"""What each run estimated, and what each estimate is about: two are held against each other only where that is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.effects import EffectOf
from dagster_pipeline.gaps.measurements import UNKNOWN, Cohort, Measurements
from dagster_pipeline.register.documents import plain
from dagster_pipeline.register.store import SCHEMA, SqlSession, insert_rows, naive_utc
from dagster_pipeline.statistics.evidence import Better

_TABLE = "metric_history"
_EVERYONE, _MATURE = "immature_low", "repaired"
_ARMS_COME_FROM = ("requests", "assignments", "quotes", "quote_events")
_DIGITS = 16
_COLUMNS = (
    *(
        "measured_at",
        "as_of",
        "experiment",
        "metric",
        "variant",
        "better",
        "estimate",
        "requests",
        "too_young",
    ),
    *("is_timeless", "is_of_requests", "basis"),
)


@dataclass(frozen=True)
class Figure:
    """One metric of one treatment as one run estimated it, in the metric's default effect and raw.

    ``requests`` counts the cohort, those without an arm too, and ``too_young`` those of it that the estimate leaves out
    because their outcome was not due (pros in place of requests where the metric counts those). ``is_timeless`` says that
    time adds nothing once all are mature; of a metric without a horizon every later row counts. ``basis`` is a digest by
    what it is of: the experiment, the brief, the metric, the mapping of the sources.
    """

    measured_at: datetime
    as_of: datetime
    experiment: str
    metric: str
    variant: str
    better: Better
    estimate: float | None
    requests: int
    too_young: int
    is_timeless: bool
    is_of_requests: bool = True
    basis: Mapping[str, str] = field(default_factory=dict)


def figures_of(
    config: PlumblineConfig,
    assessment: RunAssessment,
    measurements: Measurements,
    at: datetime,
    brief_versions: Mapping[str, str],
) -> tuple[Figure, ...]:
    """The estimates of a run begun at ``at``; ``brief_versions`` by experiment, none where it has no brief."""
    return tuple(
        _figure(config, measurements, at, brief_versions, found.experiment, effect)
        for found in assessment.experiments
        if found.experiment is not None
        for effect in found.effects
        if effect.segment is None and effect.metric in config.metrics
    )


def _figure(
    config: PlumblineConfig,
    measurements: Measurements,
    at: datetime,
    versions: Mapping[str, str],
    experiment: str,
    effect: EffectOf,
) -> Figure:
    definition = config.metrics[effect.metric]
    everyone = _count(config, measurements, experiment, definition.name, _EVERYONE)
    mature = _count(config, measurements, experiment, definition.name, _MATURE)
    is_of_requests = definition.unit == "request"
    return Figure(
        measured_at=at,
        as_of=config.as_of,
        experiment=experiment,
        metric=definition.name,
        variant=effect.variant,
        better=Better(definition.better),
        estimate=plain(effect.estimate.value),
        requests=everyone,
        too_young=max(everyone - mature, 0),
        is_timeless=definition.horizon > 0 and is_of_requests,
        is_of_requests=is_of_requests,
        basis=_basis(config, experiment, definition, versions.get(experiment, "")),
    )


def _count(
    config: PlumblineConfig, measurements: Measurements, experiment: str, metric: str, reading: str
) -> int:
    split = next(one.split for one in config.experiments if one.id == experiment)
    cohorts = (Cohort(experiment, None, metric, arm) for arm in (*split, UNKNOWN))
    found = (measurements.moments.get((reading, cohort)) for cohort in cohorts)
    return sum(int(moments.n) for moments in found if moments is not None)


def _basis(
    config: PlumblineConfig, experiment: str, definition: MetricDefinition, version: str
) -> dict[str, str]:
    design = next(one for one in config.experiments if one.id == experiment)
    named = {place.partition(".")[0] for need in definition.needs for place in need.split("|")}
    # Where a table lies may change from run to run; how it is read may not.
    read = {
        name: source.model_dump(mode="json", include={"query", "columns", "timezone", "formats", "where"})
        for name, source in config.sources.items()
        if name in named or name in _ARMS_COME_FROM
    }
    return {
        "experiment": _digest(design.model_dump(mode="json", exclude={"looks", "touched"})),
        "brief": version,
        "metric": _digest(definition.document()),
        "sources": _digest(read),
    }


def _digest(content: Any) -> str:
    text = json.dumps(plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_DIGITS]


def append_figures(session: SqlSession, run_id: str, figures: Sequence[Figure]) -> None:
    """Appends one run's estimates; needs ``store.prepare``."""
    insert_rows(session, _TABLE, [_row(run_id, figure) for figure in figures])


def figures_at(session: SqlSession, measured_at: datetime) -> tuple[Figure, ...]:
    """The estimates of the run that began at a time; none where there was no such run, or it was before they were kept.

    Raises NotEvaluatedError where one can't be read.
    """
    query = f"select {', '.join(_COLUMNS)} from {SCHEMA}.{_TABLE} where measured_at = ? order by experiment, metric, variant"  # noqa: S608
    return tuple(_figure_from(row) for row in session.execute(query, [naive_utc(measured_at)]).fetchall())


def _row(run_id: str, figure: Figure) -> list[Any]:
    return [
        run_id,
        naive_utc(figure.measured_at),
        naive_utc(figure.as_of),
        plain(figure.experiment),
        plain(figure.metric),
        plain(figure.variant),
        figure.better.value,
        plain(figure.estimate),
        figure.requests,
        figure.too_young,
        figure.is_timeless,
        figure.is_of_requests,
        json.dumps(figure.basis, sort_keys=True),
    ]


def _figure_from(row: Sequence[Any]) -> Figure:
    found = dict(zip(_COLUMNS, row, strict=True))
    try:
        read = {
            "measured_at": found["measured_at"].replace(tzinfo=UTC),
            "as_of": found["as_of"].replace(tzinfo=UTC),
            "better": Better(found["better"]),
            "basis": dict(json.loads(found["basis"])),
        }
        return Figure(**(found | read))
    except (ValueError, TypeError, AttributeError) as error:
        raise NotEvaluatedError(
            f"An estimate of {found['experiment']!r} in {SCHEMA}.{_TABLE} can't be read ({error}); restore the warehouse "
            f"file from a copy."
        ) from error
