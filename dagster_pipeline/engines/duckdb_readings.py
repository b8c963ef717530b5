"""What inspection adds about a source's text columns: how their times are read, and what is not read and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.engines import duckdb_profile as profile
from dagster_pipeline.engines.formats import ColumnReading, decide, declared_reading, number_note
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus

if TYPE_CHECKING:
    from dagster_pipeline.config.types import Source

_UTC = ("UTC", "Etc/UTC")


@dataclass(frozen=True)
class Columns:
    """A source as configured, and how its names and texts are quoted."""

    source: Source
    quote: Callable[[str], str]
    literal: Callable[[str], str]


def with_readings(
    connection: duckdb.DuckDBPyConnection, found: SourceInspection, columns: Columns, as_of: datetime
) -> SourceInspection:
    """The inspection with readings, refusals and notes of its time and number columns.

    A content that breaks while it is read says nothing here: staging meets the same fault and reports it.
    """
    if found.status is not SourceStatus.OK or found.relation_sql is None or found.name not in source_specs():
        return found
    try:
        return _with_clock_changes(connection, _with_formats(connection, found, columns, as_of), columns)
    except duckdb.Error:
        return found


def _with_formats(
    connection: duckdb.DuckDBPyConnection, found: SourceInspection, columns: Columns, as_of: datetime
) -> SourceInspection:
    relation = found.relation_sql or ""
    declared = columns.source.formats
    readings = {
        name: declared_reading(formats) for name, formats in declared.items() if name in found.columns
    }
    times = {
        name: column for name, column in _texts(found, columns, "timestamp").items() if name not in readings
    }
    numbers = _texts(found, columns, "double")
    notes, refusals = dict(found.notes), dict(found.refusals)
    odd = profile.odd_columns(connection, relation, times, numbers)
    for name in (name for name in times if name in odd):
        counts = profile.shapes(connection, relation, times[name], as_of)
        reading = decide(counts, name, found.name)
        if reading is not None:
            readings[name] = reading
            (refusals if reading.refused or reading.unknown else notes)[name] = reading.note
    for name in (name for name in numbers if name in odd):
        if note := number_note(profile.number_kinds(connection, relation, numbers[name])):
            refusals[name] = note
    return replace(found, readings=readings, refusals=refusals, notes=notes)


def _with_clock_changes(
    connection: duckdb.DuckDBPyConnection, found: SourceInspection, columns: Columns
) -> SourceInspection:
    """Local times that the source's zone shows twice or never are read all the same: how many, is said."""
    timezone = columns.source.timezone
    if timezone in _UTC:
        return found
    notes = dict(found.notes)
    for name in _times(found):
        reading = found.readings.get(name, ColumnReading((), 0, 0, (), ""))
        physical = found.columns[name]
        value = profile.local_time(
            columns.quote(physical), found.physical_columns[physical], reading.formats, columns.literal
        )
        changes = profile.clock_changes(connection, found.relation_sql or "", value, timezone)
        if changes != profile.ClockChanges():
            notes[name] = "; ".join(filter(None, (notes.get(name), _clock_note(changes, timezone))))
    return replace(found, notes=notes)


def _clock_note(changes: profile.ClockChanges, timezone: str) -> str:
    told = []
    if changes.repeated:
        times = "local time occurs" if changes.repeated == 1 else "local times occur"
        told.append(
            f"{changes.repeated:,} {times} twice in {timezone}, where the clock is set back: read as the later moment"
        )
    if changes.skipped:
        times = "local time does" if changes.skipped == 1 else "local times do"
        told.append(
            f"{changes.skipped:,} {times} not exist in {timezone}, where the clock is set forward: "
            "read as if it had not been"
        )
    return "; ".join(told)


def _times(found: SourceInspection) -> list[str]:
    spec = source_specs()[found.name]
    return [name for name in found.columns if (c := spec.column(name)) and c.data_type == "timestamp"]


def _texts(found: SourceInspection, columns: Columns, data_type: str) -> dict[str, str]:
    """Logical name → quoted name of the columns of that type whose values are held as text."""
    spec = source_specs()[found.name]
    return {
        name: columns.quote(physical)
        for name, physical in found.columns.items()
        if (column := spec.column(name))
        and column.data_type == data_type
        and found.physical_columns[physical].upper() == "VARCHAR"
    }
