"""The validated, frozen form of plumbline.yml.

Each type checks what can be judged from its own values; what ties keys together (known sources, a brief's
experiment) is checked by `dagster_pipeline.config.references`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.formats import check_formats
from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.locations import is_file
from dagster_pipeline.config.metrics import MetricDefinition, all_metrics
from dagster_pipeline.config.own_metrics import OwnMetric, own_name
from dagster_pipeline.config.parity import Parity
from dagster_pipeline.config.problems import KeyPath, Refusal
from dagster_pipeline.config.scalars import (
    Arm,
    Duration,
    Identifier,
    Instant,
    Rate,
    Share,
    Text,
    TimeZone,
)
from dagster_pipeline.config.triage import Alerts, Triage

EngineName = Literal["duckdb", "snowflake", "spark", "postgres"]
UnitName = Literal["request", "customer", "session"]
LooksName = Literal["once", "daily"]

# Shares written in decimals sum to one but for rounding: far below this, and a typing error far above.
_SPLIT_TOLERANCE = 1e-9
WHOLE_TABLE = "*"  # the column that stands for its whole table in Thresholds.overrides


ONE_ORIGIN = "needs either from (a file or a relation) or query (one SELECT), and not both"
NO_THRESHOLD = "is no threshold"


class Warehouse(Frozen):
    """Where the pipeline builds: a DuckDB file (``path``, absolute once loaded) or a dbt target."""

    engine: EngineName
    path: Path | None = None
    target: Text | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Warehouse:
        if self.engine == "duckdb" and self.path is None:
            raise Refusal("needs a path, the DuckDB file to build in, such as .plumbline/warehouse.duckdb")
        if self.engine != "duckdb" and self.target is None:
            raise Refusal(f"needs a target: the name of the dbt target that connects to {self.engine}")
        return self


class Source(Frozen):
    """One raw table: where it is read from, and which of its columns is which.

    ``columns`` maps logical to physical names. Exactly one of ``from_`` (an absolute file path or glob, or a
    relation name) and ``query`` (one SELECT, without comments or a closing semicolon) is set. ``formats`` maps
    logical time columns to the strptime formats their text is written in, tried in order.
    """

    from_: Text | None = Field(default=None, alias="from")
    query: Text | None = None
    columns: dict[Text, Text]
    timezone: TimeZone = "UTC"
    formats: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    freshness: Duration | None = None
    where: Text | None = None

    @property
    def is_file(self) -> bool:
        """Whether ``from_`` is a file or a glob rather than a relation of the warehouse."""
        return self.from_ is not None and is_file(self.from_)

    @field_validator("formats", mode="before")
    @classmethod
    def _formats(cls, value: object) -> object:
        return check_formats(value)

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.from_ is None) == (self.query is None):
            raise Refusal(ONE_ORIGIN)
        return self


class Window(Frozen):
    """The cohort: requests with start ≤ created_at < end, both in UTC."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _forward(self) -> Window:
        if self.end <= self.start:
            raise Refusal(f"must be after the start ({self.start.isoformat()})", at=("end",))
        return self


class Experiment(Frozen):
    """A randomised experiment: its unit, its arms with their design shares, its window.

    ``sampling`` holds the known logging rates, source → arm → share logged. Arms are trimmed and lower-cased.
    ``looks`` says whether its results are looked at once, after the window, or daily as they come in. ``touched``
    names the requests its launch could reach at all, column of requests → values; the others are left as they were.
    """

    id: Identifier
    unit: UnitName = "request"
    split: dict[Arm, Share]  # before control, which is checked against it
    control: Arm
    window: Window | None = None
    sampling: dict[str, dict[Arm, Rate]] = Field(default_factory=dict)
    looks: LooksName | None = None
    touched: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    _written_arms: tuple[str, ...] = PrivateAttr(())

    @property
    def written_arms(self) -> tuple[str, ...]:
        """The arms as plumbline.yml writes them, trimmed: rows in that spelling are as declared."""
        return self._written_arms or tuple(self.split)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_spelling(cls, value: Any, handler: ModelWrapValidatorHandler[Experiment]) -> Experiment:
        found = handler(value)
        split = value.get("split") if isinstance(value, dict) else None
        if isinstance(split, dict):
            found._written_arms = tuple(str(arm).strip() for arm in split)
        return found

    def is_looked_at_daily(self, as_of: datetime) -> bool:
        """Whether it is tested over and over as units come in: ``looks``, else whether it still runs at ``as_of``.

        Without a window it has no end to run until, and counts as looked at once.
        """
        if self.looks is not None:
            return self.looks == "daily"
        return self.window is not None and as_of < self.window.end

    @property
    def treatments(self) -> tuple[str, ...]:
        """The arms that are not the control, in the order of the split."""
        return tuple(arm for arm in self.split if arm != self.control)

    @field_validator("touched")
    @classmethod
    def _touched_values(cls, touched: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for column, values in touched.items():
            if not values:
                raise Refusal("names no value: a launch that touches nothing has no effect", at=(column,))
        return touched

    @model_validator(mode="after")
    def _touched_in_a_window(self) -> Experiment:
        if self.touched and self.window is None:
            raise Refusal("needs a window: it is compared before and after its start", at=("touched",))
        return self

    @field_validator("split", mode="before")
    @classmethod
    def _split_arms(cls, value: object) -> object:
        return _arms_once(value)

    @field_validator("sampling", mode="before")
    @classmethod
    def _sampling_arms(cls, value: object) -> object:
        for source, rates in value.items() if isinstance(value, dict) else ():
            _arms_once(rates, (source,))
        return value

    @field_validator("split")
    @classmethod
    def _possible_split(cls, split: dict[str, float]) -> dict[str, float]:
        total = sum(split.values())
        if len(split) < 2:
            raise Refusal("needs at least two arms: one control and one or more treatments")
        if abs(total - 1) > _SPLIT_TOLERANCE:
            raise Refusal(f"must sum to 1; the shares sum to {total:.10g}")
        if sum(share > 0 for share in split.values()) < 2:
            raise Refusal("needs at least two arms with a share above 0")
        return split

    @field_validator("control")
    @classmethod
    def _control_in_split(cls, control: str, info: ValidationInfo) -> str:
        split = info.data.get("split")
        if split is not None and control not in split:
            raise Refusal("must be one of the arms of split", split)
        if split is not None and split[control] <= 0:
            raise Refusal("must be an arm with a share above 0: there is nothing to compare with otherwise")
        return control

    @field_validator("sampling")
    @classmethod
    def _sampled_arms_in_split(
        cls, sampling: dict[str, dict[str, float]], info: ValidationInfo
    ) -> dict[str, dict[str, float]]:
        split = info.data.get("split")
        for source, arm in [(source, arm) for source, rates in sampling.items() for arm in rates]:
            if split is not None and arm not in split:
                raise Refusal("is not an arm of split", split, (source, arm), key_at_fault=True)
        return sampling


def _arms_once(arms: object, at: KeyPath = ()) -> object:
    names = [str(name).strip().lower() for name in arms] if isinstance(arms, dict) else []
    for name in names:
        if names.count(name) > 1:
            raise Refusal(f"names the arm {name!r} twice: arms are trimmed and lower-cased", at=at)
    return arms


class Thresholds(Frozen):
    """Contract defaults: the shares of rows above which a defect counts, and their overrides.

    ``overrides`` is table → column → name → share; the column ``*`` stands for the whole table.
    """

    null_share: Share = 0.005
    missing_variant_share: Share = 0.005
    duplicate_share: Share = 0.005
    conflict_share: Share = 0.001
    orphan_share: Share = 0.001
    invalid_share: Share = 0.005
    source_conflict_share: Share = 0.01
    multiple_exposure_share: Share = 0.01
    disorder_share: Share = 0.005
    late_assignment_share: Share = 0.005
    overrides: dict[str, dict[str, dict[str, Share]]] = Field(default_factory=dict)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The thresholds there are."""
        return tuple(name for name in cls.model_fields if name != "overrides")

    @model_validator(mode="after")
    def _names_known(self) -> Thresholds:
        for table, columns in self.overrides.items():
            for column, limits in columns.items():
                for name in limits:
                    if name not in self.names():
                        at = ("overrides", table, column, name)
                        raise Refusal(NO_THRESHOLD, self.names(), at, key_at_fault=True)
        return self

    def value(self, name: str, table: str | None = None, column: str | None = None) -> float:
        """The threshold in force: the column's, else the table's, else the default. Raises KeyError."""
        if name not in self.names():
            raise KeyError(f"no threshold {name!r}; there are {', '.join(self.names())}")
        columns = self.overrides.get(table or "", {})
        for place in (column or WHOLE_TABLE, WHOLE_TABLE):
            if name in columns.get(place, {}):
                return columns[place][name]
        return float(getattr(self, name))


class PlumblineConfig(Frozen):
    """All of plumbline.yml. ``directory`` is the folder of ``file``; ``as_of`` is in UTC.
    ``suites`` is the folder (absolute) of the team's own suites, run beside Plumbline's; None without one.

    ``written`` holds each source's ``from`` or ``query`` as it stands in the file, before the environment
    and the folder were filled in: what two machines have in common. Those of ``parity`` and ``metrics`` are in it too, under
    the names of `inspection_name` and `own_name`.
    """

    version: Literal[1]
    warehouse: Warehouse
    as_of: Instant = Field(default_factory=lambda: datetime.now(UTC))
    sources: dict[str, Source]
    experiments: tuple[Experiment, ...] = ()
    briefs: tuple[Brief, ...] = ()
    thresholds: Thresholds = Thresholds()
    parity: tuple[Parity, ...] = ()
    own_metrics: tuple[OwnMetric, ...] = ()
    triage: Triage = Triage()
    alerts: Alerts = Alerts()
    suites: Path | None = None
    directory: Path
    file: Path
    written: dict[str, str] = Field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, MetricDefinition]:
        """Every metric of this configuration by name: the built-in ones and the team's own."""
        return all_metrics(
            {m.name: m.definition(self.written.get(own_name(m.name), "")) for m in self.own_metrics}
        )

    def experiment(self, experiment_id: str) -> Experiment | None:
        """The experiment of that id, or None."""
        return next((found for found in self.experiments if found.id == experiment_id), None)

    def brief(self, experiment_id: str) -> Brief | None:
        """The brief of that experiment, or None."""
        return next((found for found in self.briefs if found.experiment == experiment_id), None)

    def parity_of(self, source: str) -> Parity | None:
        """The parity of that id, under which its gaps are filed in a source's place, or None."""
        return next((found for found in self.parity if found.id == source), None)
