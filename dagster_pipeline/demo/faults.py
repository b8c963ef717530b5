"""The faults a sample world can carry, each of known size, and the order in which they are planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import duckdb

from dagster_pipeline.demo import copies, drifts, losses, partitions, times, values
from dagster_pipeline.demo.drifts import Drift
from dagster_pipeline.demo.ledger import Ledger
from dagster_pipeline.demo.partitions import MissingPartition
from dagster_pipeline.demo.spec import TABLES, WorldSpec
from dagster_pipeline.demo.tables import quoted
from dagster_pipeline.demo.times import HourShift
from dagster_pipeline.demo.values import NullJump
from dagster_pipeline.errors import PlumblineError

__all__ = [
    "Drift",
    "Faults",
    "FileFault",
    "HourShift",
    "MissingPartition",
    "NullJump",
    "break_file",
    "plant",
    "written_columns",
]


@dataclass(frozen=True)
class Faults:
    """What to break, by share of the table's rows; by "table" or "table.column". Empty = clean.

    ``missing_quote_variant``: quotes without variant, including those of the requests below;
    ``variant_lost_by_request``: not one by one, but whole requests' quotes and quote events, as where one version of a
    client does not send it.
    ``missing_assignment``: cohort requests whose variant stays unknown: no assignment, no variant on any
    quote or quote event. ``recovered_assignment``: those without assignment whose quotes still carry it.
    ``orphans``: requests are removed until that share of the table's rows has lost its parent (every other
    child of these requests is orphaned too); ``dangling``: rows that point at a parent that never existed.
    ``srm``: share of ``srm_arm``'s units (default: the last arm's) lost with all their rows.
    ``stale``: how far behind as_of the table ends. ``early_quotes``: quotes and their events dated before the
    request. ``shifted_events``: events some seconds after the quote's own row; ``hour_shift``: whole hours, in
    one arm. ``late_assignment``: assignments dated after their unit's first quote. ``missing_partition``: days
    a table lacks. ``sampled_logging``: share of the quote events of ``sampled_arm``'s cohort requests (default:
    the last arm's) never logged. ``drifts``: requests whose category or geo moves. ``imbalance``: share of the
    last arm's customers' requests before the window that get a hire more. ``stale_dashboard``: share of the
    dashboards' figures off by a tenth.
    ``invalid``: variant and outcome as in the two below, price and amount negative. ``miscased``: variants and
    outcomes in another case and with blanks (repairable); ``undeclared``: those that no declaration names;
    ``unreadable``: times and numbers written as text that is neither.
    ``renamed`` maps a column to its new name, ``retyped`` to its new SQL type.
    """

    missing_quote_variant: float = 0.0
    variant_lost_by_request: bool = False
    missing_assignment: float = 0.0
    recovered_assignment: float = 0.0
    nulls: Mapping[str, float] = field(default_factory=dict)
    null_jump: NullJump | None = None
    duplicates: Mapping[str, float] = field(default_factory=dict)
    resent_quotes: float = 0.0
    conflicts: Mapping[str, float] = field(default_factory=dict)
    orphans: Mapping[str, float] = field(default_factory=dict)
    orphans_keep_assignment: bool = True
    dangling: Mapping[str, float] = field(default_factory=dict)
    srm: float = 0.0
    srm_arm: str | None = None
    multiple_exposures: float = 0.0
    stale: Mapping[str, timedelta] = field(default_factory=dict)
    future: Mapping[str, float] = field(default_factory=dict)
    early_quotes: float = 0.0
    shifted_events: float = 0.0
    hour_shift: HourShift | None = None
    late_assignment: float = 0.0
    missing_partition: tuple[MissingPartition, ...] = ()
    sampled_logging: float = 0.0
    sampled_arm: str | None = None
    drifts: tuple[Drift, ...] = ()
    imbalance: float = 0.0
    stale_dashboard: float = 0.0
    invalid: Mapping[str, float] = field(default_factory=dict)
    miscased: Mapping[str, float] = field(default_factory=dict)
    undeclared: Mapping[str, float] = field(default_factory=dict)
    unreadable: Mapping[str, float] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    retyped: Mapping[str, str] = field(default_factory=dict)


def plant(con: duckdb.DuckDBPyConnection, spec: WorldSpec, faults: Faults) -> dict[str, int]:
    """Plants the faults into the connection's tables; gives the counts by "<kind>.<table>[.<column>]".

    Rows first go, then come, then change: so a share of a table's rows means its final rows for values, and
    the rows before any copy for copies. Raises PlumblineError where a name or a share can't be met.
    """
    ledger = Ledger(con, spec)
    _take_rows(ledger, faults)
    _add_rows(ledger, faults)
    _change_values(ledger, faults)
    for address in (*faults.dropped, *faults.renamed, *faults.retyped):
        ledger.locate(address)
        ledger.add(f"schema_change.{address}", 1)
    return dict(sorted(ledger.planted.items()))


def _take_rows(ledger: Ledger, faults: Faults) -> None:
    losses.drop_newest(ledger, faults.stale)
    losses.lose_units(ledger, faults.srm, faults.srm_arm or ledger.spec.arms[-1])
    for table, share in faults.orphans.items():
        losses.remove_parents(ledger, table, share, faults.orphans_keep_assignment)
    for partition in faults.missing_partition:
        partitions.lose_days(ledger, partition)
    losses.lose_assignments(ledger, faults.missing_assignment, recoverable=False)
    losses.lose_assignments(ledger, faults.recovered_assignment, recoverable=True)
    if faults.sampled_logging:
        losses.sample_events(ledger, faults.sampled_logging, faults.sampled_arm or ledger.spec.arms[-1])


def _add_rows(ledger: Ledger, faults: Faults) -> None:
    for table, share in faults.duplicates.items():
        copies.repeat_rows(ledger, table, share)
    if faults.resent_quotes:
        copies.resend_quotes(ledger, faults.resent_quotes)
    for table, share in faults.conflicts.items():
        copies.contradict_rows(ledger, table, share)
    for table, share in faults.future.items():
        copies.add_future_rows(ledger, table, share)
    if faults.multiple_exposures:
        copies.expose_twice(ledger, faults.multiple_exposures)
    if faults.imbalance:
        drifts.hire_before_the_window(ledger, faults.imbalance)


def _change_values(ledger: Ledger, faults: Faults) -> None:
    for table, share in faults.dangling.items():
        values.break_links(ledger, table, share)
    _change_times(ledger, faults)
    if faults.null_jump:
        values.blank_from_date(ledger, faults.null_jump)
    for address, share in faults.nulls.items():
        values.blank_values(ledger, address, share)
    for spoilt, spoil in (
        (faults.invalid, values.spoil_values),
        (faults.miscased, values.miscase_values),
        (faults.undeclared, values.rename_values),
        (faults.unreadable, values.garble_values),
    ):
        for address, share in spoilt.items():
            spoil(ledger, address, share)
    for drift in faults.drifts:
        drifts.move_requests(ledger, drift)
    if faults.stale_dashboard:
        drifts.age_dashboards(ledger, faults.stale_dashboard)
    if faults.missing_quote_variant or faults.missing_assignment:
        lose = (
            values.blank_requests_variants if faults.variant_lost_by_request else values.blank_quote_variants
        )
        lose(ledger, faults.missing_quote_variant)


def _change_times(ledger: Ledger, faults: Faults) -> None:
    if faults.early_quotes:
        times.quote_too_early(ledger, faults.early_quotes)
    if faults.shifted_events:
        times.shift_events(ledger, faults.shifted_events)
    if faults.hour_shift:
        times.shift_hours(ledger, faults.hour_shift)
    if faults.late_assignment:
        times.assign_late(ledger, faults.late_assignment)


def written_columns(con: duckdb.DuckDBPyConnection, spec: WorldSpec, faults: Faults) -> dict[str, str]:
    """The select list under which each table is written: columns dropped, renamed, retyped, and made unreadable."""
    ledger = Ledger(con, spec)
    return {
        table: ", ".join(
            _written(f"{table}.{column}", column, faults)
            for column in ledger.columns(table)
            if f"{table}.{column}" not in faults.dropped
        )
        for table in TABLES
    }


def _written(address: str, column: str, faults: Faults) -> str:
    name = faults.renamed.get(address, column)
    value = quoted(column)
    if faults.unreadable.get(address):
        value = values.garbled(address, value)
    if address in faults.retyped:
        value = f"cast({value} as {faults.retyped[address]})"
    return f"{value} as {quoted(name)}"


class FileFault(StrEnum):
    """Ways in which a file of the world can be unusable."""

    MISSING = "missing"
    EMPTY = "empty"
    TRUNCATED = "truncated"


def break_file(path: Path, fault: FileFault) -> None:
    """Removes the file, empties it to 0 bytes, or cuts it in half; PlumblineError where it isn't there."""
    if not path.is_file():
        raise PlumblineError(f"There is no file {path} to break.")
    if fault is FileFault.MISSING:
        path.unlink()
    elif fault is FileFault.EMPTY:
        path.write_bytes(b"")
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
