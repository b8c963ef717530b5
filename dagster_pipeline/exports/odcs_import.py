"""A data contract (ODCS 3) as suites of the team's own and the keys of plumbline.yml that say the same.

A rule that Plumbline runs already is not run twice: it becomes a threshold, or nothing. What neither a suite nor the
configuration can say is listed with the reason; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from dagster_pipeline.checks.suite_files import SuiteFile
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.exports import odcs_foreign as foreign
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs import INTERMEDIATE, LOGICAL_TYPES, mapped_columns
from dagster_pipeline.exports.odcs_collected import Collected, Target, add_rule, limit_nulls
from dagster_pipeline.exports.odcs_outcome import ImportedContract, fragment_of, suites_of
from dagster_pipeline.exports.odcs_own import is_ours, take_back
from dagster_pipeline.exports.odcs_reading import NotExpressedError, Part, read_contract
from dagster_pipeline.gaps.kinds import gap_kinds

_READ_AT_THE_TOP = frozenset(
    {"kind", "apiVersion", "schema", "slaProperties", "team"}
    | {"id", "name", "version", "status", "description", "customProperties", "contractCreatedTs"}
)
_FRESHNESS = frozenset({"freshness", "latency", "ly", "fs"})
_UNITS = {"d": "days", "day": "days", "days": "days", "h": "hours", "hr": "hours", "hour": "hours", "hours": "hours",
          "m": "minutes", "min": "minutes", "minute": "minutes", "minutes": "minutes",
          "s": "seconds", "second": "seconds", "seconds": "seconds"}  # fmt: skip
_ASKED_OF_A_COLUMN = ("required", "unique", "primaryKey", "enum", "logicalTypeOptions", "relationships")
_ORPHANS = "rows without a parent are counted by Plumbline's own rules; others can not be named"


def import_contract(
    text: str, config: PlumblineConfig, own: Sequence[SuiteFile], file: str = "contract"
) -> ImportedContract:
    """What the contract ``text`` comes to under ``config``, beside Plumbline's ``own`` suites.

    Raises PlumblineError, naming ``file``, for what is no contract of ODCS 3.
    """
    contract = read_contract(text, file)
    found = Collected(config, {(s.name, e.position): (s, e) for s in own for e in s.entries})
    for part in contract.parts("schema"):
        _read_object(part, found)
    for part in contract.parts("slaProperties"):
        _read_promise(part, found)
    _read_team(contract, found)
    for key in contract.content:
        if key not in _READ_AT_THE_TOP:
            found.leave(str(key)[:60], "is about people, places or prices, not about what the data must be")
    return ImportedContract(
        suites=tuple(suites_of(found)),
        fragment=fragment_of(found),
        already=found.already,
        left_out=tuple(found.left_out),
    )


def _read_object(part: Part, found: Collected) -> None:
    target = _target(part, found)
    properties, quality = list(part.parts("properties")), list(part.parts("quality"))
    if target is None:
        why = "no source of plumbline.yml has this name or is read from there; map it first"
        found.leave(part.where, why)
        for rule in (*quality, *(rule for column in properties for rule in column.parts("quality"))):
            found.leave(rule.where, "its object is not mapped")
        return
    for rule in quality:
        _read_rule(rule, target, None, found)
    for column in properties:
        _read_property(column, target, found)
    if part.content.get("relationships"):
        found.leave(f"{part.where}.relationships", _ORPHANS)


def _target(part: Part, found: Collected) -> Target | None:
    custom = part.custom()
    names = [custom.get(f"plumbline{key}") for key in ("Schema", "Relation", "Table")]
    known = {(file.schema, file.relation, file.table) for file, _ in found.own.values()}
    known |= {(INTERMEDIATE, f"int_{source}", source) for source in found.config.sources}
    if tuple(names) in known:
        schema, relation, table = (str(name) for name in names)
        return Target(schema, relation, table, _column_names(found.config, table, schema))
    wanted = {text.lower() for key in ("name", "physicalName", "businessName") if (text := part.text(key))}
    for source, mapped in found.config.sources.items():
        read_from = {source, found.config.written.get(source), mapped.from_}
        if wanted & {name.lower() for name in read_from if name}:
            columns = _column_names(found.config, source, INTERMEDIATE)
            return Target(INTERMEDIATE, f"int_{source}", source, columns)
    return None


def _column_names(config: PlumblineConfig, table: str, schema: str) -> dict[str, str]:
    """Physical and logical names of the mapped columns → logical; the logical ones win."""
    mapped = mapped_columns(config, table)
    source = config.sources.get(table)
    physical = {source.columns[name]: name for name in mapped} if source and schema == INTERMEDIATE else {}
    return physical | {name: name for name in mapped}


def _read_property(column: Part, target: Target, found: Collected) -> None:
    names = [column.text("physicalName") or "", column.text("name") or ""]
    logical = next((target.columns[name] for name in names if name in target.columns), None)
    rules_here = list(column.parts("quality"))
    ours = any(is_ours(rule, found) for rule in rules_here)
    if logical is None and not ours and any(column.content.get(key) for key in _ASKED_OF_A_COLUMN):
        found.leave(column.where, "the column is not mapped in plumbline.yml")
    if logical is None:
        for rule in rules_here:
            _read_rule(rule, target, None, found)
        return
    for rule in rules_here:
        _read_rule(rule, target, logical, found)
    _read_constraints(column, rules_here, target, logical, found)


def _read_constraints(
    column: Part, rules_here: Sequence[Part], target: Target, logical: str, found: Collected
) -> None:
    """``required``, ``unique``, types and ranges of a property, as far as no rule of ours says them already."""
    home = foreign.Home(target.columns, logical, found.config.warehouse.engine)
    ours = any(is_ours(rule, found) for rule in rules_here)
    is_key = column.content.get("primaryKey") is True and not _is_watched_key(target, logical, found)
    if column.content.get("required") is True and not ours:
        limit_nulls(0.0, f"{column.where}.required", target, logical, found)
    if (column.content.get("unique") is True or is_key) and not ours:
        once = {"type": rules.UNIQUE_SHARE, "kwargs": {"column": logical, "min_value": 1}}
        add_rule(once, column, target, found, logical)
    for asked in foreign.options_of(column, home):
        where = f"{column.where}.logicalTypeOptions"
        if isinstance(asked, NotExpressedError):
            found.leave(where, str(asked))
        else:
            add_rule(asked, column, target, found, logical)
    known = mapped_columns(found.config, target.table).get(logical)
    asked_type = column.content.get("logicalType")
    if known is not None and isinstance(asked_type, str) and not _fits(asked_type, known.data_type):
        found.leave(
            f"{column.where}.logicalType",
            f"Plumbline reads the column as {LOGICAL_TYPES[known.data_type]}, not as {asked_type[:20]}",
        )
    if column.content.get("relationships"):
        found.leave(f"{column.where}.relationships", _ORPHANS)


def _is_watched_key(target: Target, logical: str, found: Collected) -> bool:
    """Whether it is a key whose copies and conflicts Plumbline's own rules count."""
    spec = mapped_columns(found.config, target.table).get(logical)
    return spec is not None and spec.role == "key"


def _fits(asked: str, data_type: str) -> bool:
    wider = {"number": ("number", "integer"), "timestamp": ("timestamp", "date"), "string": ("string",)}
    return asked in wider[LOGICAL_TYPES[data_type]]


def _read_rule(rule: Part, target: Target, column: str | None, found: Collected) -> None:
    try:
        if is_ours(rule, found) and take_back(rule, target, found):
            return
        home = foreign.Home(target.columns, column, found.config.warehouse.engine)
        share = foreign.null_share(rule)
        if share is not None:
            limit_nulls(share, rule.where, target, home.own(), found)
            return
        for expectation in foreign.expectations_of(rule, home):
            add_rule(expectation, rule, target, found, column)
    except NotExpressedError as problem:
        found.leave(rule.where, str(problem))


def _read_promise(part: Part, found: Collected) -> None:
    name = (part.text("property") or "").lower()
    if name not in _FRESHNESS:
        found.leave(part.where, f"{name[:40] or 'a promise without a name'} is nothing Plumbline measures")
        return
    source = (part.text("element") or "").partition(".")[0]
    unit = _UNITS.get((part.text("unit") or "d").lower())
    value = part.content.get("value")
    if source not in found.config.sources:
        found.leave(part.where, f"its element {source[:40]!r} is no source of plumbline.yml")
    elif unit is None or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        found.leave(part.where, "it needs a number above 0 of days, hours, minutes or seconds")
    else:
        found.freshness[source] = timedelta(**{unit: value})


def _read_team(contract: Part, found: Collected) -> None:
    team = contract.content.get("team")
    members = Part("team", team if isinstance(team, dict) else {"members": team})
    known = set(gap_kinds()) | set(found.config.sources)
    decided = {role: name for brief in found.config.briefs for role, name in brief.owners.items()}
    for member in members.parts("members"):
        role, name = member.text("role") or "", member.text("username") or ""
        if role in known and name:
            found.owners[role] = name
        elif decided.get(role) != name and found.config.triage.owners.get(role) != name:
            found.leave(
                member.where,
                f"the role {role[:40]!r} is no gap kind and no source; a brief names who decides",
            )
