"""The run's configuration, its exclusive build of the warehouse, and where it writes."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.scalars import instant
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines.base import Engine, load_engine
from dagster_pipeline.engines.warehouse import WarehouseSession
from dagster_pipeline.errors import ConfigError
from dagster_pipeline.gate.readiness import REHEARSAL
from dagster_pipeline.register.journal import journal_path
from dagster_pipeline.register.look_backs import LOOK_BACK, state_as_of
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner

PARTITION_TAG = "dagster/partition"


class PlumblineRun(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One run: plumbline.yml as loaded, the engine, the session that builds the warehouse aside.

    The session's lock is held from the first asset to the last and ends with the run, however that ends. A readiness run
    decides nothing: it is a dry run of the contract, told to the journal of ``recorded_for`` ("": of this plumbline.yml).

    ``as_of`` (ISO; "": as plumbline.yml has it) is the clock of this run alone; a run of a daily partition takes the end of
    its day. Where that lies before what the register was last brought up to, the run is a look back: it shows the day
    and changes nothing of today. docs/decisions/0012-backfills-by-day.md
    """

    config_path: str
    output: str
    is_readiness: bool = False
    recorded_for: str = ""
    as_of: str = ""

    _config: PlumblineConfig | None = PrivateAttr(default=None)
    _session: WarehouseSession | None = PrivateAttr(default=None)
    _started_at: datetime | None = PrivateAttr(default=None)
    _run_id: str = PrivateAttr(default="")
    _is_look_back: bool = PrivateAttr(default=False)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Any, None, None]:
        """Load the configuration and take the warehouse's lock for as long as the run lasts."""
        self._run_id = context.run_id or "adhoc"
        self._started_at = datetime.now(UTC)
        self._config = load_config(Path(self.config_path))
        clock = run_clock(self.as_of, context.run.tags if context.run else {})
        if clock is not None:
            self._config = self._config.model_copy(update={"as_of": clock})
        with self.engine.session(self.warehouse_path, self._run_id) as session:
            self._session = session
            self._is_look_back = clock is not None and self._is_earlier_than_the_register(clock)
            yield self
        self._session = None

    def _is_earlier_than_the_register(self, clock: datetime) -> bool:
        with self.session.connection() as connection:
            reached = state_as_of(connection)
        return reached is not None and clock < reached

    @property
    def is_look_back(self) -> bool:
        """Whether this run looks at an earlier day than the register stands at, so that it must not change it."""
        return self._is_look_back

    @property
    def decides_nothing(self) -> str | None:
        """Why the verdicts of this run let nothing pass; None for a run that decides."""
        return REHEARSAL if self.is_readiness else LOOK_BACK if self.is_look_back else None

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
        """Where the files of a run go; a look back leaves those of today alone."""
        return Path(self.output) / "days" / f"{self.day}" if self.is_look_back else Path(self.output)

    @property
    def day(self) -> str:
        """The day a run looks at: the last one that has something before its clock."""
        return f"{self.config.as_of - timedelta(microseconds=1):%Y-%m-%d}"

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


def end_of_day(day: str) -> datetime:
    """The clock of a daily partition ("2026-10-29"): the midnight after it, in UTC; its last rows are dated before that."""
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)


def run_clock(as_of: str, tags: Mapping[str, str]) -> datetime | None:
    """The clock given to one run, by name or by its partition; None where it runs by plumbline.yml.

    Raises ConfigError for one that is no moment in time.
    """
    day = tags.get(PARTITION_TAG)
    try:
        return instant(as_of) if as_of else end_of_day(day) if day else None
    except ValueError as error:
        raise ConfigError(
            f"{as_of or day!r} is no moment in time; write one like 2026-11-06 or 2026-11-06T00:00:00Z"
        ) from error


def config_path() -> str:
    """plumbline.yml of this code location: PLUMBLINE_CONFIG, or the one in the working folder."""
    return os.environ.get("PLUMBLINE_CONFIG", "plumbline.yml")


def output_folder() -> str:
    """Where runs of this code location write: PLUMBLINE_OUTPUT, or ./out."""
    return os.environ.get("PLUMBLINE_OUTPUT", "out")


def is_readiness_run() -> bool:
    """Whether runs of this code location are dry runs: PLUMBLINE_READINESS, set to anything but 0."""
    return os.environ.get("PLUMBLINE_READINESS", "").strip() not in ("", "0")


def resources(config: str | None = None, output: str | None = None, as_of: str = "") -> dict[str, Any]:
    """The resources of every asset, for one plumbline.yml; ``as_of`` is a clock other than its own."""
    path = config or config_path()
    return {
        "plumbline": PlumblineRun(
            config_path=path,
            output=output or output_folder(),
            is_readiness=is_readiness_run(),
            recorded_for=os.environ.get("PLUMBLINE_READINESS_FOR", ""),
            as_of=as_of,
        ),
        "io_manager": dg.FilesystemIOManager(
            base_dir=str(Path(path).resolve().parent / ".plumbline" / "values")
        ),
    }
