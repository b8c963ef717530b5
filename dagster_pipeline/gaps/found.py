"""Which measured rows are gaps, one per kind × table × column (× experiment where the kind is about one)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dagster_pipeline.gaps.measurements import MeasuredRow
from dagster_pipeline.statistics.differential import differential

_SRM = "sample_ratio_mismatch"
_ABOUT_AN_EXPERIMENT = frozenset({"missing_variant", "multiple_exposures", "late_assignment", _SRM})


@dataclass(frozen=True)
class FoundGap:
    """One gap as measured; counts None where rows can't be counted.

    ``units`` are the units by arm of a ratio mismatch, or the rows a missing partition lacks.
    """

    kind: str
    experiment: str | None
    source: str
    column: str | None
    segment: str | None
    rows_total: int | None
    rows_affected: int | None
    rows_residual: int | None
    by_variant: Mapping[str, float] = field(default_factory=dict)
    differential: bool = False
    note: str | None = None
    units: Mapping[str, int] = field(default_factory=dict)

    @property
    def share_affected(self) -> float | None:
        """Affected rows of all rows."""
        return _share(self.rows_affected, self.rows_total)

    @property
    def share_residual(self) -> float | None:
        """Rows no repair reaches, of all rows."""
        return _share(self.rows_residual, self.rows_total)


def found_gaps(
    rows: Iterable[MeasuredRow], splits: Mapping[str, Mapping[str, float]]
) -> tuple[FoundGap, ...]:
    """Gaps among the measured rows; ``splits`` is the design share by experiment and arm.

    Rows that only a statistic can judge (``is_gap`` None) are left to the modules of their kinds.
    """
    counted = [row for row in rows if row.kind != _SRM]
    arms: dict[tuple[str, str, str | None], list[MeasuredRow]] = defaultdict(list)
    for row in counted:
        if row.variant is not None:
            arms[row.kind, row.source, row.column].append(row)
    whole = [row for row in counted if row.variant is None and row.is_gap]
    return tuple(_counted(row, arms[row.kind, row.source, row.column], splits) for row in whole)


def _counted(
    row: MeasuredRow, arms: list[MeasuredRow], splits: Mapping[str, Mapping[str, float]]
) -> FoundGap:
    """A gap about no experiment shows its arms in the first one."""
    about = row.kind in _ABOUT_AN_EXPERIMENT
    measured = {arm.experiment for arm in arms}
    first = next((e for e in splits if e in measured), None)
    experiment = row.experiment if about else first
    declared = list(splits.get(experiment or "", {}))
    own = sorted(
        (arm for arm in arms if arm.experiment == experiment and arm.rows_total),
        key=lambda arm: declared.index(arm.variant) if arm.variant in declared else len(declared),
    )
    tested = {
        a.variant or "": (a.rows_affected or 0, a.rows_total or 0) for a in own if a.variant in declared
    }
    return FoundGap(
        kind=row.kind,
        experiment=row.experiment if about else None,
        source=row.source,
        column=row.column,
        segment=row.segment,
        rows_total=row.rows_total,
        rows_affected=row.rows_affected,
        rows_residual=row.rows_residual,
        by_variant={
            arm.variant or "": (arm.rows_affected or 0) / arm.rows_total for arm in own if arm.rows_total
        },
        differential=len(tested) > 1 and differential(tested).differential,
        note=row.note,
    )


def _share(part: int | None, whole: int | None) -> float | None:
    if part is None or whole is None:
        return None
    return part / whole if whole else 0.0
