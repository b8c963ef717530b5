"""Rules that Plumbline wrote into a contract, taken back: the same expectation, at the limit the contract says now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from dagster_pipeline.checks.suite_files import TEAM, TEAM_KIND, TEAM_NAME, Entry
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.types import WHOLE_TABLE
from dagster_pipeline.exports import odcs_foreign as foreign
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs_collected import Collected, Target, as_json
from dagster_pipeline.exports.odcs_reading import Part
from dagster_pipeline.exports.odcs_rules import Json


def is_ours(rule: Part, found: Collected) -> bool:
    """Whether Plumbline wrote the rule, so that its customProperties say which expectation it is.

    A suite's name becomes a file's: one that is no plain name was not written by Plumbline.
    """
    custom = rule.custom()
    suite, position = custom.get("suite"), custom.get("position")
    if not isinstance(suite, str) or isinstance(position, bool) or not isinstance(position, int):
        return False
    named = suite.startswith(TEAM) and TEAM_NAME.fullmatch(suite.removeprefix(TEAM)) is not None
    return named or (suite, position) in found.own


def take_back(rule: Part, target: Target, found: Collected) -> bool:
    """Takes back a rule that Plumbline wrote; False where it was changed into another one since.

    Its limit may have been changed: that is what a contract is negotiated about.
    """
    custom = rule.custom()
    given = rule.content.get("implementation") or custom.get("expectation")
    if not isinstance(given, dict):
        return False
    entry = _entry(given, custom)
    if entry is None:
        return False
    share = _share_of_ours(rule, entry, target, custom)
    if share is False:
        return False
    taken = _into_suite if str(custom["suite"]).startswith(TEAM) else _is_run_already
    if not taken(str(custom["suite"]), _limited(entry, share), target, found):
        return False
    name = rules.threshold_name(entry)
    if name is not None and share is not None:
        found.limit((target.table, _threshold_column(entry, target), name), share, rule.where)
    return True


def _is_run_already(suite: str, entry: Entry, target: Target, found: Collected) -> bool:
    """Counts a rule that is still the one of Plumbline's own suite; False where it is not."""
    file, own = found.own[suite, entry.position]
    same = rules.entry_document(own) == rules.entry_document(entry) and file.relation == target.relation
    found.already += same
    return same


def _into_suite(suite: str, entry: Entry, target: Target, found: Collected) -> bool:
    """Puts a team's rule back into its suite; False where it can't stand there as it is."""
    name = suite.removeprefix(TEAM)
    place, entries = found.team.get(name, (target.place, {}))
    twins = {(e["type"], e["kwargs"].get("column")) for e in entries.values()}
    fits = place == target.place and entry.position not in entries and (entry.type, entry.column) not in twins
    if not fits or entry.gap_kind != TEAM_KIND or set(entry.affects) - set(found.config.metrics):
        return False
    entries[entry.position] = as_json(rules.entry_document(entry, required=True))
    found.team[name] = (place, entries)
    return True


def _limited(entry: Entry, share: float | None) -> Entry:
    """The entry with the share the contract says now, where it has its own number rather than a threshold's name."""
    if share is None or "mostly" not in entry.kwargs or rules.threshold_name(entry) is not None:
        return entry
    return replace(entry, kwargs=dict(entry.kwargs) | {"mostly": rules.share_of(100 - rules.percent(share))})


def _threshold_column(entry: Entry, target: Target) -> str:
    spec = source_specs().get(target.table)
    known = spec is not None and entry.gap_column is not None and spec.column(entry.gap_column) is not None
    return str(entry.gap_column) if known else WHOLE_TABLE


def _entry(given: Mapping[str, Any], custom: Mapping[str, Any]) -> Entry | None:
    kind, kwargs = given.get("type"), given.get("kwargs")
    affects, needs = custom.get("affects"), custom.get("needs")
    texts = (kind, custom.get("gapKind"), custom.get("mitigation"))
    if (
        not isinstance(kwargs, dict)
        or not isinstance(affects, list)
        or not all(isinstance(t, str) for t in texts)
    ):
        return None
    return Entry(
        position=int(custom["position"]),
        type=str(kind),
        kwargs=kwargs,
        column=kwargs.get("column"),
        gap_kind=str(custom["gapKind"]),
        gap_column=custom.get("gapColumn", kwargs.get("column")),
        affects=tuple(str(name) for name in affects),
        mitigation=str(custom["mitigation"]),
        needs=tuple(str(name) for name in needs) if isinstance(needs, list) else None,
        required=custom.get("isRequired") is True,
    )


def _share_of_ours(
    rule: Part, entry: Entry, target: Target, custom: Mapping[str, Any]
) -> float | Literal[False] | None:
    """The share that may fail as the rule says it now (None: it has none); False where it says another rule."""
    if rule.content.get("type") == "custom":
        share = custom.get("thresholdShare")
        return float(share) if isinstance(share, int | float) and not isinstance(share, bool) else None
    columns = list(dict.fromkeys(target.columns.values()))
    if entry.type == rules.ROW_COUNT:
        said = rules.library_form(entry, None, columns)
        return None if said == _standard(rule, said) else False
    share = foreign.allowed_share(rule)
    said = rules.library_form(entry, share, columns)
    if said is None or said != _standard(rule, said):
        return False
    return share if "mostly" in entry.kwargs else (None if share == 0 else False)


def _standard(rule: Part, like: Mapping[str, Any] | None) -> Json:
    """The rule's own words for what ``like`` says."""
    return {key: rule.content.get(key) for key in like or ()}
