"""What has been read of a contract so far: rules for suites, limits, promises, owners, and what is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from dagster_pipeline.checks.suite_files import TEAM_KIND, Entry, SuiteFile
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs_reading import LeftOut, NotExpressedError, Part
from dagster_pipeline.exports.odcs_rules import Json
from dagster_pipeline.gaps.kinds import touched_metrics

Place = tuple[str, str, str]  # schema, relation, and the table as plumbline.yml calls it
Limit = tuple[str, str, str]  # table, column (or the sign for the whole table), and the threshold's name
_QUIET = frozenset({"info", "warning", "warn", "low"})
"""Severities of a contract's rule that say that its failing stops nothing."""
_MITIGATION = "none known: ask the owner of the table"


@dataclass(frozen=True)
class Target:
    """An object of the contract, and the relation of the warehouse its rules run on."""

    schema: str
    relation: str
    table: str
    columns: Mapping[str, str]

    @property
    def place(self) -> Place:
        """The relation, which one suite or more are about."""
        return self.schema, self.relation, self.table


@dataclass
class Collected:
    """What has been found so far.

    ``own`` are the entries of Plumbline's own suites by suite and position, ``team`` those of the team's that the contract
    holds: by suite its place and its entries by position. ``loose`` are rules that have no suite yet, ``shares`` the limits
    asked for and where.
    """

    config: PlumblineConfig
    own: Mapping[tuple[str, int], tuple[SuiteFile, Entry]]
    team: dict[str, tuple[Place, dict[int, Json]]] = field(default_factory=dict)
    loose: dict[Place, list[Json]] = field(default_factory=dict)
    shares: dict[Limit, tuple[float, str]] = field(default_factory=dict)
    freshness: dict[str, timedelta] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    already: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    def leave(self, where: str, why: str) -> None:
        """Note something that is not taken over."""
        self.left_out.append(LeftOut(where, why))

    def limit(self, place: Limit, share: float, where: str) -> None:
        """A threshold the contract asks for; of two that differ the stricter holds, and the other is said."""
        known = self.shares.get(place)
        if known is None or known[0] == share:
            self.shares[place] = (share, where)
            return
        strict, lax = sorted([known, (share, where)])
        self.shares[place] = strict
        self.leave(lax[1], f"allows more than {strict[1]}, which holds")


def limit_nulls(share: float, where: str, target: Target, column: str, found: Collected) -> None:
    """A limit on nulls is the threshold of the rule Plumbline runs on the column, else a rule of its own."""
    for file, entry in found.own.values():
        name = rules.threshold_name(entry)
        if (file.relation, entry.column, entry.type) == (target.relation, column, rules.NOT_NULL) and name:
            found.limit((target.table, column, name), share, where)
            found.already += 1
            return
    kwargs: Json = {"column": column} | (
        {"mostly": rules.share_of(100 - rules.percent(share))} if share else {}
    )
    add_rule({"type": rules.NOT_NULL, "kwargs": kwargs}, None, target, found, column)


def add_rule(
    expectation: Json, rule: Part | None, target: Target, found: Collected, home: str | None
) -> None:
    """A rule of the contract's own, for a suite of the team's; ``home`` is the column it stands at."""
    severity = (rule.text("severity") or "").lower() if rule else ""
    mitigation = rule.custom().get("mitigation") if rule else None
    plain = as_json(expectation)
    column = plain["kwargs"].get("column") or home
    meta: Json = {
        "gap_kind": TEAM_KIND,
        "affects": [] if severity in _QUIET else _affected(target, column, found.config),
        "mitigation": mitigation if isinstance(mitigation, str) and mitigation else _MITIGATION,
    }
    if column != plain["kwargs"].get("column"):
        meta["gap_column"] = column
    entry = plain | {"meta": meta}
    listed = found.loose.setdefault(target.place, [])
    if any((e["type"], e["kwargs"]) == (entry["type"], entry["kwargs"]) for e in listed):
        found.already += 1
        return
    listed.append(entry)


def as_json(expectation: Json) -> Json:
    """The expectation as a suite file gives it back: dates as text. Raises NotExpressedError for what JSON can't hold."""
    try:
        found: Json = json.loads(json.dumps(expectation, default=str, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise NotExpressedError(f"it holds a value that JSON can not ({str(error)[:60]})") from error
    return found


def _affected(target: Target, column: str | None, config: PlumblineConfig) -> list[str]:
    """The metrics that are computed from the column, or of a rule on whole rows from the table."""
    metrics = config.metrics.values()
    return [metric.name for metric in touched_metrics(TEAM_KIND, target.table, column, metrics)]
