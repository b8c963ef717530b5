"""What gaps leave open of a team's own metrics: nothing is known of them but their form and their rows."""

from __future__ import annotations

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.own_metrics import own_name

NOT_SAID_HOW = (
    "unidentified: nothing says which way the metric's expression moves with what this gap leaves open"
)
OUTCOME_UNKNOWN = "unbounded: the outcome of some requests is not known, and nothing limits it"
ROWS_OF_ANYBODY = "unbounded: rows that can be laid at no request's door may add anything to any of them"

_SUMS = ("mean", "ratio")
_OF_TIMES = frozenset({"quoted_at", "event_at", "hired_at", "outcome"})


def counts_rows(definition: MetricDefinition) -> bool:
    """Whether each row of the metric's own table adds exactly one to its request, and a request without a row has none."""
    if definition.table is None or definition.kind != "mean":
        return False
    return "".join(definition.y.lower().split()) in ("count(*)", "count(1)") and definition.table.empty == 0


def is_anywhere(definition: MetricDefinition, kind: str, source: str, column: str | None) -> bool:
    """Whether the gap leaves requests open whose value may then be anything: nothing says how the expression moves."""
    if definition.follows != "either":
        return False
    if definition.table is not None:
        # A request that is told in two ways has two times to count a horizon from.
        return definition.horizon > 0 and (kind, source) == ("conflicting_keys", "requests")
    if kind in ("missing_values", "invalid_values"):
        return column in _OF_TIMES
    if kind in ("timestamp_disorder", "source_conflict"):
        return source in ("quotes", "quote_events", "hires")
    return kind == "conflicting_keys" and source in ("requests", "quotes", "hires")


def why_unlimited(
    definition: MetricDefinition, kind: str, source: str, column: str | None, residual: int
) -> str | None:
    """Why a gap leaves an own mean or ratio without a limit, None where it does not; shares and quantiles have theirs."""
    if not definition.is_own or definition.kind not in _SUMS or not residual:
        return None
    if source == own_name(definition.name):
        return _by_its_own_rows(definition, kind, column)
    if is_anywhere(definition, kind, source, column):
        return NOT_SAID_HOW
    if _loses_requests(kind, source) and not _is_nothing_without_rows(definition):
        return OUTCOME_UNKNOWN
    return None


def _by_its_own_rows(definition: MetricDefinition, kind: str, column: str | None) -> str | None:
    if kind == "duplicate_rows":
        return None
    if kind == "missing_values" and column is None:
        return OUTCOME_UNKNOWN
    return None if counts_rows(definition) else ROWS_OF_ANYBODY


def _loses_requests(kind: str, source: str) -> bool:
    """Whether requests of the cohort are gone whose outcome nobody has."""
    if kind == "orphan_rows":
        return source != "spam_flags"
    return source == "requests" and kind in ("missing_values", "invalid_values", "missing_partition")


def _is_nothing_without_rows(definition: MetricDefinition) -> bool:
    """Whether a request of which no row is left adds nothing: its rows, were there any, are counted apart."""
    return definition.table.empty == 0 if definition.table is not None else definition.follows == "more"
