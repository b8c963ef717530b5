"""Where the rows went and which requests found their unit, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import SourceFacts, SourceStatus, UnitJoins
from dagster_pipeline.report.words import SOURCE_STATUS, VARIANT_SOURCE, Mark, listed, plural

_READABLE = (SourceStatus.OK, SourceStatus.EMPTY)
_ADDS_UP = Mark("adds up", "✓", "good")
_NO_ROWS = Mark("nothing to count", "○", "info")
_NOT_COUNTED = Mark("not counted", "!", "bad")


@dataclass(frozen=True)
class SourceRow:
    """Row balance of one source: read = used + set aside, or ``balance`` says by how many rows it is off."""

    name: str
    status: Mark
    total: str
    set_aside: tuple[str, ...]
    used: str
    balance: Mark
    newest: str
    late: bool
    note: str


@dataclass(frozen=True)
class BalanceView:
    """All sources; ``headline`` is the one sentence for who reads no table."""

    headline: str
    is_whole: bool
    rows: tuple[SourceRow, ...]


@dataclass(frozen=True)
class UnitJoinRow:
    """How one experiment's cohort requests found their unit's assignment; ``sentence`` says the row in words."""

    experiment: str
    unit: str
    requests: str
    with_key: str
    assigned: str
    arms: tuple[str, ...]
    sentence: str


def balance_view(sources: Sequence[SourceFacts]) -> BalanceView:
    """The sources in the given order."""
    rows = tuple(_source(source) for source in sources)
    return BalanceView(_headline(sources), all(_is_whole(source) for source in sources), rows)


def _is_whole(source: SourceFacts) -> bool:
    return source.status not in _READABLE or source.unexplained == 0


def _headline(sources: Sequence[SourceFacts]) -> str:
    open_ones = [f"{visible(s.name)} ({_balance(s).word})" for s in sources if not _is_whole(s)]
    if open_ones:
        return f"The rows of {listed(open_ones)} do not add up, so no figure here can carry a decision until they do."
    read = [s for s in sources if s.status in _READABLE and s.rows_total is not None]
    if not read:
        return "No source could be read, so there are no rows to account for."
    rows = sum(s.rows_total or 0 for s in read)
    used = sum(s.canonical_rows or 0 for s in read)
    aside = "and the other is" if rows - used == 1 else f"and {rows - used:,} are"
    rest = f", {aside} set aside for the reasons below" if rows > used else ""
    return (
        f"Every row is accounted for: of {plural(rows, 'row')} read from {plural(len(read), 'source')}, "
        f"{used:,} {'is' if used == 1 else 'are'} used{rest}."
    )


def _source(source: SourceFacts) -> SourceRow:
    aside = (
        (source.filtered, "filtered out"),
        (source.quarantined, "quarantined"),
        (source.duplicates_removed, "duplicate copies"),
        (source.conflicts_removed, "conflicting"),
        (source.orphans_removed, "without a parent"),
    )
    return SourceRow(
        name=visible(source.name),
        status=SOURCE_STATUS[source.status],
        total=fmt.count(source.rows_total),
        set_aside=tuple(f"{fmt.count(size)} {word}" for size, word in aside if size),
        used=fmt.count(source.canonical_rows),
        balance=_balance(source),
        newest=fmt.moment(source.newest),
        late=source.late,
        note=visible(source.note),
    )


def _balance(source: SourceFacts) -> Mark:
    if source.status not in _READABLE:
        return _NO_ROWS
    lost = source.unexplained
    if lost is None:
        return _NOT_COUNTED
    if lost == 0:
        return _ADDS_UP
    return Mark(f"{plural(abs(lost), 'row')} {'missing' if lost > 0 else 'too many'}", "✕", "bad")


def unit_join_rows(joins: Iterable[UnitJoins]) -> tuple[UnitJoinRow, ...]:
    """One row per experiment, in the given order."""
    return tuple(_join(found) for found in joins)


def _join(found: UnitJoins) -> UnitJoinRow:
    arms = tuple(f"{size:,} {VARIANT_SOURCE[name]}" for name, size in _in_order(found.by_source))
    return UnitJoinRow(
        experiment=visible(found.experiment),
        unit=visible(found.unit),
        requests=fmt.count(found.requests),
        with_key=_of(found.with_key, found.requests),
        assigned=_of(found.assigned, found.requests),
        arms=arms,
        sentence=_sentence(found),
    )


def _in_order(by_source: Mapping[str, int]) -> list[tuple[str, int]]:
    known = [(name, by_source[name]) for name in VARIANT_SOURCE if by_source.get(name)]
    return known or [("none", 0)]


def _sentence(found: UnitJoins) -> str:
    if not found.requests:
        return "there is no cohort request, so there is nothing to join."
    unarmed = sum(found.by_source.get(name, 0) for name in ("tie", "undeclared_arm", "none"))
    logged = found.by_source.get("exposure_log", 0)
    verb = "joins" if found.assigned == 1 else "join"
    parts = [
        f"of {plural(found.requests, 'cohort request')} {found.with_key:,} "
        f"{'carries' if found.with_key == 1 else 'carry'} a {visible(found.unit)} id and {found.assigned:,} {verb} an assignment"
    ]
    if logged:
        parts.append(f"{logged:,} {'takes its' if logged == 1 else 'take their'} arm from the exposure logs")
    parts.append(
        f"{unarmed:,} {'stays' if unarmed == 1 else 'stay'} without a known arm"
        if unarmed
        else "all have an arm"
    )
    return "; ".join(parts) + "."


def _of(part: int, whole: int) -> str:
    return f"{fmt.count(part)} ({fmt.share(part / whole)})" if whole else fmt.count(part)
