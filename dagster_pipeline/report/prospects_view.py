"""What belongs to a decision beside its verdict, ready to be shown: the brief, what would turn it, power, value, rollout.

It reads the documents of decision.json, so that the page says what the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.register.documents import from_iso_z
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.words import Mark

_LONGEST = 600
_READINGS = {
    "enough": Mark("data enough", "✓", "good"),
    "not_enough_data": Mark("not enough data", "?", "fair"),
    "no_effect": Mark("no effect that matters", "=", "calm"),
    "close_call": Mark("too close to call", "≈", "fair"),
    "not_evaluated": Mark("not evaluated", "?", "bad"),
}
_LOOKS = {
    "crossed": Mark("proven broken", "✗", "bad"),
    "safe": Mark("proven kept", "✓", "good"),
    "open": Mark("not decided yet", "·", "calm"),
    "missing": Mark("nothing to look at", "?", "fair"),
    "unmonitored": Mark("not looked at daily", "–", "calm"),
}
_OPTIONS = {"go": "GO, everywhere", "partial": "PARTIAL, at the capped stage", "hold": "HOLD"}

Document = Mapping[str, Any]


@dataclass(frozen=True)
class PowerView:
    """What the sample could tell of one rule."""

    label: str
    kind: str
    variant: str
    reading: Mark
    detectable: str
    needed: str
    sentence: str


@dataclass(frozen=True)
class OptionView:
    """One course with its worth over the horizon."""

    name: str
    is_best: bool
    expected: str
    interval: str
    region: str
    regret: str


@dataclass(frozen=True)
class ValueView:
    """What the decision is worth for one treatment."""

    variant: str
    sentence: str
    options: tuple[OptionView, ...]


@dataclass(frozen=True)
class TradeoffRow:
    """Speed against hires in one segment."""

    segment: str
    speed: str
    hire: str
    requests: str


@dataclass(frozen=True)
class TradeoffView:
    """One treatment's trade-off; ``note`` states the interference assumption with its measured overlap."""

    variant: str
    speed_label: str
    hire_label: str
    rows: tuple[TradeoffRow, ...]
    note: str


@dataclass(frozen=True)
class LookView:
    """Where one rule stands after its daily looks."""

    label: str
    variant: str
    mark: Mark
    note: str


@dataclass(frozen=True)
class ProspectsView:
    """One experiment's dossier; empty parts were not asked for by the brief."""

    experiment: str
    changes: tuple[str, ...]
    brief: tuple[str, ...]
    readiness: tuple[str, ...]
    power: tuple[PowerView, ...]
    value: tuple[ValueView, ...]
    inputs: str
    tradeoffs: tuple[TradeoffView, ...]
    stages: tuple[str, ...]
    looks: tuple[LookView, ...]
    switch: tuple[str, ...]


def prospects_views(report: RunReport) -> tuple[ProspectsView, ...]:
    """One view per experiment that was decided on."""
    return tuple(
        _prospects(document, report.definitions) for document in report.dossiers if document["experiment"]
    )


def _prospects(document: Document, definitions: Mapping[str, MetricDefinition]) -> ProspectsView:
    rollout = document["rollout"] or {}
    return ProspectsView(
        experiment=visible(document["experiment"]),
        changes=_texts(change["sentence"] for change in document["changes"]),
        brief=_texts((document["brief"] or {}).get("sentences", ())),
        readiness=tuple(_readiness(document)),
        power=tuple(_power(one, definitions) for one in document["power"]),
        value=tuple(
            _value(one, document["value"]) for one in (document["value"] or {}).get("treatments", ())
        ),
        inputs=_inputs(document["value"], definitions) if document["value"] else "",
        tradeoffs=tuple(
            _tradeoff(one, definitions) for one in document["tradeoff"] if len(one["points"]) > 1
        ),
        stages=tuple(_stages(rollout)),
        looks=tuple(_look(one, definitions) for one in rollout.get("monitored", ())),
        switch=tuple(_switch(rollout)),
    )


def _texts(sentences: Any) -> tuple[str, ...]:
    return tuple(visible(sentence, _LONGEST) for sentence in sentences)


def _readiness(document: Document) -> Iterator[str]:
    ready = document["readiness"]
    if ready is None:
        yield from _texts(document["unready"])
        return
    if ready["coverage"] is not None:
        watched = f"{ready['monitored_fields']} of {ready['critical_fields']} critical fields"
        yield f"A check watches {watched} ({fmt.share(ready['coverage'])}; asked for are {fmt.share(ready['coverage_required'])})."
    if ready["is_ready"]:
        yield f"Ready for the launch on {fmt.day(_moment(ready['launch_date']))}."
    yield from _texts([*ready["reasons"], *ready["notes"]])


def _moment(text: str | None) -> datetime | None:
    return from_iso_z(text)


def _power(one: Document, definitions: Mapping[str, MetricDefinition]) -> PowerView:
    unit = fmt.unit_of(definitions.get(one["metric"]))
    sample = one["needed_sample"]
    return PowerView(
        label=metric_label(one["metric"], definitions),
        kind=one["kind"],
        variant=visible(one["variant"]),
        reading=_READINGS[one["reading"]],
        detectable=_size(one["minimum_detectable"], one["effect"], unit),
        needed=(
            f"{fmt.count(sample['n_treatment'])} and {fmt.count(sample['n_control'])}"
            if sample
            else "not known"
        ),
        sentence=visible(one["sentence"], _LONGEST),
    )


def _size(value: float | None, effect: str, unit: fmt.Unit) -> str:
    return "not known" if value is None else fmt.effect(abs(value), effect, unit).lstrip("+")


def _value(one: Document, value: Document) -> ValueView:
    currency = visible(value["currency"])
    return ValueView(
        variant=visible(one["variant"]),
        sentence=visible(one["sentence"], _LONGEST),
        options=tuple(_option(option, one["best"], currency) for option in one["options"]),
    )


def _option(option: Document, best: str | None, currency: str) -> OptionView:
    total = option["total"]
    return OptionView(
        name=_OPTIONS[option["option"]],
        is_best=option["option"] == best,
        expected=_money(total["expected"], currency),
        interval=_range(total["ci_lower"], total["ci_upper"], currency),
        region=_range(total["lower"], total["upper"], currency),
        regret=_money(option["regret"], currency),
    )


def _money(amount: float | None, currency: str) -> str:
    if amount is None:
        return "not known"
    sign = "−" if amount < 0 else ""
    return f"{sign}{fmt.number(abs(amount))} {currency}"


def _range(lower: float | None, upper: float | None, currency: str) -> str:
    if lower is None and upper is None:
        return "not known"
    ends = ["no limit" if end is None else _money(end, currency) for end in (lower, upper)]
    return ends[0] if ends[0] == ends[1] else fmt.between(*ends)


def _inputs(value: Document, definitions: Mapping[str, MetricDefinition]) -> str:
    """What the figures rest on: the brief's own numbers, to be argued with."""
    currency = visible(value["currency"])
    worth = [
        f"one whole unit of {metric_label(metric, definitions).lower()} is worth {_money(amount, currency)} a day"
        for metric, amount in value["per_day"].items()
    ]
    parts = [f"over {fmt.tidy(fmt.number(value['horizon_days']))} days", *worth]
    if value["incident_cost"] is not None:
        chance = fmt.share(value["incident_probability"])
        parts.append(
            f"an incident costs {_money(value['incident_cost'], currency)}, with a chance of {chance}"
        )
    if value["infrastructure_per_day"]:
        parts.append(f"infrastructure takes {_money(value['infrastructure_per_day'], currency)} a day")
    return f"As the brief has it: {'; '.join(parts)}."


def _tradeoff(one: Document, definitions: Mapping[str, MetricDefinition]) -> TradeoffView:
    speed, hire = one["speed_metric"], one["hire_metric"]
    return TradeoffView(
        variant=visible(one["treatment"]),
        speed_label=metric_label(speed, definitions) if speed else "speed",
        hire_label=metric_label(hire, definitions) if hire else "hires",
        rows=tuple(
            TradeoffRow(
                segment=visible(point["segment"] or "the whole cohort"),
                speed=_figure(point["speed"], one["speed_effect"], speed, definitions),
                hire=_figure(point["hire"], one["hire_effect"], hire, definitions),
                requests=fmt.count(max((p["n"] for p in (point["speed"], point["hire"]) if p), default=None)),
            )
            for point in one["points"]
        ),
        note=visible(one["interference"]["sentence"], _LONGEST),
    )


def _figure(
    found: Document | None,
    effect: str | None,
    metric: str | None,
    definitions: Mapping[str, MetricDefinition],
) -> str:
    if found is None or effect is None or found["estimate"] is None:
        return "not measured"
    unit = fmt.unit_of(definitions.get(metric or ""))
    ends = [
        fmt.effect(found[end], effect, unit) for end in ("ci_lower", "ci_upper") if found[end] is not None
    ]
    interval = f" [{fmt.between(*ends)}]" if len(ends) == 2 else ""
    return f"{fmt.effect(found['estimate'], effect, unit)}{interval}"


def _stages(rollout: Document) -> Iterator[str]:
    starts = rollout.get("starts", ())
    for stage in rollout.get("stages", ()):
        began = [start["at"] for start in starts if start["percent"] == stage["percent"]]
        since = f"started {fmt.moment(_moment(began[-1]))}" if began else "not started"
        yield f"{stage['percent']:g}% for at least {fmt.tidy(fmt.duration(stage['dwell_seconds']))}: {since}"


def _look(one: Document, definitions: Mapping[str, MetricDefinition]) -> LookView:
    day = one["crossed_on"] or one["safe_on"]
    looked = f"{len(one['looks'])} daily looks" if one["looks"] else ""
    return LookView(
        label=metric_label(one["metric"], definitions),
        variant=visible(one["variant"]),
        mark=_LOOKS[one["state"]],
        note=", ".join(
            part for part in (f"on {day}" if day else "", looked, visible(one["reason"] or "")) if part
        ),
    )


def _switch(rollout: Document) -> Iterator[str]:
    """Kill switches that were pulled, and triggers that fired."""
    for one in rollout.get("rollbacks", ()):
        yield f"Switched off on {fmt.moment(_moment(one['at']))}: {visible(one['reason'], _LONGEST)}"
    for watch in rollout.get("rollback", ()):
        if watch["trigger"] is not None:
            yield visible(watch["trigger"]["reason"], _LONGEST)
        elif watch["reason"]:
            yield f"The rollback trigger on {visible(watch['metric'])} can't be judged: {visible(watch['reason'], _LONGEST)}"
