"""The pack of the decision meeting: agenda, what to read before, options, criteria, and who does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_pipeline.config.brief import ROLES, Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gate.brief_version import BriefStatus, short_version
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.brief_page import (
    DemandRow,
    LastRun,
    OptionRow,
    demand_rows,
    option_rows,
    owned_words,
    standing,
    verdict_sentences,
)
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.words import VERDICT, Mark

DEFAULT_MINUTES = 30
MOST_MINUTES = 240
# Topic, the role that leads it, and its share of the time.
_AGENDA = (
    ("The question, and what changed since it was agreed", "accountable", 3),
    ("What the data can carry: the open gaps", "responsible", 5),
    ("The answer: criteria and guardrails", "responsible", 6),
    ("The options: benefit, cost, risk, effort", "responsible", 6),
    ("The decision, and dissent for the record", "accountable", 6),
    ("Actions, owners, date of the review", "responsible", 4),
)
LEAST_MINUTES = len(_AGENDA)
_SENTENCE = 600


@dataclass(frozen=True)
class AgendaRow:
    """One topic with its time, such as 0:03 to 0:08, and who leads it."""

    time: str
    minutes: str
    topic: str
    lead: str


@dataclass(frozen=True)
class PreRead:
    """Something to read before the meeting; ``note`` says what it answers, or that it is not there."""

    name: str
    path: str
    note: str


@dataclass(frozen=True)
class RaciRow:
    """Who is responsible, accountable, consulted and informed."""

    task: str
    responsible: str
    accountable: str
    consulted: str
    informed: str


@dataclass(frozen=True)
class MeetingPage:
    """The pack in words and written figures only; nothing here needs escaping but for its medium."""

    title: str
    experiment: str
    version: str
    minutes: str
    standing: Mark
    sentences: tuple[str, ...]
    verdict: Mark | None
    verdict_sentences: tuple[str, ...]
    agenda: tuple[AgendaRow, ...]
    pre_reads: tuple[PreRead, ...]
    options: tuple[OptionRow, ...]
    has_scores: bool
    are_verdicts: bool
    demands: tuple[DemandRow, ...]
    raci: tuple[RaciRow, ...]
    unnamed: str
    actions: tuple[tuple[str, str, str], ...]
    review: str


def meeting_page(
    brief: Brief,
    definitions: Mapping[str, MetricDefinition],
    status: BriefStatus,
    last: LastRun | None,
    pre_reads: Sequence[PreRead],
    minutes: int = DEFAULT_MINUTES,
) -> MeetingPage:
    """Everything the pack shows; raises PlumblineError for a length no agenda fits in."""
    return MeetingPage(
        title=visible(brief.question or f"Decision on {brief.experiment}", _SENTENCE),
        experiment=visible(brief.experiment),
        version=short_version(status.version),
        minutes=f"{minutes} minutes",
        standing=standing(status),
        sentences=tuple(visible(sentence, 2 * _SENTENCE) for sentence in status.sentences),
        verdict=VERDICT.get(last.verdict or "") if last else None,
        verdict_sentences=verdict_sentences(last, status),
        agenda=agenda(minutes, brief.owners),
        pre_reads=tuple(pre_reads),
        options=option_rows(brief),
        has_scores=any(option.rice for option in brief.options),
        are_verdicts=not brief.options,
        demands=demand_rows(brief, definitions),
        raci=raci(brief.owners),
        unnamed=_unnamed(brief.owners),
        actions=tuple((visible(a.what, _SENTENCE), visible(a.owner), fmt.day(a.due)) for a in brief.actions),
        review=fmt.day(brief.review_date),
    )


def agenda(minutes: int, owners: Mapping[str, str]) -> tuple[AgendaRow, ...]:
    """The topics with times that add up to ``minutes``, each at least one; raises PlumblineError where they can't."""
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise PlumblineError(
            f"A meeting of {minutes} minutes is not planned: from {LEAST_MINUTES} to {MOST_MINUTES} are."
        )
    rows, start = [], 0
    for (topic, role, _), length in zip(_AGENDA, _lengths(minutes), strict=True):
        lead = visible(owners.get(role, "")) or role
        rows.append(AgendaRow(f"{_clock(start)} to {_clock(start + length)}", str(length), topic, lead))
        start += length
    return tuple(rows)


def raci(owners: Mapping[str, str]) -> tuple[RaciRow, ...]:
    """The decision by its roles, then every repair: its owner does it, for who is accountable for the decision."""
    roles = {role: visible(owners[role]) if role in owners else fmt.ABSENT for role in ROLES}
    rows = [RaciRow("The decision", **roles)]
    for name, owner in owners.items():
        if name not in ROLES:
            task = f"Repair: {owned_words(name)}"
            rows.append(RaciRow(task, visible(owner), roles["accountable"], fmt.ABSENT, roles["responsible"]))
    return tuple(rows)


def pre_reads(output: Path, brief_file: Path | None) -> tuple[PreRead, ...]:
    """The brief, and what the last run left in ``output``, with what is not there said."""
    written = "what is decided, and what it takes"
    brief = PreRead("Decision brief", visible(brief_file or "plumbline brief"), written)
    files = (
        ("Report", output / "report" / "index.html", "verdict, criteria, gaps, what would change the answer"),
        ("Summary", output / "summary.md", "the same in short"),
        ("Gap register", output / "register.csv", "every gap with its size, its bias and its owner"),
    )
    found = [
        PreRead(name, visible(path), note if path.is_file() else "not there yet: plumbline run writes it")
        for name, path, note in files
    ]
    return (brief, *found)


def _lengths(minutes: int) -> list[int]:
    """Whole minutes in proportion to the weights, one at least each; what is left over goes to the largest remainders."""
    weights = [weight for _, _, weight in _AGENDA]
    free = minutes - len(weights)
    exact = [free * weight / sum(weights) for weight in weights]
    lengths = [int(share) for share in exact]
    by_rest = sorted(range(len(weights)), key=lambda i: (lengths[i] - exact[i], i))
    for index in by_rest[: free - sum(lengths)]:
        lengths[index] += 1
    return [1 + length for length in lengths]


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02d}"


def _unnamed(owners: Mapping[str, str]) -> str:
    missing = [role for role in ROLES if role not in owners]
    return f"Nobody is named {', '.join(missing)}: add owners to the brief." if missing else ""
