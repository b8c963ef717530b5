"""The plain words the report uses for the project's vocabularies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import SourceStatus
from dagster_pipeline.statistics.vocabulary import Direction


@dataclass(frozen=True)
class Mark:
    """A word and a sign, so that nothing hangs on colour alone; ``tone`` names a style."""

    word: str
    sign: str
    tone: str


SEVERITY = {
    Severity.BLOCKER: Mark("Blocker", "■", "blocker"),
    Severity.HIGH: Mark("High", "▲", "high"),
    Severity.MEDIUM: Mark("Medium", "◆", "medium"),
    Severity.LOW: Mark("Low", "●", "low"),
    Severity.INFO: Mark("Info", "○", "info"),
}

OUTCOME = {
    Outcome.PASSED: Mark("Passed", "✓", "good"),
    Outcome.FAILED: Mark("Failed", "✕", "bad"),
    Outcome.MISSING: Mark("No data", "?", "bad"),
    Outcome.STALE: Mark("Out of date", "?", "bad"),
    Outcome.ERRORED: Mark("Not computed", "!", "bad"),
    Outcome.WAIVED: Mark("Waived", "~", "fair"),
}

VERDICT = {
    "GO": Mark("GO", "✓", "good"),
    "PARTIAL": Mark("PARTIAL", "◐", "fair"),
    "HOLD": Mark("HOLD", "✕", "bad"),
}

VERDICT_MEANING = {
    "GO": "Launch to everyone: the criteria hold, and no open data gap is big enough to change that.",
    "PARTIAL": "Launch only within the limits named here.",
    "HOLD": "Do not launch yet.",
}

STATUS = {
    GapStatus.OPEN: "open",
    GapStatus.ACKNOWLEDGED: "acknowledged",
    GapStatus.ACCEPTED: "risk accepted",
    GapStatus.RESOLVED: "resolved",
}

SOURCE_STATUS = {
    SourceStatus.OK: Mark("read", "✓", "good"),
    SourceStatus.UNMAPPED: Mark("not mapped", "○", "info"),
    SourceStatus.MISSING: Mark("missing", "✕", "bad"),
    SourceStatus.UNREADABLE: Mark("unreadable", "✕", "bad"),
    SourceStatus.EMPTY: Mark("empty", "✕", "bad"),
}

VARIANT_SOURCE = {
    "assignment": "by their assignment",
    "exposure_log": "by the exposure logs",
    "tie": "tied between arms",
    "undeclared_arm": "in an arm not declared",
    "none": "not known",
}

DIRECTION = {
    Direction.INFLATES: Mark("flatters", "▲", "bias"),
    Direction.DEFLATES: Mark("understates", "▼", "bias"),
    Direction.TOWARD_ZERO: Mark("shrinks the difference", "→0←", "bias"),
    Direction.EITHER: Mark("either way", "▲▼", "bias"),
    Direction.NONE: Mark("no bias that matters", "=", "calm"),
}

_KIND = {
    "stale_source": "Late data",
    "missing_values": "Missing values",
    "missing_variant": "Variant unknown",
    "duplicate_rows": "Duplicate rows",
    "conflicting_keys": "Conflicting rows for one key",
    "orphan_rows": "Rows without a parent",
    "sample_ratio_mismatch": "Sample ratio mismatch",
    "multiple_exposures": "Units in two arms",
    "timestamp_disorder": "Times out of order",
    "source_conflict": "Sources disagree",
    "sampled_logging": "Only a sample was logged",
    "missing_partition": "A day is missing",
    "schema_change": "Schema changed",
    "invalid_values": "Values not allowed",
    "late_assignment": "Assigned too late",
    "distribution_drift": "Distribution drifted",
    "pre_exposure_imbalance": "Arms differed before the start",
    "stale_dashboard": "Dashboard out of date",
    "not_evaluated": "Could not be evaluated",
}

GLOSSARY = (
    ("Gap", "A problem in the data that could matter to the decision, with its size and what it does."),
    ("Estimate", "The best figure after every repair we could make."),
    (
        "Interval",
        "How far chance alone could have moved the estimate, at the confidence the brief asks for.",
    ),
    (
        "Range the gaps allow",
        "Every value the result could truly have, given what is missing or broken (its identification "
        "region). More traffic does not make it narrower; repairing the data does.",
    ),
    (
        "Flatters / understates",
        "The gap makes the new version look better / worse than it is, as far as the data prove it.",
    ),
    (
        "Share of the worst case (δ*)",
        "How much of the worst a gap could do must come true before the answer changes. "
        "25% is fragile, 200% is comfortable.",
    ),
    (
        "Differs by arm",
        "The defect hits one arm more than the other beyond chance (p < 0.001). A defect that hits both "
        "alike rarely moves a comparison.",
    ),
    (
        "Repaired / left",
        "Rows with the defect, and those still affected once the repair was made.",
    ),
    ("pp", "Percentage points: from 12% to 13% is +1 pp."),
)

METHOD = (
    "Effects compare each treatment with the control: the difference of the two levels, or their ratio less "
    "one, over requests old enough to have an outcome.",
    "Intervals are two-sided. Severity follows from how much of a gap's worst case would change the answer.",
    "Ranges are worst-case bounds over the full cohort, all open gaps taken together; nothing is assumed "
    "about why data are missing.",
    "Nothing that could not be measured counts as passed.",
)


def kind_title(kind: str) -> str:
    """A gap kind for people; an unknown one by its own name."""
    return _KIND.get(kind) or visible(kind.replace("_", " ")).capitalize()


def place(gap: Gap) -> str:
    """Where a gap is: table.column, and the segment."""
    parts = [part for part in (gap.table, gap.column) if part]
    where = visible(".".join(parts)) if parts else visible(gap.experiment or "the whole run")
    return f"{where} where {visible(gap.segment)}" if gap.segment else where


def rows_affected(gap: Gap) -> str:
    """What a gap's share is a share of: "requests without a variant", "quotes without quoted_at"."""
    table, column = visible(gap.table or "rows"), visible(gap.column or "a value")
    words = {
        "missing_variant": f"{table} without a variant",
        "missing_values": f"{table} without {column}",
        "orphan_rows": f"{table} without a parent",
        "conflicting_keys": f"{table} that contradict another row of their key",
        "invalid_values": f"{table} with a value in {column} that is not allowed",
        "timestamp_disorder": f"{table} out of order",
        "source_conflict": f"{table} on which two sources differ",
        "late_assignment": "units assigned too late",
        "sampled_logging": f"{table} that were never logged",
    }
    return words.get(gap.kind, f"{table} affected")


def plural(size: int, singular: str, several: str | None = None) -> str:
    """A counted noun: 1 gap, 1,200 gaps."""
    return f"{size:,} {singular if size == 1 else several or singular + 's'}"


def listed(items: Sequence[str]) -> str:
    """Several names in a sentence: a, b and c."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)
