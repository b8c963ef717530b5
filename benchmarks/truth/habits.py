"""Four habits people have when the data behind a launch are not clean, each giving a verdict from the raw tables.

    for habit in judge(connection, config): print(habit.name, habit.verdict, habit.margin)

- ``ignore``: the tables as they lie: the assignment's arm, else the quotes'; copies count, a null is no event, and who
  asked yesterday has not hired.
- ``drop``: complete cases: copies are removed, and every request that a defect touches (no assignment or several arms, a null, a
  contradiction, a quote before its request, two times of one quote, not mature) is left out.
- ``skew``: "even if all of it were so": requests without an arm are all the treatment's, and its unknown outcomes all
  successes, the control's all failures; then the other way round. GO takes both scenarios and ``drop``.
- ``hold_on_failed_check``: HOLD as soon as any share of defective rows exceeds its contract threshold; else ``drop``.

``margin`` is the least slack over the brief's conditions, in standard errors: estimate or interval's limit minus threshold. GO is
margin ≥ c; c = 0 is the habit as practised, another c shifts all its thresholds, so that habits can be compared at
equal wrong-GO rates. Intervals: Newcombe (statsmodels) for shares, delta method on the log scale by request for ratios, order
statistics on the log scale for the median (Bonett & Price 2020).
"""

# ruff: noqa: S608  (names come from our own vocabulary and the configuration)

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmarks.truth.brute_sources import CLOCKS, COLUMNS, KEYS, RawSources
from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import PlumblineConfig

Floats = NDArray[np.float64]
GO, HOLD = "GO", "HOLD"
HABITS = ("ignore", "drop", "skew", "hold_on_failed_check")
_DAY = 86_400.0
_NEEDED = {
    "requests": ("request_id", "created_at"),
    "quotes": ("quote_id", "request_id", "quoted_at"),
    "hires": ("request_id", "hired_at"),
    "assignments": ("entity_id", "variant"),
    "support_tickets": ("request_id",),
    "spam_flags": ("quote_id",),
}


@dataclass(frozen=True)
class Habit:
    """What a habit says of a world; ``margin`` is −inf where it can't be computed or a check decides."""

    name: str
    margin: float
    reason: str

    @property
    def verdict(self) -> str:
        """GO or HOLD, as practised."""
        return self.at(0.0)

    def at(self, c: float) -> str:
        """The verdict with every threshold shifted by ``c`` standard errors."""
        return GO if self.margin >= c else HOLD


@dataclass(frozen=True)
class Frame:
    """The analyst's table: a row per request, or several. ``arm`` 1, 0 or −1; ``wait`` and ``hire`` in seconds, inf without."""

    arm: NDArray[np.int64]
    wait: Floats
    hire: Floats
    tickets: Floats
    quotes: Floats
    flags: Floats
    is_touched: NDArray[np.bool_]
    is_wait_unknown: NDArray[np.bool_]
    is_hire_unknown: NDArray[np.bool_]

    def only(self, here: NDArray[np.bool_]) -> Frame:
        """Some of the rows."""
        return Frame(*(getattr(self, name)[here] for name in self.__dataclass_fields__))


def judge(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig) -> tuple[Habit, ...]:
    """The four habits' verdicts on the first brief, from the raw tables the configuration names."""
    sources, brief = RawSources(connection, config), config.briefs[0]
    absent = [f"{t}.{c}" for t, columns in _NEEDED.items() for c in columns if not sources.has(t, c)]
    if absent:
        return tuple(Habit(name, -math.inf, f"{absent[0]} is not there") for name in HABITS)
    clean = _careful(connection, config, sources)
    dropped, why = least_slack(clean.only((clean.arm >= 0) & ~clean.is_touched), brief)
    scenarios = [least_slack(_skewed(clean, arm), brief) for arm in (1, 0)]
    failed = next(_failed_checks(connection, config, sources, clean), None)
    return (
        Habit("ignore", *least_slack(_as_it_lies(connection, config, sources), brief)),
        Habit("drop", dropped, why),
        Habit("skew", *min([*scenarios, (dropped, why)], key=lambda found: found[0])),
        Habit("hold_on_failed_check", -math.inf, failed)
        if failed
        else Habit("hold_on_failed_check", dropped, why),
    )


def _skewed(frame: Frame, favoured: int) -> Frame:
    """All that is not known to the good of one arm: its unknown outcomes successes, the other's failures.

    The unlabelled go to the favoured arm as they are.
    """
    arm = np.where(frame.arm < 0, favoured, frame.arm)
    known = frame.arm >= 0
    unseen = np.where(arm == favoured, 0.0, math.inf)
    return replace(
        frame,
        arm=arm,
        wait=np.where(frame.is_wait_unknown & known, unseen, frame.wait),
        hire=np.where(frame.is_hire_unknown & known, unseen, frame.hire),
    )


def launch_value(effects: Mapping[str, float], brief: Brief) -> float:
    """What a launch is worth if these are the true effects (raw, in the brief's kind of effect).

    The least over the brief's rules of (oriented effect − threshold) ÷ scale. A criterion's threshold is its min_bound
    (what must be ruled out: a hire rate down by 1 pp), else its min_delta or min_improvement; a guardrail's is minus its
    largest move. The scale is the threshold's own size, so that one unit is one tolerance: 1 pp of hire rate, 5% of the
    median, 10% of tickets, 5% of flags. A launch is worth the most where nothing comes near its limit; HOLD is worth 0.
    """
    return min(
        (side * effects[rule.metric] - threshold) / (abs(threshold) or 1.0)
        for rule, side, threshold in _worths(brief)
    )


def regret(verdict: str, value: float) -> float:
    """What the verdict forgoes: a good launch held, or a bad one let go."""
    return max(0.0, -value) if verdict == GO else max(0.0, value)


def _worths(brief: Brief) -> Iterator[tuple[Criterion | Guardrail, float, float]]:
    for rule in brief.criteria:
        limits = (rule.min_bound, rule.min_delta, rule.min_improvement)
        yield rule, _side(rule), next(limit for limit in limits if limit is not None)
    for guard in brief.guardrails:
        for side, limit in ((-1.0, guard.max_increase), (1.0, guard.max_decrease)):
            if limit is not None:
                yield guard, side, -limit


def _side(rule: Criterion | Guardrail) -> float:
    return 1.0 if metric_definitions()[rule.metric].better == "higher" else -1.0


# --- estimates and slacks


@dataclass(frozen=True)
class Estimate:
    """An effect on a scale where it is about normal: the value, its standard error and half-widths of its interval.

    On the log scale for relative effects; ``at`` puts a threshold on the same scale.
    """

    value: float
    error: float
    lower: float
    upper: float
    relative: bool

    def slack(self, threshold: float, side: float, *, limit: bool) -> float:
        """Standard errors between the estimate (or the limit on the dangerous side) and a raw threshold; −inf without."""
        if math.isnan(self.value) or (self.relative and threshold <= -1):
            return -math.inf
        place = math.log1p(threshold) if self.relative else threshold
        where = (self.lower if side > 0 else self.upper) if limit else self.value
        gap = side * (where - place)
        if math.isinf(self.error) or math.isnan(gap):
            return -math.inf
        return gap / self.error if self.error > 0 else math.copysign(math.inf, gap or 1.0)


_UNKNOWN = Estimate(math.nan, math.nan, math.nan, math.nan, relative=False)


def least_slack(frame: Frame, brief: Brief) -> tuple[float, str]:
    """The least slack over the brief's conditions, and which condition it is."""
    found = [
        (estimate.slack(threshold, side, limit=limit), f"{metric} {name}")
        for metric, name, side, threshold, limit in _conditions(brief)
        for estimate in [_estimate(frame, metric, brief.confidence)]
    ]
    return min(found)


def _conditions(brief: Brief) -> Iterator[tuple[str, str, float, float, bool]]:
    """Metric, name, side, raw threshold, and whether the interval's limit is meant."""
    for rule in brief.criteria:
        side = _side(rule)
        for name in ("min_delta", "min_improvement", "min_bound"):
            if (value := getattr(rule, name)) is not None:
                yield rule.metric, name, side, side * value, name == "min_bound"
    for guard in brief.guardrails:
        for name, side in (("max_increase", -1.0), ("max_decrease", 1.0), ("max_bound", _side(guard))):
            if (value := getattr(guard, name)) is not None:
                yield guard.metric, name, side, -side * value, name == "max_bound"


def _estimate(frame: Frame, metric: str, confidence: float) -> Estimate:
    arms = [frame.only(frame.arm == arm) for arm in (1, 0)]
    if min(len(arm.arm) for arm in arms) == 0:
        return _UNKNOWN
    z = float(norm.ppf((1 + confidence) / 2))
    if metric == "hire_rate_7d":
        return _share_difference(arms[0], arms[1], 1 - confidence)
    if metric == "ttfq_median":
        return _log_ratio([_median(arm.wait, z) for arm in arms], z)
    parts = {
        "support_tickets_per_100_requests": lambda arm: (arm.tickets, np.ones(len(arm.arm))),
        "spam_flags_per_1000_quotes": lambda arm: (arm.flags, arm.quotes),
    }
    return _log_ratio([_ratio(*parts[metric](arm)) for arm in arms], z) if metric in parts else _UNKNOWN


def _share_difference(treated: Frame, control: Frame, alpha: float) -> Estimate:
    counts = [(int(np.sum(arm.hire <= 7 * _DAY)), len(arm.arm)) for arm in (treated, control)]
    (k1, n1), (k2, n2) = counts
    lower, upper = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff", alpha=alpha)
    error = math.sqrt(sum(k / n * (1 - k / n) / n for k, n in counts))
    return Estimate(k1 / n1 - k2 / n2, error, float(lower), float(upper), relative=False)


def _log_ratio(levels: list[tuple[float, float]], z: float) -> Estimate:
    """From two log levels with their standard errors; a level of nothing in the treatment is as low as can be."""
    (one, one_error), (other, other_error) = levels
    if not math.isfinite(other) or math.isnan(one) or one == math.inf:
        return _UNKNOWN
    error = math.hypot(one_error, other_error)
    value = one - other
    return Estimate(value, error, value - z * error, value + z * error, relative=True)


def _median(wait: Floats, z: float) -> tuple[float, float]:
    """Log median and its standard error: the order statistics at n/2 ∓ z·√n/2, their distance over 2z."""
    ordered = np.sort(np.maximum(wait, 1e-9))
    n = len(ordered)
    reach = z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    middle = ordered[math.ceil(n / 2) - 1]
    error = (math.log(ordered[high]) - math.log(ordered[low])) / (2 * z)
    return math.log(middle), error


def _ratio(y: Floats, d: Floats) -> tuple[float, float]:
    """Log of Σy/Σd and its standard error by the delta method over requests."""
    if d.sum() == 0:
        return math.nan, math.nan
    value = y.sum() / d.sum()
    if value == 0:
        return -math.inf, 1.0
    n = len(y)
    variance = n / max(n - 1, 1) * float(np.sum((y - value * d) ** 2)) / float(d.sum()) ** 2
    return math.log(value), math.sqrt(variance) / value


# --- the analyst's tables


def _as_it_lies(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sources: RawSources) -> Frame:
    names = ("requests", "quotes", "hires", "assignments", "support_tickets", "spam_flags")
    return _frame(
        connection, config, _PLAIN.format(**{name: sources.rows(name) for name in names}, unit=_unit(config))
    )


def _careful(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sources: RawSources) -> Frame:
    return _frame(
        connection,
        config,
        _CAREFUL.format(**{name: sources.rows(name) for name in COLUMNS}, unit=_unit(config)),
    )


def _unit(config: PlumblineConfig) -> str:
    return {"request": "request_id", "customer": "customer_id", "session": "session_id"}[
        config.experiments[0].unit
    ]


def _frame(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sql: str) -> Frame:
    design = config.experiments[0]
    patience = config.sources["hires"].freshness
    written = dict(zip(design.split, design.written_arms, strict=False))
    values = {
        "id": design.id,
        "treatment": written.get(design.treatments[0], design.treatments[0]),
        "control": written.get(design.control, design.control),
        "opened": design.window.start.replace(tzinfo=None) if design.window else None,
        "closed": design.window.end.replace(tzinfo=None) if design.window else None,
        "as_of": config.as_of.replace(tzinfo=None),
        "patience": patience.total_seconds() if patience else math.inf,
    }
    named = {name: value for name, value in values.items() if f"${name}" in sql}
    found = connection.execute(sql, named).fetchnumpy()
    columns = {
        name: np.ma.filled(np.ma.asarray(values).astype(float), math.inf) for name, values in found.items()
    }
    arm = columns.pop("arm").astype(int)
    return Frame(
        arm,
        *(columns[name] for name in ("wait", "hire", "tickets", "quotes", "flags")),
        *(columns[name] == 1 for name in ("is_touched", "is_wait_unknown", "is_hire_unknown")),
    )


_PLAIN = """
    with flags as (select quote_id, count(*) as flags from {spam_flags} group by quote_id),
    q as (
        select request_id, min(quoted_at) as first_at, count(*) as quotes, sum(coalesce(flags, 0)) as flags, min(variant) as variant
        from {quotes} left join flags using (quote_id) group by request_id
    ),
    h as (select request_id, min(hired_at) as first_at from {hires} group by request_id),
    t as (select request_id, count(*) as tickets from {support_tickets} group by request_id),
    a as (select entity_id, variant from {assignments} where experiment_id = $id),
    joined as (
        select r.*, coalesce(a.variant, q.variant) as variant, q.first_at as quoted_at, h.first_at as hired_at,
            quotes, flags, tickets
        from {requests} as r left join a on a.entity_id = r.{unit}
        left join q using (request_id) left join h using (request_id) left join t using (request_id)
        where created_at >= $opened and created_at < $closed
    )
    select case variant when $treatment then 1 else 0 end as arm,
        epoch_us(quoted_at - created_at) / 1e6 as wait, epoch_us(hired_at - created_at) / 1e6 as hire,
        coalesce(tickets, 0) as tickets, coalesce(quotes, 0) as quotes, coalesce(flags, 0) as flags,
        0 as is_touched, 0 as is_wait_unknown, 0 as is_hire_unknown
    from joined where variant in ($treatment, $control)
"""

# Copies are out; a request is touched where any row of it is, or where it can't be told yet what becomes of it.
_CAREFUL = """
    with a as (
        select entity_id, arg_min(trim(lower(variant)), assigned_at) as variant, min(assigned_at) as assigned_at,
            count(distinct trim(lower(variant))) > 1 or bool_or(assigned_at is null) as is_odd
        from {assignments} where experiment_id = $id and variant is not null group by entity_id
    ),
    once as (select request_id, pro_id, quoted_at, min(quote_id) as quote_id, min(variant) as variant, count(distinct price) > 1 as is_odd
        from {quotes} where request_id is not null group by all),
    twice as (select quote_id from once group by quote_id having count(*) > 1 or bool_or(is_odd)),
    logged as (select request_id, pro_id, min(event_at) as event_at from {quote_events} group by all),
    flags as (select quote_id, count(distinct flagged_at) as flags from {spam_flags} group by quote_id),
    q as (
        select request_id, min(quoted_at) as first_at, count(*) as quotes, sum(coalesce(flags, 0)) as flags,
            bool_or(quoted_at is null) as is_undated,
            bool_or(coalesce(abs(epoch_us(quoted_at - event_at)) > 1000000, false) or o.quote_id in (from twice)) as is_odd
        from once as o left join flags using (quote_id) left join logged as l using (request_id, pro_id) group by request_id
    ),
    h as (
        select request_id, min(hired_at) as first_at, bool_or(hired_at is null) as is_undated,
            count(distinct hire_id) < count(*) or bool_or(outcome is null or amount is null) as is_odd
        from (select distinct * from {hires}) where request_id is not null group by request_id
    ),
    seen as (
        select case when epoch($as_of::timestamp - max(hired_at)) > $patience then max(hired_at) else $as_of::timestamp end as until
        from {hires} where hired_at <= $as_of::timestamp
    ),
    t as (select request_id, count(distinct ticket_id) as tickets from {support_tickets} group by request_id),
    r as (select request_id, min(created_at) as created_at, min({unit}) as unit_id, count(*) > 1 as is_odd
        from (select distinct * from {requests}) where request_id is not null and created_at is not null group by request_id)
    select case a.variant when trim(lower($treatment)) then 1 when trim(lower($control)) then 0 else -1 end as arm,
        epoch_us(case when q.first_at >= created_at then q.first_at end - created_at) / 1e6 as wait,
        epoch_us(h.first_at - created_at) / 1e6 as hire,
        coalesce(tickets, 0) as tickets, coalesce(quotes, 0) as quotes, coalesce(flags, 0) as flags,
        (r.is_odd or coalesce(a.is_odd, false) or coalesce(q.is_odd or q.is_undated, false) or coalesce(h.is_odd or h.is_undated, false)
            or coalesce(q.first_at < created_at or h.first_at < created_at, false)
            or coalesce(a.assigned_at > least(q.first_at, h.first_at), false)
            or created_at + interval 7 day > seen.until)::int as is_touched,
        coalesce(q.is_undated, false)::int as is_wait_unknown,
        ((coalesce(h.is_undated, false) or created_at + interval 7 day > seen.until)
            and not coalesce(h.first_at <= created_at + interval 7 day, false))::int as is_hire_unknown
    from r left join a on a.entity_id = r.unit_id left join q using (request_id) left join h using (request_id)
    left join t using (request_id) cross join seen
    where created_at >= $opened and created_at < $closed
"""


# --- row-level checks


def _failed_checks(
    connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sources: RawSources, clean: Frame
) -> Iterator[str]:
    """What a suite of row-level checks would report, the first failures first."""
    unlabelled = float(np.mean(clean.arm < 0)) if len(clean.arm) else 1.0
    if unlabelled > config.thresholds.value("missing_variant_share", "requests", None):
        yield f"{unlabelled:.1%} of requests without an arm"
    for table in COLUMNS:
        if table in config.sources:
            yield from _failed_in(connection, config, sources, table)
    yield from _failed_links(connection, config, sources)


def _failed_in(
    connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sources: RawSources, table: str
) -> Iterator[str]:
    """Nulls, copies, repeated keys and freshness of one table."""
    columns = [c.partition(":")[0] for c in COLUMNS[table].split() if sources.has(table, c.partition(":")[0])]
    key, clock = KEYS.get(table), CLOCKS.get(table)
    has_key, has_clock = key in columns, clock in columns
    fields = [f"count({column})" for column in columns]
    fields.append(f"count(distinct {key}) + count(*) - count({key})" if has_key else "count(*)")
    fields.append(f"max({clock}) filter ({clock} <= $as_of)" if has_clock else "null::timestamp")
    as_of = config.as_of.replace(tzinfo=None)
    named = {"as_of": as_of} if has_clock else {}
    total, *filled, distinct, newest = connection.execute(
        f"select count(*), {', '.join(fields)} from {sources.rows(table)}",
        named,
    ).fetchone()
    if not total:
        yield f"{table} is empty"
        return
    for column, count in zip(columns, filled, strict=True):
        if 1 - count / total > config.thresholds.value("null_share", table, column):
            yield f"{1 - count / total:.1%} of {table}.{column} are null"
    if 1 - distinct / total > config.thresholds.value("duplicate_share", table, None):
        yield f"{1 - distinct / total:.1%} of {table} repeat a key"
    freshness = config.sources[table].freshness
    if freshness and (newest is None or as_of - newest > freshness):
        yield f"{table} is stale"


def _failed_links(
    connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, sources: RawSources
) -> Iterator[str]:
    """Orphans, quotes before their request, times that contradict each other, units in two arms or given one too late."""
    rows = {name: sources.rows(name) for name in COLUMNS}
    for name, table, sql in (
        ("orphan_share", "quotes", _ORPHANS.format(child=rows["quotes"], **rows)),
        ("orphan_share", "hires", _ORPHANS.format(child=rows["hires"], **rows)),
        ("orphan_share", "support_tickets", _ORPHANS.format(child=rows["support_tickets"], **rows)),
        ("orphan_share", "spam_flags", _DANGLING.format(**rows)),
        ("late_assignment_share", "assignments", _LATE.format(**rows)),
        ("disorder_share", "quotes", _EARLY.format(**rows)),
        ("source_conflict_share", "quotes", _CONFLICT.format(**rows)),
        ("multiple_exposure_share", "assignments", _SEVERAL.format(**rows)),
    ):
        (share,) = connection.execute(sql).fetchone()
        if (share or 0.0) > config.thresholds.value(name, table, None):
            yield f"{share:.1%} of {table}: {name.removesuffix('_share').replace('_', ' ')}"


_ORPHANS = """
    select avg((r.request_id is null)::int) from {child} as c
    left join (select distinct request_id from {requests}) as r using (request_id) where c.request_id is not null
"""
_DANGLING = """
    select avg((q.quote_id is null)::int) from {spam_flags} as f
    left join (select distinct quote_id from {quotes}) as q using (quote_id) where f.quote_id is not null
"""
_LATE = """
    select avg((assigned_at > first_at)::int) from {assignments} as a
    left join (select request_id, min(quoted_at) as first_at from {quotes} group by request_id) as q on q.request_id = a.entity_id
"""
_EARLY = "select avg((quoted_at < created_at)::int) from {quotes} inner join {requests} using (request_id)"
_CONFLICT = """
    select avg((abs(epoch_us(quoted_at - event_at)) > 1000000)::int) from {quotes}
    inner join (select request_id, pro_id, min(event_at) as event_at from {quote_events} group by all) using (request_id, pro_id)
"""
_SEVERAL = """
    select avg((arms > 1)::int) from (
        select entity_id, count(distinct variant) as arms from {assignments} group by entity_id, experiment_id
    )
"""
