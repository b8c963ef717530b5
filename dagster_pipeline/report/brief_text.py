"""The decision brief and the meeting pack as Markdown and as HTML; every value is escaped for its medium."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster_pipeline.report.brief_page import BriefPage, DemandRow, OptionRow
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.markdown import bullets, table
from dagster_pipeline.report.meeting_page import MeetingPage
from dagster_pipeline.report.templating import rendered_template

_PROSE = 1_200


def brief_html(page: BriefPage) -> str:
    """The brief as one HTML file that loads nothing and runs no script."""
    return rendered_template("brief.html.j2", page=page)


def meeting_html(page: MeetingPage) -> str:
    """The pack as one HTML file that loads nothing and runs no script."""
    return rendered_template("meeting.html.j2", page=page)


def brief_markdown(page: BriefPage) -> str:
    """The brief, to be read on a terminal or put into a repository."""
    return _text(_brief_lines(page))


def meeting_markdown(page: MeetingPage) -> str:
    """The pack, to be read on a terminal or put into an invitation."""
    return _text(_meeting_lines(page))


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines).strip() + "\n"


def _brief_lines(page: BriefPage) -> Iterator[str]:
    yield from _head("Decision brief", page)
    if page.context:
        yield from ("", "## Why now", "", _md(page.context))
    yield from _demands(page.demands)
    yield from bullets("", [f"{mark.word}: {said}" for mark, said in page.outcomes])
    yield from ("", "## Scope", "")
    yield from table(("What", "Which"), page.facts)
    yield from _options(page.options, has_scores=page.has_scores)
    if page.value:
        yield from ("", "## What it is worth", "")
        yield from table(("What", "Value"), page.value)
    yield from bullets("## Rollout", page.rollout)
    yield from bullets("## Ready when", page.readiness)
    if page.owners:
        yield from ("", "## Owners", "")
        yield from table(("Of", "Who"), page.owners)
    yield from _actions(page.actions)
    yield from _signatures(page.signatures)


def _meeting_lines(page: MeetingPage) -> Iterator[str]:
    yield from _head(f"Decision meeting, {page.minutes}", page)
    yield from ("", "## Agenda", "")
    rows = [(row.time, row.minutes, row.topic, row.lead) for row in page.agenda]
    yield from table(("Time", "Minutes", "Topic", "Lead"), rows)
    yield from ("", "## To read before", "")
    yield from table(
        ("What", "Where", "Says"), [(read.name, read.path, read.note) for read in page.pre_reads]
    )
    yield from _options(page.options, has_scores=page.has_scores)
    yield from _demands(page.demands)
    yield from ("", "## Who does what", "")
    header = ("Task", "Responsible", "Accountable", "Consulted", "Informed")
    yield from table(
        header, [(r.task, r.responsible, r.accountable, r.consulted, r.informed) for r in page.raci]
    )
    if page.unnamed:
        yield from ("", _md(page.unnamed))
    yield from _actions(page.actions)
    yield from ("", f"Review of the decision: {page.review}")


def _head(kind: str, page: BriefPage | MeetingPage) -> Iterator[str]:
    yield f"# {_md(page.title)}"
    yield from ("", f"{kind} · {_md(page.experiment)} · version {page.version}")
    yield from bullets("", [f"{page.standing.word}. {page.sentences[0]}", *page.sentences[1:]])
    yield from ("", f"Last verdict: {_md(' '.join(page.verdict_sentences))}")


def _demands(demands: Sequence[DemandRow]) -> Iterator[str]:
    yield from ("", "## What it takes", "")
    yield from table(("Metric", "Kind", "Demand"), [(row.label, row.kind, row.sentence) for row in demands])


def _options(options: Sequence[OptionRow], *, has_scores: bool) -> Iterator[str]:
    yield from ("", "## Options", "")
    header = ("Option", "Benefit", "Cost", "Risk", "Effort")
    scored = ("RICE", "Rank") if has_scores else ()
    yield from table((*header, *scored), [_option(row, has_scores=has_scores) for row in options])


def _option(row: OptionRow, *, has_scores: bool) -> tuple[str, ...]:
    name = f"{row.name}: {row.description}" if row.description else row.name
    scored = (row.score or "–", row.rank or "–") if has_scores else ()
    return (name, row.benefit, row.cost, row.risk, row.effort, *scored)


def _actions(actions: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if actions:
        yield from ("", "## Actions", "")
        yield from table(("What", "Who", "Due"), actions)


def _signatures(signatures: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    yield from ("", "## Signatures under this version", "")
    if signatures:
        yield from table(("Who", "When", "Note"), signatures)
    else:
        yield "None. To sign: `plumbline brief sign --by NAME`"


def _md(text: str) -> str:
    return markdown_text(text, _PROSE)
