"""What a channel is told of a run: one message, or none where nothing changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from dagster_pipeline.alerts.changes import Change, changes, still_open
from dagster_pipeline.alerts.defused import defused
from dagster_pipeline.alerts.message import Item, Message
from dagster_pipeline.config.triage import Alerts, Channel
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.lifecycle import age, due_at
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.gap_view import GapView, gap_views
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.runbooks import runbook_link
from dagster_pipeline.report.words import SEVERITY, listed, plural

_LONGEST_LINE = 400
_SAFE = ":/?#@!$&'*+,;=%~"  # of an address, in a Markdown link


@dataclass(frozen=True)
class News:
    """What the register has to tell: the run's report, all gaps' latest states by id, and all events, oldest first.

    ``was`` holds the severity every gap had when it was last unresolved; ``digest`` is the daily checkpoint in Markdown.
    """

    report: RunReport
    gaps: Mapping[str, Gap]
    events: tuple[GapEvent, ...] = ()
    was: Mapping[str, Severity] = field(default_factory=dict)
    digest: str | None = None


@dataclass(frozen=True)
class Told:
    """What a channel knows: the runs it was told of, the verdicts by experiment, and the day of its last digest.

    ``is_new`` says that nothing was ever delivered to it. ``failing_since`` and ``fault`` are set while it can't be reached.
    """

    runs: frozenset[str] = frozenset()
    verdicts: Mapping[str, str] = field(default_factory=dict)
    digest_on: str | None = None
    is_new: bool = True
    failing_since: datetime | None = None
    fault: str | None = None


def compose(
    news: News, channel: Channel, alerts: Alerts, told: Told, unreached: Sequence[str] = ()
) -> Message | None:
    """The one message for a channel; None where nothing changed that it asks to be told of.

    A channel that was never told anything is told of every open gap. ``unreached`` says which other channels fail.
    """
    least = Severity(channel.least)
    untold = [event for event in news.events if event.run_id not in told.runs]
    found = changes(untold, news.gaps, news.was, least)
    standing = still_open(news.gaps.values(), found, least) if told.is_new else ()
    turned = tuple(_turned(told, verdicts_of(news.report)))
    digest = news.digest if alerts.digest and told.digest_on != _day(news.report.evaluated_at) else None
    if not (found or standing or turned or digest):
        return None
    everything = (*found, *standing)
    return Message(
        title=_title(news.report, found, standing, turned),
        lead=(*turned, *_introduced(standing)),
        items=tuple(_item(change, news.report, alerts.link) for change in everything),
        closing=(*unreached, _origin(news.report)),
        report=report_link(alerts.link),
        digest=digest,
        events=sum(len(change.events) for change in found),
        worst=_worst(everything),
    )


def verdicts_of(report: RunReport) -> dict[str, str]:
    """The verdict on each experiment ("" where there is none), as text."""
    return {str(one["experiment"] or ""): str(one["verdict"]) for one in report.decisions}


def told_after(news: News, before: Told) -> Told:
    """What a channel knows once it was told, or once there was nothing to tell it."""
    digest_on = before.digest_on if news.digest is None else _day(news.report.evaluated_at)
    runs = frozenset(event.run_id for event in news.events)
    return Told(runs, verdicts_of(news.report), digest_on, is_new=False)


def report_link(link: str | None) -> str | None:
    """Where the report can be read; nothing in it ends a Markdown link."""
    return None if link is None else quote(link, safe=_SAFE)


def _day(moment: datetime) -> str:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.date().isoformat()


def _turned(told: Told, now: Mapping[str, str]) -> Iterator[str]:
    for experiment, verdict in now.items():
        before = told.verdicts.get(experiment)
        name = f" on {defused(experiment)}" if experiment else ""
        if before is not None and before != verdict:
            yield f"Verdict{name}: {defused(before)} → {defused(verdict)}."


def _title(
    report: RunReport, found: Sequence[Change], standing: Sequence[Change], turned: Sequence[str]
) -> str:
    ended = sum(change.is_resolved for change in found)
    alive = [change for change in (*found, *standing) if not change.is_resolved]
    parts = [
        f"{sum(c.gap.severity is severity for c in alive):,} {severity.value}"
        for severity in Severity
        if any(c.gap.severity is severity for c in alive)
    ]
    parts += [f"{ended:,} resolved"] if ended else []
    verdict = ", ".join(dict.fromkeys(verdicts_of(report).values()))
    changed = " (changed)" if turned else ""
    gaps = f"gaps: {', '.join(parts)}" if parts else "no gap changed"
    return f"Plumbline: {defused(verdict)}{changed}; {gaps}"


def _introduced(standing: Sequence[Change]) -> Iterator[str]:
    if standing:
        yield f"This channel was never told before: {plural(len(standing), 'gap')} that did not change in this run included."


def _origin(report: RunReport) -> str:
    return f"Run {defused(report.run_id)}, data as of {fmt.moment(report.as_of)}."


def _worst(found: Sequence[Change]) -> Severity | None:
    alive = [change.gap.severity for change in found if not change.is_resolved]
    return max(alive, key=lambda severity: severity.rank, default=None)


def _item(change: Change, report: RunReport, link: str | None) -> Item:
    gap = change.gap
    view = gap_views(report, [gap])[0]
    happened = [_happened(event, report) for event in change.events]
    lines = [*happened, *_late(gap, report)]
    if not change.is_resolved:
        lines += [f"Decision: {_effect(view)}", _standing(view)]
    lines += [f"plumbline gaps show {gap.gap_id}"] if not change.is_resolved else []
    return Item(
        head=defused(f"{_mark(change)}: {view.title}, {view.place}"),
        lines=tuple(defused(line, _LONGEST_LINE) for line in lines),
        runbook=None if change.is_resolved else report_link(runbook_link(gap.kind, link)),
    )


def _standing(view: GapView) -> str:
    return f"Owner: {view.owner or 'nobody'}" + (f"; {view.status}" if view.status else "")


def _mark(change: Change) -> str:
    if change.is_resolved:
        return f"✓ Resolved (was {SEVERITY[change.severity].word})"
    mark = SEVERITY[change.gap.severity]
    return f"{mark.sign} {mark.word}"


def _happened(event: GapEvent, report: RunReport) -> str:
    """One event in words; what a kept one tells is older than this run, so it says when."""
    when = f", {fmt.moment(event.at)}" if event.run_id != report.run_id else ""
    return f"{_WORDS[event.event](event, report)}{when}"


def _opened(event: GapEvent, report: RunReport) -> str:
    del event, report
    return "Opened"


def _changed(event: GapEvent, report: RunReport) -> str:
    del report
    return f"Now {event.after}, was {event.before}"


def _back(event: GapEvent, report: RunReport) -> str:
    """Out of a waiver, or found again after it was resolved."""
    del report
    what = "No longer accepted" if event.before == GapStatus.ACCEPTED.value else "Reopened"
    return _with_reason(what, event)


def _raised(event: GapEvent, report: RunReport) -> str:
    """The people are named by the configuration of now."""
    level = int(event.after) if event.after and event.after.isdigit() else 0
    contacts = report.triage.escalation.contacts(level)
    return f"Escalated to level {level}: {listed(contacts) or 'nobody is named in triage.escalation'}"


def _ended(event: GapEvent, report: RunReport) -> str:
    del report
    return _with_reason("Resolved", event)


def _dismissed(event: GapEvent, report: RunReport) -> str:
    del report
    return _with_reason("Marked a false positive", event)


def _with_reason(what: str, event: GapEvent) -> str:
    by = f" by {event.by}" if event.by else ""
    return f"{what}{by}: {event.why.rstrip('.')}" if event.why else f"{what}{by}"


_WORDS = {
    EventKind.OPENED: _opened,
    EventKind.SEVERITY_CHANGED: _changed,
    EventKind.REOPENED: _back,
    EventKind.ESCALATED: _raised,
    EventKind.RESOLVED: _ended,
    EventKind.FALSE_POSITIVE: _dismissed,
}


def _late(gap: Gap, report: RunReport) -> Iterator[str]:
    """Its age, where it is not resolved in the time agreed."""
    if gap.status is GapStatus.ACCEPTED:
        return
    due, waited = due_at(gap, report.triage.sla), age(gap, report.evaluated_at)
    within = report.triage.sla.within(gap.severity.value)
    if due is not None and waited is not None and within is not None and waited > within:
        yield f"Late: open for {fmt.span(waited)}, agreed are {fmt.span(within)}"


def _effect(view: GapView) -> str:
    """What it does to the decision, in one line: the bias on the metric whose answer changes first."""
    bias = view.deciding
    if bias is None:
        return view.description
    when = bias.headroom
    takes = f"the answer changes at {when}" if when[:1].isdigit() else when
    return f"{bias.label} ({bias.variant}): {bias.mark.word} {bias.size}; {takes}"
