"""Expectation suites as data: ``expectations/<relation>.json``, and what they ask of one configuration.

A suite is a Great Expectations suite whose ``meta`` says where the relation lives (``schema``) and what it
is called in plumbline.yml (``table``). An entry's ``meta`` says what its failing would be: ``gap_kind``,
``affects`` (metrics), ``mitigation``, and where they differ from the entry's column ``gap_column`` (null for
whole rows) and ``needs`` (mapped columns, ``table.column`` of another source, or ``experiments``; default:
the entry's column). What is needed but not mapped makes an entry not applicable: it is left out rather than
passed; with ``required`` it is an error instead.

What the configuration decides stands in ``kwargs`` as a placeholder:

=================================  =========================================================================
``{"$all_but": "null_share"}``     1 − that threshold, for ``mostly``; overrides by table and column apply
``{"$threshold": "null_share"}``   that threshold
``{"$freshness": true}``           the oldest the newest row may be; without a freshness: not applicable
``{"$as_of": true}``               the clock
``{"$experiments": true}``         the ids of the experiments; without one: not applicable
=================================  =========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagster_pipeline.checks.suite_files import Entry, SuiteFile, suite_files, team_suite_files
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.transform.mapping import type_problem


@dataclass(frozen=True)
class Check:
    """An entry with its placeholders filled in.

    ``threshold`` is what the outcome is held against: a share of rows, a bound, or a UTC timestamp as text.
    ``obstacle`` says why it cannot be evaluated, None if it can; ``rests_on`` what it reads.
    """

    entry: Entry
    kwargs: Mapping[str, Any]
    threshold: float | str | None
    obstacle: str | None = None
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """The checks of one relation that apply under one configuration."""

    file: SuiteFile
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        """The suite's name: its relation's, or ``team_`` and the file's."""
        return self.file.name


def load_suites(
    config: PlumblineConfig,
    inspections: Mapping[str, SourceInspection] | None = None,
    folder: Path | None = None,
) -> tuple[Suite, ...]:
    """The suites of ``folder`` (default: Plumbline's own, then those of the configuration's ``suites``) for ``config``.

    With ``inspections``, what rests on a source or column that could not be found is marked as not evaluable.
    A suite nothing of which applies is left out. Raises PlumblineError, naming file and entry, for a suite
    that can't be used.
    """
    files = suite_files(folder, tuple(config.metrics))
    if folder is None and config.suites is not None:
        files += team_suite_files(config.suites, tuple(config.metrics))
    suites = (_resolve(file, config, inspections or {}) for file in files)
    return tuple(suite for suite in suites if suite.checks)


def utc_text(moment: datetime) -> str:
    """A moment as ISO text in UTC without a zone, as the warehouse holds its timestamps."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


class _NotApplicableError(Exception):
    """The configuration gives a check nothing to hold."""


class _NotPromisedError(_NotApplicableError):
    """Nothing was promised that could be broken, so even a required expectation has nothing to say."""


@dataclass(frozen=True)
class _Scope:
    """What one entry is resolved against."""

    file: SuiteFile
    entry: Entry
    config: PlumblineConfig
    inspections: Mapping[str, SourceInspection]


def _resolve(file: SuiteFile, config: PlumblineConfig, inspections: Mapping[str, SourceInspection]) -> Suite:
    if file.table in source_specs() and file.table not in config.sources and not file.is_team:
        return Suite(file, ())
    checks = (_check(_Scope(file, entry, config, inspections)) for entry in file.entries)
    return Suite(file, tuple(check for check in checks if check is not None))


def _check(scope: _Scope) -> Check | None:
    try:
        kwargs = {key: _fill(value, scope) for key, value in scope.entry.kwargs.items()}
        return Check(scope.entry, kwargs, _threshold(scope, kwargs), _obstacle(scope), _rests_on(scope))
    except _NotPromisedError:
        return None
    except _NotApplicableError as error:
        if not scope.entry.required:
            return None
        return Check(scope.entry, {}, None, str(error), _rests_on(scope))


def _obstacle(scope: _Scope) -> str | None:
    unread = scope.inspections.get(scope.file.table)
    if unread is not None and unread.status in (SourceStatus.MISSING, SourceStatus.UNREADABLE):
        return unread.row_error or f"{scope.file.table} is {unread.status}"
    return next(filter(None, (_unmet(need, scope) for need in _needs(scope))), None)


def _needs(scope: _Scope) -> tuple[str, ...]:
    if scope.entry.needs is not None:
        return scope.entry.needs
    spec = source_specs().get(scope.file.table)
    column = scope.entry.column
    return (column,) if column is not None and spec is not None and spec.column(column) is not None else ()


def _rests_on(scope: _Scope) -> tuple[str, ...]:
    """The check's table, and every column it needs as "table.column" with the table that has it."""
    needs = [
        need if "." in need else f"{scope.file.table}.{need}"
        for need in _needs(scope)
        if need != "experiments"
    ]
    return tuple(dict.fromkeys([scope.file.table, *needs, *(need.partition(".")[0] for need in needs)]))


def _unmet(need: str, scope: _Scope) -> str | None:
    """Why a needed column can't be had; raises where it is simply not mapped."""
    if need == "experiments":
        if not scope.config.experiments:
            raise _NotApplicableError("no experiment is configured")
        return None
    table, _, column = need.rpartition(".")
    table = table or scope.file.table
    source = scope.config.sources.get(table)
    if source is None or column not in source.columns:
        raise _NotApplicableError(f"{table}.{column} is not mapped")
    found = scope.inspections.get(table)
    if found is not None and found.status in (SourceStatus.MISSING, SourceStatus.UNREADABLE):
        return found.row_error or f"{table} is {found.status}"
    if found is not None and column in found.absent_columns:
        return f"{table}.{column} is mapped to {source.columns[column]}, which the source does not have"
    if found is not None and column in found.columns and (problem := type_problem(found, column)):
        return f"{table}.{column} is {problem}"
    return None


def _threshold(scope: _Scope, kwargs: Mapping[str, Any]) -> float | str | None:
    asked = scope.entry.kwargs.get("mostly")
    if isinstance(asked, dict) and "$all_but" in asked:
        return _share(asked["$all_but"], scope)
    if "mostly" in kwargs:
        return float(1 - Decimal(str(kwargs["mostly"])))
    if "$freshness" in str(scope.entry.kwargs.get("min_value")):
        return f"{kwargs['min_value']}Z"
    bound: float | str | None = kwargs.get("min_value", kwargs.get("max_value"))
    return 0.0 if bound is None else bound  # neither a bound nor a share: no row may fail


def _fill(value: Any, scope: _Scope) -> Any:
    if isinstance(value, list):
        return [_fill(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    placeholder = next(iter(value), "")
    if not placeholder.startswith("$"):
        return {key: _fill(item, scope) for key, item in value.items()}
    try:
        return _PLACEHOLDERS[placeholder](value[placeholder], scope)
    except KeyError as error:
        allowed = ", ".join(_PLACEHOLDERS)
        what = f"{placeholder}: {error.args[0]}" if placeholder in _PLACEHOLDERS else f"unknown {placeholder}"
        raise PlumblineError(f"{scope.file.place(scope.entry)}: {what}; placeholders: {allowed}") from error


def _share(name: str, scope: _Scope) -> float:
    spec = source_specs().get(scope.file.table)
    column = scope.entry.gap_column
    known = column is not None and spec is not None and spec.column(column) is not None
    return scope.config.thresholds.value(name, scope.file.table, column if known else None)


def _all_but(name: str, scope: _Scope) -> float:
    # In decimals, so that a share of rows exactly at the threshold equals the bound and passes.
    return float(1 - Decimal(str(_share(name, scope))))


def _freshness(_: object, scope: _Scope) -> str:
    source = scope.config.sources[scope.file.table]
    if source.freshness is None:
        raise _NotPromisedError(f"{scope.file.table} has no freshness")
    return utc_text(scope.config.as_of - source.freshness)


def _experiments(_: object, scope: _Scope) -> list[str]:
    return _configured([experiment.id for experiment in scope.config.experiments])


def _configured(values: list[str]) -> list[str]:
    if not values:
        raise _NotApplicableError("no experiment is configured")
    return list(dict.fromkeys(values))


_PLACEHOLDERS: dict[str, Callable[[Any, _Scope], Any]] = {
    "$all_but": _all_but,
    "$threshold": _share,
    "$freshness": _freshness,
    "$as_of": lambda _, scope: utc_text(scope.config.as_of),
    "$experiments": _experiments,
}
