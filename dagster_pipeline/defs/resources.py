"""The run's configuration, its exclusive build of the warehouse, and where it writes."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines.base import Engine, load_engine
from dagster_pipeline.engines.warehouse import WarehouseSession
from dagster_pipeline.register.journal import journal_path
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner


class PlumblineRun(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One run: plumbline.yml as loaded, the engine, the session that builds the warehouse aside.

    The session's lock is held from the first asset to the last and ends with the run, however that ends. A readiness run
    decides nothing: it is a dry run of the contract, told to the journal of ``recorded_for`` ("": of this plumbline.yml).
    """

    config_path: str
    output: str
    is_readiness: bool = False
    recorded_for: str = ""

    _config: PlumblineConfig | None = PrivateAttr(default=None)
    _session: WarehouseSession | None = PrivateAttr(default=None)
    _started_at: datetime | None = PrivateAttr(default=None)
    _run_id: str = PrivateAttr(default="")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Any, None, None]:
        """Load the configuration and take the warehouse's lock for as long as the run lasts."""
        self._run_id = context.run_id or "adhoc"
        self._started_at = datetime.now(UTC)
        self._config = load_config(Path(self.config_path))
        with self.engine.session(self.warehouse_path, self._run_id) as session:
            self._session = session
            yield self
        self._session = None

    @property
    def run_id(self) -> str:
        """Dagster's id of this run."""
        return self._run_id

    @property
    def started_at(self) -> datetime:
        """When this run began."""
        assert self._started_at is not None  # noqa: S101  set before any asset runs
        return self._started_at

    @property
    def config(self) -> PlumblineConfig:
        """plumbline.yml."""
        assert self._config is not None  # noqa: S101
        return self._config

    @property
    def engine(self) -> Engine:
        """The engine plumbline.yml names."""
        return load_engine(self.config.warehouse.engine)

    @property
    def session(self) -> WarehouseSession:
        """The exclusive build."""
        assert self._session is not None  # noqa: S101
        return self._session

    @property
    def warehouse_path(self) -> Path:
        """The published warehouse file."""
        assert self.config.warehouse.path is not None  # noqa: S101  the loader demands it for DuckDB
        return self.config.warehouse.path

    @property
    def state_folder(self) -> Path:
        """What belongs to this project's runs beside the warehouse: dbt's parse, Dagster's values, Data Docs."""
        return self.warehouse_path.parent

    @property
    def output_folder(self) -> Path:
        """Where the files of a run go."""
        return Path(self.output)

    @property
    def journal_path(self) -> Path:
        """What people did about the decisions of this plumbline.yml."""
        return journal_path(self.config.file)

    @property
    def dry_run_journal(self) -> Path:
        """The journal a dry run is told to: that of the configuration the launch is decided by."""
        return journal_path(Path(self.recorded_for)) if self.recorded_for else self.journal_path

    @property
    def dbt(self) -> DbtProjectRunner:
        """dbt on the build."""
        return DbtProjectRunner(self.session.build_path, self.state_folder / "dbt")


def config_path() -> str:
    """plumbline.yml of this code location: PLUMBLINE_CONFIG, or the one in the working folder."""
    return os.environ.get("PLUMBLINE_CONFIG", "plumbline.yml")


def output_folder() -> str:
    """Where runs of this code location write: PLUMBLINE_OUTPUT, or ./out."""
    return os.environ.get("PLUMBLINE_OUTPUT", "out")


def is_readiness_run() -> bool:
    """Whether runs of this code location are dry runs: PLUMBLINE_READINESS, set to anything but 0."""
    return os.environ.get("PLUMBLINE_READINESS", "").strip() not in ("", "0")


def resources(config: str | None = None, output: str | None = None) -> dict[str, Any]:
    """The resources of every asset, for one plumbline.yml."""
    path = config or config_path()
    return {
        "plumbline": PlumblineRun(
            config_path=path,
            output=output or output_folder(),
            is_readiness=is_readiness_run(),
            recorded_for=os.environ.get("PLUMBLINE_READINESS_FOR", ""),
        ),
        "io_manager": dg.FilesystemIOManager(
            base_dir=str(Path(path).resolve().parent / ".plumbline" / "values")
        ),
    }
