"""What a build came to: plain values that later rooms read without knowing dbt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dagster_pipeline.engines.inspection import SourceInspection, one_line
from dagster_pipeline.transform.mapping import WarehouseMapping


class NodeStatus(StrEnum):
    """What became of one model or test."""

    SUCCESS = "success"
    FAILED = "failed"  # a test of our own invariants found rows
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class NodeResult:
    """One dbt node of one build."""

    unique_id: str
    name: str
    resource_type: str
    status: NodeStatus
    message: str
    seconds: float
    failures: int | None = None
    attached_node: str | None = None
    sql: str = ""  # as compiled for this run

    @property
    def cause(self) -> str:
        """What went wrong in one line, without dbt's heading, which only names the node."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        return one_line(lines[1] if len(lines) > 1 else self.message)


@dataclass(frozen=True)
class BuildResult:
    """All nodes of a build; a relation may be read only if its node is in ``built``."""

    nodes: tuple[NodeResult, ...]
    error: str | None = None

    @property
    def built(self) -> frozenset[str]:
        """Names of the models built in this run, whose invariants hold."""
        broken = {
            n.attached_node
            for n in self.nodes
            if n.resource_type == "test" and n.status is not NodeStatus.SUCCESS
        }
        return frozenset(
            n.name
            for n in self.nodes
            if n.resource_type == "model" and n.status is NodeStatus.SUCCESS and n.unique_id not in broken
        )

    @property
    def broken(self) -> tuple[NodeResult, ...]:
        """Nodes that errored or whose invariant failed, not those merely skipped because of them."""
        return tuple(n for n in self.nodes if n.status in (NodeStatus.ERROR, NodeStatus.FAILED))


@dataclass(frozen=True)
class WarehouseBuild:
    """What the warehouse holds after dbt, and what it was built from."""

    mapping: WarehouseMapping
    inspections: Mapping[str, SourceInspection]
    result: BuildResult
