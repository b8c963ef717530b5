"""The metric definitions of metrics.yml, the one file that both the models and Python read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.paths import PACKAGE

MetricKindName = Literal["share", "mean", "ratio", "quantile"]
EffectName = Literal["absolute", "relative"]
BetterName = Literal["higher", "lower"]
UnitName = Literal["request", "pro"]
Context = Mapping[str, Any]
"""What pydantic hands to the validators of a file: its metrics."""
FollowsName = Literal["more", "less", "either"]

_FILE = PACKAGE / "metrics.yml"
_NOT_BUILT_IN = frozenset({"is_own", "follows", "table"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class MetricTable:
    """A table of a team's own, one row per event, of which ``y`` and ``d`` are aggregates per request.

    ``origin`` is the file, relation or query as plumbline.yml writes it. ``request_id``, ``at`` and ``key`` are its columns;
    ``empty`` is the value of a request without a row, None where that is not known; ``freshness`` how many seconds the
    newest row may lie behind the clock.
    """

    origin: str
    request_id: str
    at: str | None = None
    key: str | None = None
    where: str | None = None
    timezone: str = "UTC"
    empty: float | None = 0.0
    freshness: int | None = None


@dataclass(frozen=True)
class MetricDefinition:
    """One metric: SQL expressions over request_metrics, and how its level and effect are made of them.

    ``y`` is the value per request (the numerator of a ratio), ``d`` a ratio's denominator; ``scale``
    multiplies the level; ``quantile`` is set for quantiles; ``horizon`` is in seconds; ``needs`` lists the
    mapped columns (``source.column``, alternatives joined by ``|``) without which the metric does not
    exist. ``unit`` is what n counts: requests, or the pros of an arm, whose ``y`` is over the facts of a
    pro's quotes (the model pro_returns) and whose horizon runs from the pro's first quote in the arm.

    ``is_own`` is one of plumbline.yml's, over request_metrics or over a ``table``. ``follows`` says how its value moves
    with what gaps leave open, from the least (no quote, no hire, never) to the most (more of them, sooner): it rises
    ("more"), it falls ("less"), or nothing says so ("either").
    """

    name: str
    kind: MetricKindName
    better: BetterName
    effect: EffectName
    y: str
    label: str
    needs: tuple[str, ...]
    scale: float = 1.0
    quantile: float | None = None
    horizon: int = 0
    d: str | None = None
    unit: UnitName = "request"
    is_own: bool = False
    follows: FollowsName = "more"
    table: MetricTable | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("kind", MetricKindName),
            ("effect", EffectName),
            ("better", BetterName),
            ("unit", UnitName),
            ("follows", FollowsName),
        ):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}")
        if self.unit == "pro" and self.kind != "share":
            raise ValueError("metrics of unit pro are of kind share")
        if (self.kind == "quantile") != (self.quantile is not None):
            raise ValueError("quantile is for metrics of kind quantile, and they need one")
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise ValueError("quantile must lie between 0 and 1")
        if (self.kind == "ratio") != (self.d is not None):
            raise ValueError("d is for metrics of kind ratio, and they need one")
        if self.scale <= 0 or self.horizon < 0:
            raise ValueError("scale must be above 0 and horizon at least 0")

    def document(self) -> dict[str, Any]:
        """All that defines the metric as plain JSON values, the same on every machine."""
        return asdict(self)


def all_metrics(own: Mapping[str, MetricDefinition]) -> dict[str, MetricDefinition]:
    """The built-in metrics and a team's own, by name."""
    return metric_definitions() | dict(own)


def metric_definitions() -> dict[str, MetricDefinition]:
    """Every metric by its name, in the order of metrics.yml. Raises PlumblineError for a faulty entry."""
    return dict(_definitions(_FILE))


def known_metric(name: str, context: Context | None) -> str:
    """The name, where a metric bears it. Raises Refusal that lists them.

    ``context`` holds the metrics of the file being read ("metrics"); without it the built-in ones count.
    """
    known = _metrics_of(context)
    if name not in known:
        raise Refusal("must be a metric", known)
    return name


def definition_in(context: Context | None, name: str) -> MetricDefinition:
    """The metric of that name in a file being read."""
    return _metrics_of(context)[name]


def _metrics_of(context: Context | None) -> Mapping[str, MetricDefinition]:
    return (context or {}).get("metrics") or metric_definitions()


@cache
def _definitions(file: Path) -> dict[str, MetricDefinition]:
    with file.open(encoding="utf-8") as stream:
        entries = yaml.load(stream, Loader=_LOADER)  # noqa: S506 - the safe loader, in C where there is one
    definitions: dict[str, MetricDefinition] = {}
    for number, entry in enumerate(entries, start=1):
        definition = _definition(file, number, entry)
        if definition.name in definitions:
            raise PlumblineError(f"{file}: entry {number}: the metric {definition.name!r} is defined twice")
        definitions[definition.name] = definition
    return definitions


def _definition(file: Path, number: int, entry: dict[str, Any]) -> MetricDefinition:
    allowed = [field.name for field in fields(MetricDefinition) if field.name not in _NOT_BUILT_IN]
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        raise PlumblineError(
            f"{file}: entry {number}: unknown key {', '.join(unknown)}; allowed: {', '.join(allowed)}"
        )
    missing = [name for name in ("name", "kind", "better", "effect", "y", "label") if name not in entry]
    if missing:
        raise PlumblineError(
            f"{file}: entry {number} ({entry.get('name', 'unnamed')}) lacks {', '.join(missing)}"
        )
    try:
        return MetricDefinition(**(entry | {"needs": tuple(entry.get("needs", ()))}))
    except ValueError as error:
        raise PlumblineError(f"{file}: entry {number} ({entry.get('name', 'unnamed')}): {error}") from error
