"""The history as views that any BI tool reads: SQL text only, each a plain select over the register's tables.

Nothing of it is particular to an engine but the seconds between two times. docs/history.md says what every column holds.
"""

from __future__ import annotations

_RANK = (
    "case {column} when 'blocker' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end"
)
_SECONDS = "date_diff('second', {start}, {end})"  # DuckDB's; an engine of another dialect brings its own

_GAP_TREND = """
create or replace view {schema}.gap_trend as
select
    gap_history.run_number,
    gap_history.run_id,
    runs.as_of,
    runs.evaluated_at,
    cast(runs.as_of as date) as as_of_date,
    gap_history.gap_id,
    gap_history.kind,
    gap_history.experiment,
    gap_history.table_name,
    gap_history.column_name,
    gap_history.segment,
    gap_history.status,
    gap_history.severity,
    {rank} as severity_rank,
    gap_history.owner,
    gap_history.rows_total,
    gap_history.rows_affected,
    gap_history.share_affected,
    gap_history.share_residual,
    gap_history.delta_star
from {schema}.gap_history
inner join {schema}.runs on gap_history.run_number = runs.run_number
"""

_CHECK_TREND = """
create or replace view {schema}.check_trend as
select
    check_history.run_number,
    check_history.run_id,
    runs.as_of,
    runs.evaluated_at,
    cast(runs.as_of as date) as as_of_date,
    check_history.suite,
    check_history.expectation,
    check_history.table_name,
    check_history.column_name,
    check_history.status,
    check_history.observed,
    check_history.threshold,
    check_history.failing_rows,
    check_history.rows_total,
    check_history.failing_rows * 1.0 / nullif(check_history.rows_total, 0) as failing_share,
    check_history.gap_id
from {schema}.check_history
inner join {schema}.runs on check_history.run_number = runs.run_number
"""

# One row per alert, as alert_quality.alerts tells it. An event whose two states are equal changed nothing.
_ALERTS = """
create or replace view {schema}.gap_alerts as
with told as (
    select
        gap_events.*,
        row_number() over (order by run_number, event_number, gap_id) as told_number
    from {schema}.gap_events
    where coalesce(before_value, '') <> coalesce(after_value, '')
),

openings as (
    select
        gap_id,
        run_id,
        event_at,
        told_number,
        case when event = 'opened' then after_value end as severity_opened,
        lead(told_number) over (partition by gap_id order by told_number) as next_number
    from told
    where event in ('opened', 'reopened')
),

severities as (
    select run_id, gap_id, severity
    from {schema}.gap_history
    where status <> 'resolved'
),

ends as (
    select openings.gap_id, openings.told_number, min(told.told_number) as end_number
    from openings
    inner join told
        on openings.gap_id = told.gap_id
        and told.told_number > openings.told_number
        and told.told_number < coalesce(openings.next_number, told.told_number + 1)
    where told.event in ('resolved', 'false_positive')
    group by openings.gap_id, openings.told_number
),

last_known as (
    select openings.gap_id, openings.told_number, max(told.told_number) as known_number
    from openings
    inner join told on openings.gap_id = told.gap_id and told.told_number < openings.told_number
    where told.event in ('opened', 'severity_changed')
    group by openings.gap_id, openings.told_number
),

spans as (
    select
        openings.*,
        coalesce(ends.end_number, openings.next_number) as end_number,
        coalesce(severities.severity, openings.severity_opened, known.after_value, 'info') as severity
    from openings
    left join ends on openings.gap_id = ends.gap_id and openings.told_number = ends.told_number
    left join severities on openings.run_id = severities.run_id and openings.gap_id = severities.gap_id
    left join last_known on openings.gap_id = last_known.gap_id and openings.told_number = last_known.told_number
    left join told as known on last_known.gap_id = known.gap_id and last_known.known_number = known.told_number
),

raises as (
    select gap_id, told_number, event_at as raised_at, severity, told_number as raised_number
    from spans
    where severity <> 'info'
    union all
    select spans.gap_id, spans.told_number, told.event_at, told.after_value, told.told_number
    from spans
    inner join told
        on spans.gap_id = told.gap_id
        and told.told_number > spans.told_number
        and told.told_number < coalesce(spans.end_number, told.told_number + 1)
    where spans.severity = 'info' and told.event = 'severity_changed' and told.after_value <> 'info'
),

raised as (
    select *, row_number() over (partition by gap_id, told_number order by raised_number) as recency
    from raises
),

looked_at as (
    select spans.gap_id, spans.told_number, min(told.event_at) as acknowledged_at
    from spans
    inner join told
        on spans.gap_id = told.gap_id
        and told.told_number > spans.told_number
        and told.told_number <= coalesce(spans.end_number, told.told_number)
    where told.event in ('acknowledged', 'accepted', 'false_positive')
        or (told.event = 'resolved' and told.event_by is not null)
    group by spans.gap_id, spans.told_number
)

select
    raised.gap_id,
    cast(date_trunc('week', raised.raised_at) as date) as week_start,
    raised.raised_at,
    raised.severity,
    looked_at.acknowledged_at,
    case when ended.event = 'resolved' then ended.event_at end as resolved_at,
    ended.event_at as ended_at,
    coalesce(ended.event = 'false_positive', false) as is_false_positive
from raised
inner join spans on raised.gap_id = spans.gap_id and raised.told_number = spans.told_number
left join told as ended on spans.gap_id = ended.gap_id and spans.end_number = ended.told_number
left join looked_at on raised.gap_id = looked_at.gap_id and raised.told_number = looked_at.told_number
where raised.recency = 1
"""

_WEEKLY = """
create or replace view {schema}.weekly_quality as
with watched as (
    select
        cast(date_trunc('week', measured_at) as date) as week_start,
        critical_fields,
        monitored_fields,
        row_number() over (partition by cast(date_trunc('week', measured_at) as date) order by measured_at desc, run_id desc) as recency
    from {schema}.coverage_history
),

raised as (
    select
        week_start,
        count(*) as alerts,
        count(case when is_false_positive then 1 end) as false_positives,
        count(acknowledged_at) as acknowledged,
        avg(case when acknowledged_at > raised_at then {to_acknowledge} when acknowledged_at is not null then 0 end) / 3600.0 as mean_hours_to_acknowledge,
        count(case when acknowledged_at is null and ended_at is null then 1 end) as waiting_to_be_acknowledged,
        count(resolved_at) as resolved,
        avg(case when resolved_at is not null then {to_resolve} end) / 3600.0 as mean_hours_to_resolve,
        count(case when ended_at is null then 1 end) as waiting_to_be_resolved
    from {schema}.gap_alerts
    group by week_start
),

weeks as (
    select week_start from watched
    union
    select week_start from raised
)

select
    weeks.week_start,
    coalesce(raised.alerts, 0) as alerts,
    coalesce(raised.false_positives, 0) as false_positives,
    raised.false_positives * 1.0 / nullif(raised.alerts, 0) as false_positive_share,
    coalesce(raised.acknowledged, 0) as acknowledged,
    raised.mean_hours_to_acknowledge,
    coalesce(raised.waiting_to_be_acknowledged, 0) as waiting_to_be_acknowledged,
    coalesce(raised.resolved, 0) as resolved,
    raised.mean_hours_to_resolve,
    coalesce(raised.waiting_to_be_resolved, 0) as waiting_to_be_resolved,
    watched.critical_fields,
    watched.monitored_fields,
    watched.monitored_fields * 1.0 / nullif(watched.critical_fields, 0) as coverage_share
from weeks
left join raised on weeks.week_start = raised.week_start
left join watched on weeks.week_start = watched.week_start and watched.recency = 1
"""


def history_views(schema: str) -> tuple[str, ...]:
    """The statements that create the views of the history, in an order in which they can be run."""
    return (
        _GAP_TREND.format(schema=schema, rank=_RANK.format(column="gap_history.severity")),
        _CHECK_TREND.format(schema=schema),
        _ALERTS.format(schema=schema),
        _WEEKLY.format(
            schema=schema,
            to_acknowledge=_SECONDS.format(start="raised_at", end="acknowledged_at"),
            to_resolve=_SECONDS.format(start="raised_at", end="resolved_at"),
        ),
    )
