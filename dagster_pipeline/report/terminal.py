"""The register, the verdict and where the report is, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.decision_view import CriterionView, DecisionView
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.gap_view import GapView
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.page import page
from dagster_pipeline.report.words import Mark, kind_title, plural

# Every value is put into a Text, which reads no markup; only these styles are ours.
_STYLES = {
    "good": "bold green",
    "fair": "bold yellow",
    "bad": "bold red",
    "blocker": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "blue",
    "info": "dim",
}
_MOST_NOTES = 8
_TITLE, _PLACE, _LABEL, _DESCRIPTION = 30, 48, 48, 120  # characters: what keeps a gap to four lines
_GAP_KIND = re.compile(r"\bgap-[0-9a-f]{12} \((\w+), ")
_GAP_ID = re.compile(r"\b([Gg])ap gap-[0-9a-f]{12}\b")


def render_register(report: RunReport, output: Path | None = None) -> Group:
    """Gives what ``plumbline run`` and ``demo`` end with; ``output`` is the folder the files went to."""
    shown = page(report)
    parts: list[RenderableType] = [_register(shown.gaps)] if shown.gaps else []
    if not shown.gaps:
        parts.append(Text(shown.no_gaps))
    parts += _notes(shown.notes)
    parts += [Text(f"Resolved: {gap.title}, {gap.place}", style="green") for gap in shown.resolved]
    for decision in shown.decisions:
        parts += _decision(decision)
    turns = [change for view in shown.prospects for change in view.changes]
    parts += [Text(f"  → {_without_ids(change)}") for change in turns]
    if output is not None:
        parts += [Text(), _labelled("Report", visible(output / "report" / "index.html", 4096))]
    return Group(*parts)


def _register(gaps: Sequence[GapView]) -> Table:
    """A gap is one row of few lines: what it is, what it does to the metric that decides, when the answer changes."""
    table = Table(
        title="Gap register", title_justify="left", title_style="bold", header_style="dim", expand=True
    )
    table.add_column("Severity", no_wrap=True)
    table.add_column("Gap", ratio=4, overflow="fold")
    table.add_column("Affected", no_wrap=True)
    table.add_column("What it does to the decision", ratio=7)
    for gap in gaps:
        table.add_row(_mark(gap.severity), _name(gap), _affected(gap), _effect(gap))
    return table


def _mark(mark: Mark) -> Text:
    return Text(f"{mark.sign} {mark.word}", style=_STYLES.get(mark.tone, ""))


def _name(gap: GapView) -> Text:
    status = f" ({gap.status})" if gap.status else ""
    return Text.assemble((_short(gap.title, _TITLE), "bold"), f"\n{_short(gap.place, _PLACE)}{status}")


def _affected(gap: GapView) -> Text:
    left = "" if gap.residual == fmt.ABSENT else f"\n{gap.residual} left"
    differs = "\n≠ by arm" if gap.differential else ""
    return Text.assemble(f"{gap.affected}{left}", (differs, "red"))


def _effect(gap: GapView) -> Text:
    """The bias on the one metric whose answer changes first, and where it does."""
    if not gap.biases:
        return Text(_short(gap.description, _DESCRIPTION))
    bias = gap.deciding or gap.biases[0]
    others = len({other.label for other in gap.biases} - {bias.label})
    more = f" (+{plural(others, 'metric')})" if others else ""
    size = f"{_short(bias.label, _LABEL)}: {bias.mark.word} {bias.size}{more}\n"
    return Text.assemble(size, (_when(gap.headroom), "dim"))


def _when(headroom: str) -> str:
    """What it takes, as a phrase: "cannot change it" and its like say all themselves."""
    return f"Answer changes at {headroom}" if headroom[:1].isdigit() else headroom[:1].upper() + headroom[1:]


def _short(text: str, longest: int) -> str:
    """One place in the table; the whole text is in the report."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _notes(notes: Sequence[GapView]) -> Iterator[RenderableType]:
    for gap in notes[:_MOST_NOTES]:
        yield Text(f"{gap.severity.sign} {gap.title}, {gap.place}: {gap.description}", style="dim")
    if len(notes) > _MOST_NOTES:
        yield Text(f"○ and {len(notes) - _MOST_NOTES:,} more notes, in the report", style="dim")


def _decision(decision: DecisionView) -> Iterator[RenderableType]:
    style = _STYLES[decision.verdict.tone]
    yield Text()
    yield Text.assemble(
        (f"{decision.verdict.sign} {decision.verdict.word}", style), f"  {decision.experiment}"
    )
    yield Text(f"  {decision.headline}", style="bold")
    for reason in (
        *decision.reasons,
        *decision.break_evens,
        *((f"Allowed: {decision.limits}.",) if decision.limits else ()),
    ):
        yield Text(f"  · {_without_ids(reason)}")
    if decision.criteria:
        yield _criteria(decision.criteria)


def _without_ids(reason: str) -> str:
    """A person reads what the gap is; its id, for `plumbline gaps show`, is in verdict.json and `gaps list`."""
    named = _GAP_KIND.sub(lambda found: f"({kind_title(found[1])}, ", reason)
    return _GAP_ID.sub(lambda found: "A gap" if found[1] == "G" else "a gap", named)


def _criteria(criteria: Sequence[CriterionView]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(overflow="fold")
    for item in criteria:
        outcome = Text(f"  {item.outcome.sign} {item.outcome.word}", style=_STYLES.get(item.outcome.tone, ""))
        figures = f"{item.estimate}, interval {item.interval}, gaps allow {item.region}"
        grid.add_row(outcome, Text(f"{item.label} ({item.variant})"), Text(figures))
    return grid


def _labelled(label: str, value: str) -> Text:
    return Text.assemble((f"{label}: ", "bold"), value, overflow="fold")
