"""The proposal as a plumbline.yml: what is sure is live, what is not is a comment with its candidates."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster_pipeline.discovery.bridges import Bridge
from dagster_pipeline.discovery.matching import ColumnChoice, Guess, SourceChoice, SourceMatch
from dagster_pipeline.discovery.quoting import comment, scalar, sql_name
from dagster_pipeline.discovery.relations import Relation, Unreadable
from dagster_pipeline.engines.formats import declared_line

_ALTERNATIVES = 3
_CONTROL_WORDS = ("control", "ctrl", "baseline", "a", "holdout", "off", "0")


@dataclass(frozen=True)
class Experiment:
    """An experiment seen in the assignments, with the sampled rows of each arm."""

    id: str
    arms: Mapping[str, int]


@dataclass(frozen=True)
class Proposal:
    """What was found.

    ``newest`` is the latest request's time as ISO text; paths are relative to ``base`` (None: absolute).
    """

    sources: tuple[SourceChoice, ...]
    bridges: tuple[Bridge, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    unused: tuple[Relation, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    newest: str | None = None
    origin: str = "the warehouse"
    warehouse: Path | None = None
    base: Path | None = field(default=None)

    @property
    def sure_sources(self) -> tuple[str, ...]:
        """Names of the sources that stand without a person's word."""
        return tuple(choice.spec.name for choice in self.sources if choice.is_sure)

    def to_yaml(self) -> str:
        """The text of plumbline.yml; every name in it is quoted or escaped, for it is someone else's."""
        ordered = sorted(
            self.sources, key=lambda choice: (not choice.is_sure, choice.spec.name != "requests")
        )
        parts = (
            self._head(),
            (line for choice in ordered for line in self._source(choice)),
            self._leftovers(),
            _experiments(self.experiments),
        )
        return "\n".join(line for part in parts for line in part) + "\n"

    def _head(self) -> Iterator[str]:
        yield f"# Proposed by `plumbline discover` from {comment(self.origin)}: read it before relying on it."
        yield "# A live line stands out by name, type and values; its comment says how sure it is (0 to 1)."
        yield "# A line that is commented out is a guess, or was not found: you decide."
        yield "version: 1"
        path = self._path(str(self.warehouse)) if self.warehouse else ".plumbline/warehouse.duckdb"
        yield f"warehouse: {{engine: duckdb, path: {scalar(path, flow=True)}}}"
        if self.newest:
            yield f"# as_of: {self.newest}   # the newest request; the clock is the present time by default"
        yield ""
        yield "sources:"
        if "requests" not in self.sure_sources:
            yield "  # requests is the one source that must be mapped, and none was found for sure."

    def _source(self, choice: SourceChoice) -> Iterator[str]:
        name, best = choice.spec.name, choice.best
        if best is None:
            yield f"  # {name}: nothing found"
            return
        body = list(self._body(best, choice))
        if choice.is_sure:
            yield f"  {name}:   # {best.confidence:.2f}{self._rivals(choice)}"
            yield from (f"    {line}" for line in body)
        else:
            doubt = f"{best.confidence:.2f}: {self._doubt(choice)}{self._rivals(choice)}"
            yield f"  # {name}:   # unsure, {doubt}"
            yield from (f"  #   {line}" for line in body)
        for bridge in self.bridges:
            if bridge.child is best:
                yield from (f"  #   {line}" for line in self._query(bridge))

    def _body(self, match: SourceMatch, choice: SourceChoice) -> Iterator[str]:
        yield f"from: {scalar(self._address(match.relation))}"
        yield "columns:"
        yield from (f"  {_column(column)}" for column in match.columns)
        yield from _formats(match)
        times = {
            column.best.physical
            for column in match.columns
            if column.spec.data_type == "timestamp" and column.best
        }
        types = {match.relation.column(name).data_type for name in times}
        if types and "TIMESTAMP WITH TIME ZONE" not in types:
            yield "# timezone: UTC   # how to read its timestamps where they carry no zone"

    def _doubt(self, choice: SourceChoice) -> str:
        best = choice.best
        if best is None:
            return ""
        if best.relation.candidate.problem:
            return best.relation.candidate.problem
        if best.unsure_required:
            names = ", ".join(column.spec.name for column in best.unsure_required)
            return f"required and not certain: {names}"
        return "its name says little" if len(choice.matches) == 1 else "several tables fit"

    def _rivals(self, choice: SourceChoice) -> str:
        others = choice.matches[1 : 1 + _ALTERNATIVES]
        return _or(f"{self._address(match.relation)} ({match.confidence:.2f})" for match in others)

    def _query(self, bridge: Bridge) -> Iterator[str]:
        """A join that brings the columns the child lacks, in place of ``from``."""
        own = {
            c.spec.name: c.best.physical
            for c in bridge.child.columns
            if c.best and c.spec.name not in bridge.columns
        }
        logical = [c.spec.name for c in bridge.child.columns if c.spec.name in {*own, *bridge.columns}]
        chosen = ", ".join(
            f"b.{sql_name(bridge.columns[name])} as {name}"
            if name in bridge.columns
            else f"c.{sql_name(own[name])} as {name}"
            for name in logical
        )
        tables = [comment(self._sql(relation)) for relation in (bridge.child.relation, bridge.table)]
        keys = [comment(sql_name(key)) for key in (bridge.child_key, bridge.key)]
        yield f"# or a join: {comment(self._address(bridge.table))} brings {', '.join(bridge.columns)}"
        yield "query: >-"
        yield f"  select {comment(chosen)}"
        yield f"  from {tables[0]} as c left join {tables[1]} as b on c.{keys[0]} = b.{keys[1]}"
        yield f"columns: {{{', '.join(f'{name}: {name}' for name in logical)}}}"

    def _leftovers(self) -> Iterator[str]:
        for relation in self.unused:
            names = ", ".join(column.name for column in relation.columns)
            yield f"  # not mapped: {comment(self._address(relation))} ({comment(names)})"
        for item in self.unreadable:
            yield f"  # not read: {comment(self._path(item.candidate.address))}: {comment(item.reason)}"

    def _sql(self, relation: Relation) -> str:
        address = self._address(relation)
        if not relation.candidate.is_file:
            return address
        reader = "read_parquet" if address.lower().endswith((".parquet", ".pq")) else "read_csv"
        quoted = address.replace("'", "''")
        return f"{reader}('{quoted}')"

    def _address(self, relation: Relation) -> str:
        candidate = relation.candidate
        return self._path(candidate.address) if candidate.is_file else candidate.address

    def _path(self, path: str) -> str:
        if self.base is None or not os.path.isabs(path):
            return path
        relative = os.path.relpath(path, self.base)
        return path if relative.startswith("..") else relative


def _column(choice: ColumnChoice) -> str:
    """One line of ``columns:``, live or commented out."""
    best, name = choice.best, choice.spec.name
    others = _or(
        f"{guess.physical} ({guess.confidence:.2f})" for guess in choice.guesses[1 : 1 + _ALTERNATIVES]
    )
    if best is None:
        return f"# {name}:   # {'required, ' if choice.spec.required else ''}not found"
    if choice.is_sure and _can_stand(best):
        return f"{name}: {scalar(best.physical)}   # {_reason(best)}{others}"
    return f"# {name}: {scalar(best.physical)}   # unsure, {_reason(best)}{others}"


def _formats(match: SourceMatch) -> Iterator[str]:
    """The formats of times that are neither ISO 8601 nor epochs: live where decided, a question where not."""
    times = [choice for choice in match.columns if choice.spec.data_type == "timestamp" and choice.best]
    entries = [entry for choice in times if (entry := _format_entry(choice, match.relation))]
    if entries:
        yield "formats:" if any(not entry.startswith("#") for entry in entries) else "# formats:"
        yield from (f"  {entry}" for entry in entries)


def _format_entry(choice: ColumnChoice, relation: Relation) -> str:
    """A column's entry under ``formats``: live, a comment where it is not sure, "" where it needs none."""
    guess, name = choice.best, choice.spec.name
    reading = relation.column(guess.physical).reading if guess else None
    if guess is None or reading is None:
        return ""
    why = comment(reading.evidence)
    if reading.is_decided:
        sign = "" if choice.is_sure and _can_stand(guess) else "# "
        return f"{sign}{declared_line(name, reading.formats)}   # {why}"
    ways = " or ".join(declared_line(name, way) for way in reading.proposals or (reading.formats,))
    return f"# {ways}   # which is it? {why}"


def _can_stand(guess: Guess) -> bool:
    # The configuration would read ${…} from the environment.
    return "${" not in guess.physical


def _reason(guess: Guess) -> str:
    return comment(f"{guess.confidence:.2f} {guess.why}" if guess.why else f"{guess.confidence:.2f}")


def _or(others: Iterable[str]) -> str:
    named = [comment(other) for other in others]
    return f"; or {', '.join(named)}" if named else ""


def _experiments(experiments: Sequence[Experiment]) -> Iterator[str]:
    if not experiments:
        return
    yield ""
    yield "# Seen in the assignments. Split and window are as designed, not as observed: put in the plan's."
    yield "# experiments:"
    for experiment in experiments:
        total = sum(experiment.arms.values())
        observed = ", ".join(f"{comment(arm)} {rows / total:.1%}" for arm, rows in experiment.arms.items())
        control = next((arm for arm in _CONTROL_WORDS if arm in experiment.arms), None)
        split = ", ".join(
            f"{scalar(arm, flow=True)}: {1 / len(experiment.arms):.4g}" for arm in experiment.arms
        )
        yield f"#   - id: {comment(scalar(experiment.id))}"
        yield "#     unit: request   # or customer, session: what entity_id holds"
        yield f"#     control: {comment(scalar(control)) if control else '   # which arm is it?'}"
        yield f"#     split: {{{comment(split)}}}   # observed: {observed}"
        yield "#     # window: {start: …, end: …}"
