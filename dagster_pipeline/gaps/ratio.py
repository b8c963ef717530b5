"""Sample ratio mismatch: are the units of each arm as many as the design gave it? Once, or each day anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import UNKNOWN, MeasuredRow, Measurements
from dagster_pipeline.statistics.srm import MIN_DEVIATION, SrmResult, srm, srm_sequential

KIND = "sample_ratio_mismatch"
ALPHA = 0.001
"""Total false-alarm rate of the ratio test: half for all units, half shared by the segments (GAPS.md §1)."""


def found_mismatches(
    measurements: Measurements, experiments: Sequence[Experiment], as_of: datetime
) -> Iterator[FoundGap]:
    """One gap per experiment and segment whose arms do not hold the design's shares of units.

    An experiment looked at once is tested by χ², overall at 0.0005 and its segments at 0.0005 together. One looked
    at daily is tested by the sequential test alone, at 0.0005 over all looks there will ever be, and only
    overall: counts by day are not measured by segment, and χ² would have to be paid for at every look.
    Either way the deviation has to reach a tenth of a percentage point.
    """
    counts = _counts(measurements.rows)
    for experiment in experiments:
        own = {segment: units for (name, segment), units in counts.items() if name == experiment.id}
        if experiment.is_looked_at_daily(as_of):
            found = _daily(experiment, own.get(None, {}), measurements)
        else:
            found = _once(experiment, own)
        yield from found


def _counts(rows: Iterable[MeasuredRow]) -> dict[tuple[str, str | None], dict[str, int]]:
    counts: dict[tuple[str, str | None], dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.kind == KIND and row.experiment is not None:
            counts[row.experiment, row.segment][row.variant or ""] = row.rows_total or 0
    return counts


def _once(experiment: Experiment, counts: Mapping[str | None, Mapping[str, int]]) -> Iterator[FoundGap]:
    family = sum(1 for segment in counts if segment is not None)
    for segment, units in counts.items():
        alpha = ALPHA / 2 if segment is None else ALPHA / 2 / max(1, family)
        lost = {} if segment is None else _lost(segment, counts)
        complete = _completed(units, lost, experiment.split)
        result = srm(complete, experiment.split, alpha)
        if result.fired:
            p = "" if result.p is None else f"p = {result.p:.2g}, "
            yield _gap(experiment, segment, complete, result, p)


def _lost(segment: str, counts: Mapping[str | None, Mapping[str, int]]) -> dict[str, int]:
    """Units by arm that are in no segment of the column: their request's row was lost, and its values with it."""
    column = segment.partition("=")[0]
    own = [units for name, units in counts.items() if name is not None and name.partition("=")[0] == column]
    whole = counts.get(None, {})
    return {arm: max(0, n - sum(units.get(arm, 0) for units in own)) for arm, n in whole.items()}


def _completed(
    units: Mapping[str, int], lost: Mapping[str, int], split: Mapping[str, float]
) -> dict[str, int]:
    """Units by arm, the short arms with as many lost ones and units without an arm as even them out.

    What those may explain is no mismatch of its own: they are gaps of their own, and bounded there.
    """
    found = {arm: units.get(arm, 0) for arm in split}
    scale = max(found[arm] / share for arm, share in split.items() if share > 0)
    of_any = units.get(UNKNOWN, 0)
    for arm, share in split.items():
        wanted = max(0, round(scale * share) - found[arm])
        own = min(lost.get(arm, 0), wanted)
        taken = min(of_any, wanted - own)
        of_any -= taken
        found[arm] += own + taken
    return found


def _daily(
    experiment: Experiment, units: Mapping[str, int], measurements: Measurements
) -> Iterator[FoundGap]:
    if not any(units.get(arm, 0) for arm in experiment.split):
        return
    complete = _completed(units, {}, experiment.split)
    rows, looks = _rows_by_day(experiment, complete, measurements)
    result = srm(complete, experiment.split)
    p = 0.0 if result.unexpected else srm_sequential(rows, list(experiment.split.values()))[-1]
    if p < ALPHA / 2 and result.deviation >= MIN_DEVIATION:
        words = f"p = {p:.2g} in the sequential test over {looks} daily look{'s' if looks > 1 else ''}, "
        yield _gap(experiment, None, complete, replace(result, p=p), words)


def _rows_by_day(
    experiment: Experiment, complete: Mapping[str, int], measurements: Measurements
) -> tuple[list[list[int]], int]:
    """Units of each day in the order of the split's arms, and how many days; what has no day comes last.

    Only the running minimum of p needs the days: without them the units so far are one row, and as valid.
    """
    days: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in measurements.tables.get("assignment_days", ()):
        if row["experiment_id"] == experiment.id and row["day"] is not None and row["variant"] in complete:
            days[row["day"]][row["variant"]] += row["n_units"]
    rows = [[days[day][arm] for arm in complete] for day in sorted(days)]
    rest = [n - sum(row[i] for row in rows) for i, n in enumerate(complete.values())]
    if any(n > 0 for n in rest) and min(rest) >= 0:
        rows.append(rest)
    return rows or [list(complete.values())], max(1, len(days))


def _gap(
    experiment: Experiment, segment: str | None, units: Mapping[str, int], result: SrmResult, p: str
) -> FoundGap:
    arms = (
        f"{arm} {n:,} of {result.units:,} for a design share of {experiment.split[arm]:.1%}"
        for arm, n in units.items()
    )
    return FoundGap(
        KIND,
        experiment.id,
        "assignments",
        "variant",
        segment,
        result.units,
        None,
        None,
        by_variant=_shares_short(units, experiment.split),
        differential=True,
        note=f"{p}{', '.join(arms)}",
        units=dict(units),
    )


def _shares_short(units: Mapping[str, int], split: Mapping[str, float]) -> dict[str, float]:
    """What each arm lacks, as a share of what it would hold beside the fullest arm."""
    weighted = {arm: share for arm, share in split.items() if share > 0}
    fullest = max(units.get(arm, 0) / share for arm, share in weighted.items())
    return {
        arm: 1 - units.get(arm, 0) / (share * fullest) if fullest else 0.0 for arm, share in weighted.items()
    }
