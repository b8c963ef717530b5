"""The register, the verdict and where the report is, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.decision_view import CriterionView, DecisionView
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.gap_view import BiasView, GapView
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.page import page
from dagster_pipeline.report.words import Mark

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
    if output is not None:
        parts += [Text(), _labelled("Report", visible(output / "report" / "index.html", 4096))]
    return Group(*parts)


def _register(gaps: Sequence[GapView]) -> Table:
    table = Table(title="Gap register", title_justify="left", title_style="bold", header_style="dim")
    table.add_column("Severity", no_wrap=True)
    table.add_column("Gap", ratio=3)
    table.add_column("Affected → left", no_wrap=True)
    table.add_column("What it does to the decision", ratio=3)
    table.add_column("Answer changes at", ratio=1)
    for gap in gaps:
        table.add_row(
            _mark(gap.severity), _name(gap), _affected(gap), _biases(gap.biases), Text(gap.headroom)
        )
    return table


def _mark(mark: Mark) -> Text:
    return Text(f"{mark.sign} {mark.word}", style=_STYLES.get(mark.tone, ""))


def _name(gap: GapView) -> Text:
    status = f" ({gap.status})" if gap.status else ""
    return Text.assemble((gap.title, "bold"), f" {gap.place}{status}\n", (gap.description, "dim"))


def _affected(gap: GapView) -> Text:
    differs = "\n≠ differs by arm" if gap.differential else ""
    return Text.assemble(f"{gap.affected} → {gap.residual}", (differs, "red"))


def _biases(biases: Sequence[BiasView]) -> Text:
    lines = [f"{bias.label}: {bias.mark.word} {bias.size}" for bias in biases]
    return Text("\n".join(lines) or fmt.ABSENT)


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
    for reason in (*decision.reasons, *((f"Allowed: {decision.limits}.",) if decision.limits else ())):
        yield Text(f"  · {reason}")
    if decision.criteria:
        yield _criteria(decision.criteria)


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
