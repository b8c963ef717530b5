"""summary.md: the page in Markdown, in the same order and much shorter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.gaps.model import Gap, Impact
from dagster_pipeline.register.history import register_order
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.balance_view import (
    BalanceView,
    SourceRow,
    UnitJoinRow,
    balance_view,
    unit_join_rows,
)
from dagster_pipeline.report.decision_view import CriterionView, DecisionView
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.gap_view import GapView
from dagster_pipeline.report.markdown import LONGEST, bullets, table
from dagster_pipeline.report.model import RunReport, SourceFacts, SourceStatus, UnitJoins
from dagster_pipeline.report.page import Page, page
from dagster_pipeline.report.words import (
    DIRECTION,
    SEVERITY,
    SOURCE_STATUS,
    STATUS,
    kind_title,
    place,
    plural,
)

_BALANCE = ("Source", "Read", "Set aside", "Used", "Balance")


def render_summary(report: RunReport) -> str:
    """Gives the whole file; every value is escaped."""
    shown = page(report)
    return "\n".join(_lines(shown)).rstrip() + "\n"


def register_markdown(gaps: Iterable[Gap]) -> str:
    """The register as one Markdown table, worst first; a sentence where it is empty."""
    ordered = sorted(gaps, key=register_order)
    if not ordered:
        return "No gaps.\n"
    header = (
        "Severity",
        "Gap",
        "Where",
        "Affected",
        "Left",
        "What it does",
        "Answer changes at",
        "Status",
        "Owner",
    )
    return "\n".join(table(header, [_gap_cells(gap) for gap in ordered])) + "\n"


def _gap_cells(gap: Gap) -> tuple[str, ...]:
    known = [impact for impact in gap.metrics if impact.delta_star is not None]
    first = min(known, key=lambda impact: impact.delta_star or 0.0, default=None)
    return (
        SEVERITY[gap.severity].word,
        kind_title(gap.kind),
        place(gap),
        fmt.share(gap.share_affected),
        fmt.share(gap.share_residual),
        _bias(first) if first else fmt.ABSENT,
        fmt.headroom(first.delta_star) if first else fmt.ABSENT,
        STATUS[gap.status],
        gap.owner or "",
    )


def _bias(impact: Impact) -> str:
    """What the gap does to the metric whose answer changes first."""
    return f"{metric_label(impact.metric, metric_definitions())}: {DIRECTION[impact.direction].word}"


def _lines(shown: Page) -> Iterator[str]:
    yield f"# {_md(shown.title)}"
    yield ""
    yield f"Data as of {shown.as_of} · decided {shown.evaluated_at} · run {_md(shown.run_id)}"
    for decision in shown.decisions:
        yield from _decision(decision)
    yield from _prospects(shown)
    yield from _scenarios(shown)
    yield from _register(shown)
    yield from _rows(shown)
    checks = shown.checks
    yield ""
    yield (
        f"**Checks:** {checks.passed:,} passed, {checks.failed:,} failed, {checks.errors:,} could not run. "
        f"{_md(checks.coverage)}"
    )
    if shown.track_record is not None:
        yield from bullets("## Track record", shown.track_record.lines)
    yield from bullets("## What is absent", shown.absences)
    yield ""
    yield "The whole report: report/index.html. Unrounded figures: register.json, metrics.json, scenarios.json, decision.json, track_record.json, register.csv."


def _decision(decision: DecisionView) -> Iterator[str]:
    yield ""
    yield f"## {decision.verdict.word}: {_md(decision.experiment)}"
    yield ""
    yield f"**{_md(decision.headline, LONGEST)}**"
    if decision.limits:
        yield ""
        yield f"Allowed: {_md(decision.limits, LONGEST)}."
    yield from bullets("", [*decision.reasons, *(f"Waived: {waiver}" for waiver in decision.waivers)])
    if decision.criteria:
        header = ("Demand", "Result", "Estimate", "Interval", "Gaps allow", "Answer changes at")
        yield ""
        yield from table(header, [_criterion(item) for item in decision.criteria])
    yield from bullets("### What would change the answer", decision.changes)


def _criterion(item: CriterionView) -> tuple[str, ...]:
    demand = f"{item.label} ({item.variant}) {item.demand}"
    return (demand, item.outcome.word, item.estimate, item.interval, item.region, item.headroom)


def _prospects(shown: Page) -> Iterator[str]:
    """What would turn each verdict, how the launch was prepared, whether the data could tell, and what it is worth."""
    yield from bullets("## If true, then do", [line for view in shown.prospects for line in view.changes])
    before = [
        line
        for view in shown.prospects
        for line in (
            *view.brief,
            *view.readiness,
            *(f"Stage {stage}." for stage in view.stages),
            *view.switch,
        )
    ]
    yield from bullets("## Before the launch", before)
    yield from bullets(
        "## Could the data tell?", [row.sentence for view in shown.prospects for row in view.power]
    )
    yield from bullets(
        "## What is it worth?", [one.sentence for view in shown.prospects for one in view.value]
    )


def _scenarios(shown: Page) -> Iterator[str]:
    """Three lines at most; of several experiments one each."""
    if len(shown.scenarios) > 1:
        lines = [f"{found.experiment}: {found.lines[0]}" for found in shown.scenarios if found.lines]
    else:
        lines = [line for found in shown.scenarios for line in found.lines]
    yield from bullets("## If the gaps went one way", lines)


def _register(shown: Page) -> Iterator[str]:
    yield ""
    yield f"## Gap register: {shown.gaps_by_severity}"
    yield ""
    if shown.gaps:
        header = ("Severity", "Gap", "Affected → left", "What it does", "Answer changes at", "Owner")
        yield from table(header, [_gap(gap) for gap in shown.gaps])
    else:
        yield shown.no_gaps
    yield from bullets("### Runbooks", _runbooks(shown.gaps))
    if shown.notes:
        yield ""
        notes = plural(len(shown.notes), "note")
        yield f"{notes} that move no metric of the decision, or lie below their threshold."
    resolved = [f"{gap.title}, {gap.place}: {gap.severity_reason}" for gap in shown.resolved]
    yield from bullets("### Resolved since the last run", resolved)


def _runbooks(gaps: Sequence[GapView]) -> list[str]:
    """One line per kind, in the order of the gaps."""
    pages = {gap.title: gap.runbook for gap in gaps if gap.runbook}
    return [f"{title}: report/{name}" for title, name in pages.items()]


def _gap(gap: GapView) -> tuple[str, ...]:
    biases = "; ".join(f"{bias.label}: {bias.mark.word} {bias.size}" for bias in gap.biases)
    differs = ", differs by arm" if gap.differential else ""
    return (
        gap.severity.word,
        f"{gap.title}, {gap.place}: {gap.description}",
        f"{gap.affected} → {gap.residual}{differs}",
        biases or fmt.ABSENT,
        gap.headroom,
        gap.owner or fmt.ABSENT,
    )


def _rows(shown: Page) -> Iterator[str]:
    if shown.balance.rows:
        yield ""
        yield "## Where the rows went"
        yield ""
        yield from _balance(shown.balance)
    yield from bullets("## How requests found their arm", _joins(shown.unit_joins))


def balance_markdown(sources: Sequence[SourceFacts]) -> str:
    """The row balance as a sentence and a Markdown table that fits beside an asset."""
    shown = balance_view(sources)
    rows = table(_BALANCE, (_source(row)[: len(_BALANCE)] for row in shown.rows))
    return "\n".join([_md(shown.headline, LONGEST), "", *rows]) + "\n"


def joins_markdown(joins: Iterable[UnitJoins]) -> str:
    """How each experiment's requests found their unit, one sentence each."""
    return "\n".join(bullets("", _joins(unit_join_rows(joins)))).lstrip() + "\n"


def _joins(rows: Iterable[UnitJoinRow]) -> list[str]:
    return [f"{row.experiment}: {row.sentence}" for row in rows]


def _balance(shown: BalanceView) -> Iterator[str]:
    yield _md(shown.headline, LONGEST)
    yield ""
    yield from table((*_BALANCE, "Newest row"), map(_source, shown.rows))


def _source(row: SourceRow) -> tuple[str, ...]:
    name = row.name if row.status is SOURCE_STATUS[SourceStatus.OK] else f"{row.name} ({row.status.word})"
    newest = f"{row.newest}, late" if row.late else row.newest
    return name, row.total, ", ".join(row.set_aside) or fmt.ABSENT, row.used, row.balance.word, newest


def _md(text: str, longest: int = 300) -> str:
    return markdown_text(text, longest)
