"""dbt in this process: parsed once without the mapping, built with it, so that nothing is ever parsed twice."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.paths import bundled
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus

_STATUS = {
    "success": NodeStatus.SUCCESS,
    "pass": NodeStatus.SUCCESS,
    "warn": NodeStatus.SUCCESS,
    "fail": NodeStatus.FAILED,
    "error": NodeStatus.ERROR,
    "runtime error": NodeStatus.ERROR,
    "skipped": NodeStatus.SKIPPED,
    "partial success": NodeStatus.ERROR,
}

_manifests: dict[tuple[str, str], Any] = {}


class DbtProjectRunner:
    """Parses and builds the bundled dbt project on one database file.

    ``state_folder`` holds dbt's target and partial parse; ``database`` is the DuckDB file to build in. Its name is part of
    what dbt parses, so a manifest is reused for every file of the same name.
    """

    def __init__(self, database: Path, state_folder: Path, target: str = "duckdb") -> None:
        self._database = database
        self._state = state_folder
        self._target = target

    def manifest(self) -> Any:
        """The parsed project (dbt's Manifest), from memory, else from the partial parse, else anew."""
        key = (self._target, self._database.name)
        if key not in _manifests:
            result = self._invoke(["parse"])
            if not result.success:
                raise PlumblineError(f"The dbt project can not be parsed: {result.exception}")
            _manifests[key] = result.result
        return _manifests[key]

    def build(
        self, variables: Mapping[str, Any], on_node: Callable[[str, int, int], None] | None = None
    ) -> BuildResult:
        """Build every model and test with the mapping; never raises for a node that failed.

        ``on_node`` is told each node's name, its index and the number of nodes as it starts.
        """
        manifest = self.manifest()
        arguments = [
            "build",
            "--vars",
            vars_argument({"plumbline": variables}),
            "--exclude-resource-type",
            "unit_test",
            "--exclude-resource-type",
            "exposure",
        ]
        result = self._invoke(arguments, manifest=manifest, callbacks=[_progress(on_node)] if on_node else [])
        nodes = tuple(_node(r) for r in getattr(result.result, "results", None) or ())
        error = str(result.exception) if result.exception else None
        if not nodes and not result.success and error is None:
            error = "dbt built nothing"
        return BuildResult(nodes, error)

    def _invoke(self, arguments: list[str], **runner: Any) -> Any:
        from dbt.cli.main import dbtRunner  # noqa: PLC0415  costs seconds; only the commands that build pay it

        project = str(bundled("dbt_project"))
        common = ["--project-dir", project, "--profiles-dir", project, "--target", self._target,
                  "--target-path", str(self._state / "target"), "--log-path", str(self._state / "logs"),
                  "--quiet", "--no-print", "--no-write-json", "--log-level", "none", "--log-level-file", "none"]  # fmt: skip
        variables = {"PLUMBLINE_DUCKDB_PATH": str(self._database), "PLUMBLINE_DUCKDB_KEEP_OPEN": "True"}
        with _environment(**variables, DBT_SEND_ANONYMOUS_USAGE_STATS="false"):
            try:
                return dbtRunner(**runner).invoke([*arguments, *common])
            finally:
                _close_database()


def vars_argument(variables: Mapping[str, Any]) -> str:
    """The variables as dbt's ``--vars`` takes them: JSON that is YAML too.

    YAML knows no pairs of surrogates and refuses bare control characters, so all but ASCII is written in its eight
    digits. A lone surrogate, which is no character, becomes the replacement character.
    """
    return re.sub(r"[^\x20-\x7e]", _escaped, json.dumps(variables, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\U{0xFFFD if 0xD800 <= code <= 0xDFFF else code:08x}"


def _close_database() -> None:
    """Opening the file anew for each node took half of a build; what keeps it open must let go of it at the end."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415

    with suppress(Exception):  # nothing was opened
        DuckDBConnectionManager.env().close()
    DuckDBConnectionManager.close_all_connections()


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _progress(on_node: Callable[[str, int, int], None]) -> Callable[[Any], None]:
    def callback(event: Any) -> None:
        if event.info.name == "LogStartLine":
            on_node(event.data.node_info.node_name, event.data.index, event.data.total)

    return callback


def _node(result: Any) -> NodeResult:
    status = _STATUS.get(str(result.status), NodeStatus.ERROR)
    return NodeResult(
        unique_id=result.node.unique_id,
        name=result.node.name,
        resource_type=str(result.node.resource_type),
        status=status,
        message=str(result.message or ""),
        seconds=float(result.execution_time or 0.0),
        failures=result.failures,
        attached_node=getattr(result.node, "attached_node", None),
        sql=getattr(result.node, "compiled_code", None) or "",
    )
