"""plumbline.yml → `PlumblineConfig`, or one error that lists everything there is to correct."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dagster_pipeline.config import references, sql
from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.lines import Document, read_document
from dagster_pipeline.config.locations import absolute_location, absolute_path, absolute_query
from dagster_pipeline.config.metrics import MetricDefinition, all_metrics
from dagster_pipeline.config.own_metrics import OwnMetric, as_written, own_name, with_columns_spelt
from dagster_pipeline.config.parity import SIDES, Parity, ParitySide, SideName, inspection_name
from dagster_pipeline.config.problems import KeyPath, Problem, Refusal, choices, config_error, kind_of, shown
from dagster_pipeline.config.scalars import instant
from dagster_pipeline.config.translation import allowed_keys, problems_of
from dagster_pipeline.config.triage import Alerts, Triage
from dagster_pipeline.config.types import (
    WHOLE_TABLE,
    Experiment,
    PlumblineConfig,
    Source,
    Thresholds,
    Warehouse,
)
from dagster_pipeline.errors import ConfigError

_KEYS = (
    "version",
    "warehouse",
    "as_of",
    "sources",
    "experiments",
    "brief",
    "thresholds",
    "parity",
    "metrics",
    "triage",
    "alerts",
    "suites",
)
_LARGEST = 1_000_000  # bytes
_Model = TypeVar("_Model", bound=BaseModel)
_Judged = TypeVar("_Judged", Criterion, Guardrail)


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> PlumblineConfig:
    """The validated configuration of a file; ``environment`` defaults to the process's.

    Raises ConfigError naming, for every problem at once, the file, the line, the key and the allowed values.
    """
    path = Path(path)
    text = _text_of(path)
    document = read_document(text, os.environ if environment is None else environment)
    loading = _Loading(document, path)
    if document.data is None and not document.problems:
        loading.refuse((), "is empty; `plumbline init` writes a commented starter")
    elif not isinstance(document.data, dict) and not document.problems:
        loading.refuse(
            (), f"must be a mapping with the keys {', '.join(_KEYS)}, not {kind_of(document.data)}"
        )
    pieces = loading.pieces() if isinstance(document.data, dict) else {}
    problems = loading.all_problems()
    if problems:
        raise config_error(path, problems)
    return PlumblineConfig(**pieces)


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; `plumbline init` writes a commented starter") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder; give the file, such as {path / 'plumbline.yml'}") from error
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from error
    if len(content) > _LARGEST:
        raise ConfigError(f"{path}: is larger than {_LARGEST:,} bytes; that is no configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8") from error


class _Loading:
    """One file on its way, validated piece by piece: a problem in one never hides those of another."""

    def __init__(self, document: Document, file: Path) -> None:
        self.document = document
        self.file = file.absolute()
        self.folder = self.file.parent
        self.problems: list[Problem] = []
        self._context: dict[str, Mapping[str, MetricDefinition]] = {}

    def refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(path, message, self.document.line(path)))

    def refuse_all(self, findings: Iterable[references.Finding]) -> None:
        for path, message in findings:
            self.refuse(path, message)

    def _shown(self, path: KeyPath, value: object) -> str:
        """A value for a message; one from the environment as the file has it, since it may be a secret."""
        return shown(self.document.written.get(path, value))

    def all_problems(self) -> list[Problem]:
        """The text's own problems first; what they say of a key is not said again in other words."""
        unreadable = {problem.path for problem in self.document.problems}
        return [*self.document.problems, *(found for found in self.problems if found.path not in unreadable)]

    def pieces(self) -> dict[str, Any]:
        """The arguments of PlumblineConfig, as far as they are valid."""
        raw = _without_nulls(self.document.data)
        for key in raw:
            if key not in _KEYS:
                self.refuse((key,), f"unknown key{choices(key, _KEYS)}")
        warehouse = self._warehouse(raw)
        experiments = self._list(raw, "experiments")
        engine = warehouse.engine if warehouse else "duckdb"
        own = self._own_metrics(self._list(raw, "metrics"), engine)
        self._context = {"metrics": self._known_metrics(raw, own)}
        parity = self._parity(self._list(raw, "parity"), experiments, engine)
        pieces: dict[str, Any] = {
            "version": self._version(raw),
            "warehouse": warehouse,
            "sources": self._sources(raw, engine),
            "experiments": self._experiments(experiments),
            "briefs": self._briefs(raw.get("brief"), experiments),
            "thresholds": _with_parity(self._thresholds(raw), parity),
            "parity": parity,
            "own_metrics": own,
            "triage": self._valid(Triage, raw.get("triage", {}), ("triage",)),
            "alerts": self._valid(Alerts, raw.get("alerts", {}), ("alerts",)),
            "suites": self._suites(raw.get("suites")),
            "directory": self.folder,
            "file": self.file,
            "written": self._written(raw),
        }
        return pieces | self._as_of(raw)

    def _version(self, raw: dict[str, Any]) -> int:
        version = raw.get("version")
        if version is None:
            self.refuse(("version",), "is required; write version: 1")
        elif isinstance(version, bool) or version != 1:
            found = self._shown(("version",), version)
            self.refuse(("version",), f"must be 1, the only version there is, not {found}")
        return 1

    def _as_of(self, raw: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"as_of": instant(raw["as_of"])} if "as_of" in raw else {}
        except Refusal as refusal:
            self.refuse(("as_of",), f"{refusal.requirement}, not {self._shown(('as_of',), raw['as_of'])}")
            return {}

    def _warehouse(self, raw: dict[str, Any]) -> Warehouse | None:
        given = raw.get("warehouse")
        at: KeyPath = ("warehouse",)
        if given is None:
            self.refuse(at, "is required, such as {engine: duckdb, path: .plumbline/warehouse.duckdb}")
            return None
        if isinstance(given, dict) and isinstance(given.get("path"), str):
            path = given["path"].strip()
            if not path or path.startswith(":") or "://" in path:
                found = self._shown((*at, "path"), path)
                self.refuse(
                    (*at, "path"), f"must be the path of a file, which a run swaps as a whole, not {found}"
                )
            given = given | {"path": absolute_path(path, self.folder)}
        return self._valid(Warehouse, given, at)

    def _suites(self, given: Any) -> Path | None:
        if given is None:
            return None
        folder = absolute_path(given, self.folder) if isinstance(given, str) and given.strip() else None
        if folder is None or not folder.is_dir():
            found = self._shown(("suites",), given)
            self.refuse(("suites",), f"must be a folder that is there, with suites in it, not {found}")
        return folder

    def _sources(self, raw: dict[str, Any], engine: str) -> dict[str, Source]:
        given = raw.get("sources", {})
        if not isinstance(given, dict):
            self.refuse(("sources",), f"must be a mapping of sources, not {kind_of(given)}")
            return {}
        self.refuse_all(references.source_findings(given))
        sources = {name: self._source(name, given[name], engine) for name in given if given[name] is not None}
        return {name: source for name, source in sources.items() if source is not None}

    def _source(self, name: str, given: Any, engine: str) -> Source | None:
        at: KeyPath = ("sources", name)
        if isinstance(given, dict) and "from_" in given:  # the attribute's name, which pydantic takes too
            self.refuse((*at, "from_"), f"unknown key{choices('from', allowed_keys(Source))}")
            given = {"from": given["from_"]} | {key: value for key, value in given.items() if key != "from_"}
        source = self._valid(Source, given, at)
        if source is None:
            return None
        changes: dict[str, Any] = {}
        if source.from_ is not None:
            changes["from_"] = absolute_location(source.from_, self.folder)
        if source.query is not None:
            query = self._checked_sql(sql.check_query, source.query, engine, (*at, "query"))
            changes["query"] = absolute_query(query, self.folder)
        if source.where is not None:
            changes["where"] = self._checked_sql(sql.check_condition, source.where, engine, (*at, "where"))
        return source.model_copy(update=changes)

    def _checked_sql(self, check: Callable[[str, str], str], text: str, engine: str, path: KeyPath) -> str:
        try:
            return check(text, engine)
        except Refusal as refusal:
            self.refuse(path, refusal.requirement)
            return text

    def _written(self, raw: dict[str, Any]) -> dict[str, str]:
        sources = raw.get("sources")
        texts: dict[str, str] = {}
        for name, source in sources.items() if isinstance(sources, dict) else ():
            for key in ("from", "query"):
                if isinstance(source, dict) and isinstance(source.get(key), str):
                    texts[name] = self.document.written.get(("sources", name, key), source[key])
        parity = raw.get("parity")
        for index, given in enumerate(parity if isinstance(parity, list) else ()):
            texts |= self._written_sides(given, ("parity", index))
        metrics = raw.get("metrics")
        for index, given in enumerate(metrics if isinstance(metrics, list) else ()):
            for key in ("from", "query"):
                if isinstance(given, dict) and isinstance(given.get(key), str):
                    name = own_name(str(given.get("name")).strip())
                    texts[name] = self.document.written.get(("metrics", index, key), given[key])
        return texts

    def _written_sides(self, given: Any, at: KeyPath) -> dict[str, str]:
        texts: dict[str, str] = {}
        for side in SIDES if isinstance(given, dict) else ():
            name = inspection_name(str(given.get("id")).strip(), side)
            for key in ("from", "query"):
                if isinstance(given.get(side), dict) and isinstance(given[side].get(key), str):
                    texts[name] = self.document.written.get((*at, side, key), given[side][key])
        return texts

    def _parity(self, given: list[Any], experiments: list[Any], engine: str) -> tuple[Parity, ...]:
        self.refuse_all(references.parity_findings(given, experiments))
        ids = references.experiment_ids(experiments)
        found: list[Parity] = []
        for index, item in enumerate(given):
            at: KeyPath = ("parity", index)
            parity = self._valid(Parity, _without_inner_nulls(item), at)
            if parity is not None:
                only = ids[0] if parity.by is not None and len(ids) == 1 else None
                sides = {name: self._side(parity.side(name), name, engine, at) for name in SIDES}
                found.append(parity.model_copy(update=sides | {"experiment": parity.experiment or only}))
        return tuple(found)

    def _own_metrics(self, given: list[Any], engine: str) -> tuple[OwnMetric, ...]:
        self.refuse_all(references.own_metric_findings(given))
        found: list[OwnMetric] = []
        for index, item in enumerate(given):
            at: KeyPath = ("metrics", index)
            metric = self._valid(OwnMetric, as_written(item), at)
            if metric is not None:
                found.append(metric.model_copy(update=self._metric_sql(metric, engine, at)))
        return tuple(found)

    def _metric_sql(self, metric: OwnMetric, engine: str, at: KeyPath) -> dict[str, Any]:
        """The metric's SQL checked and its file named in full."""
        changes: dict[str, Any] = {}
        for key in ("y", "d"):
            text = getattr(metric, key)
            if text is not None:
                checked = self._checked_sql(sql.check_expression, text, engine, (*at, key))
                changes[key] = checked if metric.is_of_table else with_columns_spelt(checked)
        return changes | self._origin(metric, engine, at)

    def _known_metrics(self, raw: dict[str, Any], own: Iterable[OwnMetric]) -> dict[str, MetricDefinition]:
        """Every metric a brief may name; one that was refused is known all the same, so that it is refused once."""
        named = (item.get("name") for item in self._list(raw, "metrics") if isinstance(item, dict))
        refused = {
            name: MetricDefinition(name, "mean", "higher", "absolute", "0", name, ())
            for name in named
            if isinstance(name, str)
        }
        return refused | all_metrics({metric.name: metric.definition() for metric in own})

    def _side(self, side: ParitySide, name: SideName, engine: str, parity: KeyPath) -> ParitySide:
        """The side with its SQL checked and its files named in full."""
        return side.model_copy(update=self._origin(side, engine, (*parity, name)))

    def _origin(self, read: ParitySide | OwnMetric, engine: str, at: KeyPath) -> dict[str, Any]:
        """Where a relation is read from and which rows of it, as what is to be changed."""
        changes: dict[str, Any] = {}
        if read.from_ is not None:
            changes["from_"] = absolute_location(read.from_, self.folder)
        if read.query is not None:
            query = self._checked_sql(sql.check_query, read.query, engine, (*at, "query"))
            changes["query"] = absolute_query(query, self.folder)
        if read.where is not None:
            changes["where"] = self._checked_sql(sql.check_condition, read.where, engine, (*at, "where"))
        return changes

    def _experiments(self, given: list[Any]) -> tuple[Experiment, ...]:
        self.refuse_all(references.experiment_findings(given))
        found = (self._valid(Experiment, item, ("experiments", index)) for index, item in enumerate(given))
        return tuple(experiment for experiment in found if experiment is not None)

    def _briefs(self, given: Any, experiments: list[Any]) -> tuple[Brief, ...]:
        listed = isinstance(given, list)
        items = given if listed else [] if given is None else [given]
        ids = references.experiment_ids(experiments)
        briefs: list[tuple[KeyPath, Brief]] = []
        for index, item in enumerate(items):
            at: KeyPath = ("brief", index) if listed else ("brief",)
            if isinstance(item, dict):
                self.refuse_all(references.brief_findings(item, at, experiments))
                self.refuse_all(references.brief_metric_findings(item, at, list(self._context["metrics"])))
            brief = self._valid(Brief, item, at)
            if brief is not None:
                briefs.append((at, _completed(brief, ids, self._context["metrics"])))
        named = [(at, brief.experiment) for at, brief in briefs if brief.experiment is not None]
        self.refuse_all(references.repeated_brief_findings(named))
        return tuple(brief for _, brief in briefs)

    def _thresholds(self, raw: dict[str, Any]) -> Thresholds | None:
        given = raw.get("thresholds", {})
        if not isinstance(given, dict):
            self.refuse(("thresholds",), f"must be a mapping, not {kind_of(given)}")
            return None
        names = Thresholds.names()
        tables = {key: limits for key, limits in given.items() if key not in names}
        self.refuse_all(references.threshold_findings(tables, names))
        overrides = {table: _by_column(limits, names) for table, limits in tables.items()}
        flat = {key: value for key, value in given.items() if key in names} | {"overrides": overrides}
        return self._valid(Thresholds, flat, ("thresholds",), hidden=("overrides", WHOLE_TABLE))

    def _list(self, raw: dict[str, Any], key: str) -> list[Any]:
        given = raw.get(key, [])
        if isinstance(given, list):
            return given
        self.refuse((key,), f"must be a list, each entry starting with a dash, not {kind_of(given)}")
        return []

    def _valid(
        self, model: type[_Model], given: Any, at: KeyPath, hidden: tuple[str, ...] = ()
    ) -> _Model | None:
        """The validated piece, or None and its problems noted; ``hidden`` steps of a key are ours."""
        try:
            return model.model_validate(_without_nulls(given), context=self._context)
        except ValidationError as error:
            refused = {problem.path for problem in self.problems} if hidden else set()
            for problem in problems_of(error, model, at, self.document):
                path = tuple(step for step in problem.path if step not in hidden)
                if path not in refused:
                    self.refuse(path, problem.message)
            return None


def _by_column(limits: Any, names: tuple[str, ...]) -> Any:
    """A table's thresholds as column → name → share, its own under the sign for the whole table."""
    if not isinstance(limits, dict):
        return limits
    own = {key: value for key, value in limits.items() if key in names}
    return ({WHOLE_TABLE: own} if own else {}) | {
        key: value for key, value in limits.items() if key not in names
    }


def _without_nulls(given: Any) -> Any:
    """A key without a value is one left out."""
    return (
        {key: value for key, value in given.items() if value is not None}
        if isinstance(given, dict)
        else given
    )


def _without_inner_nulls(parity: Any) -> Any:
    """A parity without the keys that have no value, its sides' too."""
    if not isinstance(parity, dict):
        return parity
    return parity | {name: _without_nulls(parity[name]) for name in SIDES if parity.get(name) is not None}


def _with_parity(thresholds: Thresholds | None, parity: Iterable[Parity]) -> Thresholds | None:
    """The thresholds with what a parity asks for itself, so that one place answers for every gap's."""
    own = {
        found.id: {WHOLE_TABLE: {"source_conflict_share": found.threshold}}
        for found in parity
        if found.threshold is not None
    }
    if thresholds is None or not own:
        return thresholds
    return thresholds.model_copy(update={"overrides": thresholds.overrides | own})


def _completed(brief: Brief, ids: list[str], metrics: Mapping[str, MetricDefinition]) -> Brief:
    """The brief with what it may leave out: the only experiment, the metrics' own effects."""
    return brief.model_copy(
        update={
            "experiment": brief.experiment or (ids[0] if len(ids) == 1 else None),
            "criteria": tuple(_with_effect(criterion, metrics) for criterion in brief.criteria),
            "guardrails": tuple(_with_effect(guardrail, metrics) for guardrail in brief.guardrails),
        }
    )


def _with_effect(judged: _Judged, metrics: Mapping[str, MetricDefinition]) -> _Judged:
    effect = judged.effect or metrics[judged.metric].effect
    return judged.model_copy(update={"effect": effect})
