"""How much of what a decision hangs on is watched: critical fields, and those of them that a check looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.register.documents import RegisteredCheck

_ALWAYS = ("requests.request_id", "requests.created_at", "assignments.entity_id", "assignments.variant")


@dataclass(frozen=True)
class Coverage:
    """How many of the fields the decision hangs on are watched by a check."""

    critical_fields: int
    monitored_fields: int

    @property
    def share(self) -> float | None:
        """Monitored ÷ critical; None where no field is critical, so that nothing is known to be watched."""
        return self.monitored_fields / self.critical_fields if self.critical_fields else None


def coverage(
    config: PlumblineConfig, checks: Iterable[RegisteredCheck], briefs: Sequence[Brief] | None = None
) -> Coverage:
    """The coverage of what the briefs hang on (None: of all that are configured).

    Critical are the mapped columns that the briefs' metrics (without a brief all metrics) need, and those that tell
    the arms; monitored, those of them a check came to an answer on. A check that could not run watches nothing.
    """
    critical = set(_critical(config, config.briefs if briefs is None else briefs))
    ran = [registered.check for registered in checks if registered.check.status is not CheckStatus.ERROR]
    watched = {f"{check.table}.{check.gap_column or check.column}" for check in ran}
    return Coverage(len(critical), len(critical & watched))


def _critical(config: PlumblineConfig, briefs: Sequence[Brief]) -> Iterator[str]:
    demanded = {c.metric for brief in briefs for c in brief.criteria}
    demanded |= {g.metric for brief in briefs for g in brief.guardrails}
    mapped: Mapping[str, set[str]] = {name: set(source.columns) for name, source in config.sources.items()}
    definitions = config.metrics
    wanted = [definitions[name] for name in demanded] or list(definitions.values())
    names = {n for d in wanted for need in d.needs for n in need.split("|")}
    for name in sorted(names.union(_ALWAYS)):
        source, _, column = name.partition(".")
        if column in mapped.get(source, set()):
            yield name
