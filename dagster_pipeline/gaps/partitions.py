"""Missing partitions: days of a table, or of one arm of it, that hold far fewer rows than their calendar leads to expect."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.statistics.partitions import ThinDay, missing_days, thin_days

KIND = "missing_partition"
WHOLE = "all"
_SHOWN = 5

_Days = Mapping[date, int]


@dataclass(frozen=True)
class Hole:
    """A missing day of a source, in the whole table or in one arm of an experiment (None: the whole table)."""

    found: ThinDay
    experiment: str | None = None
    arm: str | None = None

    @property
    def rows_gone(self) -> int:
        """Rows the day may lack: of the most that its calendar leads to expect."""
        return math.ceil(self.found.at_most - self.found.observed)


@dataclass
class _Counted:
    """One source's rows by day: all of them, and by (experiment, arm)."""

    total: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    arms: dict[tuple[str, str], dict[date, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )


def found_partitions(measurements: Measurements, experiments: Sequence[Experiment]) -> Iterator[FoundGap]:
    """One gap per source with missing days; the note names them. Rows that are not there can't be counted.

    Only sources whose own time is mapped are looked at (those with a row of the gap model). ``units`` are the
    rows that may be gone, by arm where the day is missing in one arm alone (``differential``), else under "all".
    """
    totals = {row.source: row.rows_total for row in measurements.rows if row.kind == KIND}
    counted = _by_source(measurements)
    for source in sorted(set(counted) & set(totals)):
        holes = _holes(counted[source], experiments)
        if holes:
            yield FoundGap(
                KIND,
                None,
                source,
                None,
                None,
                totals[source],
                None,
                None,
                by_variant=_shares_gone(counted[source], holes, experiments),
                differential=any(hole.arm for hole in holes),
                note=_note(holes, several=len(experiments) > 1),
                units=_gone(holes),
            )


def _by_source(measurements: Measurements) -> dict[str, _Counted]:
    """Counts up to each source's newest row before the clock: rows dated later would make its cut last day an inner one."""
    rows = measurements.tables.get("daily_rows", ())
    first = {str(row["source_name"]): str(row["experiment_id"]) for row in reversed(rows)}
    counted: dict[str, _Counted] = defaultdict(_Counted)
    for row in rows:
        source, experiment, arm, day = (
            row[name] for name in ("source_name", "experiment_id", "variant", "day")
        )
        fact = measurements.sources.get(source)
        if day is None or (fact and fact.newest_at and day > fact.newest_at.date()):
            continue
        if experiment == first[source]:  # every experiment holds all rows once
            counted[source].total[day] += row["n_rows"]
        if arm is not None:
            counted[source].arms[experiment, arm][day] += row["n_rows"]
    return dict(counted)


def _holes(counted: _Counted, experiments: Sequence[Experiment]) -> list[Hole]:
    """Missing days of the table; those that only some arms miss are those arms', in the first experiment that shows it."""
    whole = {found.day: Hole(found) for found in missing_days(counted.total)}
    cut: dict[date, list[Hole]] = {}
    for experiment in experiments:
        arms = [arm for arm, share in experiment.split.items() if share > 0]
        thin = {arm: {t.day: t for t in thin_days(counted.arms[experiment.id, arm])} for arm in arms}
        missing = {t.day for days in thin.values() for t in days.values() if t.is_missing}
        for day in missing - set(cut):
            if day in whole and all(day in thin[arm] for arm in arms):
                continue
            found = {arm: thin[arm][day] for arm in arms if day in thin[arm]}
            cut[day] = [Hole(t, experiment.id, arm) for arm, t in found.items() if t.is_missing]
    days = sorted(set(whole) | set(cut))
    return [hole for day in days for hole in cut.get(day, [whole[day]] if day in whole else [])]


def _gone(holes: Iterable[Hole]) -> dict[str, int]:
    gone: dict[str, int] = defaultdict(int)
    for hole in holes:
        gone[hole.arm or WHOLE] += hole.rows_gone
    return dict(gone)


def _shares_gone(
    counted: _Counted, holes: Sequence[Hole], experiments: Sequence[Experiment]
) -> dict[str, float]:
    """Of the rows each arm should have, the share its missing days lack, in the first experiment that has rows.

    A day that the whole table lacks should have held each arm's usual share of it.
    """
    for experiment in experiments:
        arms = {arm: counted.arms[experiment.id, arm] for arm in experiment.split}
        if any(arms.values()):
            gone = {arm: _gone_of_arm(counted, days, arm, holes) for arm, days in arms.items()}
            held = {arm: sum(days.values()) for arm, days in arms.items()}
            return {arm: gone[arm] / (gone[arm] + held[arm]) for arm in arms if gone[arm] + held[arm]}
    return {}


def _gone_of_arm(counted: _Counted, days: _Days, arm: str, holes: Iterable[Hole]) -> float:
    usual = sum(days.values()) / max(1, sum(counted.total.values()))
    own = [hole.found.expected - hole.found.observed for hole in holes if hole.arm == arm]
    shared = [hole.found.expected * usual - days.get(hole.found.day, 0) for hole in holes if not hole.arm]
    return sum(max(0.0, gone) for gone in (*own, *shared))


def _note(holes: Sequence[Hole], *, several: bool) -> str:
    runs = list(_runs(holes))
    said = [_words(run, several=several) for run in runs[:_SHOWN]]
    if len(runs) > _SHOWN:
        said.append(f"and {len(runs) - _SHOWN} more")
    return "; ".join(said)


def _runs(holes: Sequence[Hole]) -> Iterator[list[Hole]]:
    """Holes of one arm on days that follow each other, together; by first day."""
    runs: list[list[Hole]] = []
    for hole in holes:
        last = next((r for r in reversed(runs) if _place(r[-1]) == _place(hole)), None)
        if last and hole.found.day - last[-1].found.day == timedelta(days=1):
            last.append(hole)
        else:
            runs.append([hole])
    yield from runs


def _place(hole: Hole) -> tuple[str | None, str | None]:
    return hole.experiment, hole.arm


def _words(run: Sequence[Hole], *, several: bool) -> str:
    first, last = run[0], run[-1]
    days = f"{first.found.day}" if len(run) == 1 else f"{first.found.day} to {last.found.day}"
    of = f" of {first.experiment}" if several else ""
    where = f" in arm {first.arm}{of}" if first.arm else ""
    observed = sum(hole.found.observed for hole in run)
    expected = round(sum(hole.found.expected for hole in run))
    return f"{days}{where}: {observed:,} rows where at least about {expected:,} were expected"
