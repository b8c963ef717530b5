{#- Sums of what stands in for an estimate that a gap has made unusable. Hires by week and by hour are summed only while hires
    are stale; changes only where an experiment says what its launch touched. -#}
{%- set cohort = ref('experiment_requests') -%}
{%- set requests = ref('request_metrics') -%}
{%- set facts = ref('int_source_facts') -%}
{%- set messages = ref('int_messages') -%}
{%- set metrics = metrics_mapping() | rejectattr('kind', 'equalto', 'quantile') | list -%}
{%- set has_arms = experiments_mapping() and not mapping().get('everyone') -%}
{%- set has_hires = has_arms and 'hire_rate_7d' in (metrics | map(attribute='name') | list) -%}
{%- set has_messages = has_arms and is_mapped('messages', 'request_id') and is_mapped('messages', 'sent_at') -%}
{%- set launches = touched_experiments() if has_arms and metrics else [] -%}
{%- set week, three_days = 604800, 259200 -%}
with experiments as (
    {{ experiments() }}
),

stale_hires as (

    select cutoff_at from {{ facts }} where source_name = 'hires' and is_stale

),
{% if has_hires %}
hire_ages as (

    select
        cohort.experiment_id,
        cohort.variant,
        cohort.is_mature__hire_rate_7d as is_mature,
        floor({{ seconds_between('experiments.window_start', 'cohort.created_at') }} / {{ week }}) as week,
        cohort.first_hire_seconds,
        cohort.observed_seconds__hire_rate_7d as observed_seconds
    from {{ cohort }} as cohort
    inner join experiments on cohort.experiment_id = experiments.experiment_id
    cross join stale_hires
    where cohort.variant <> 'unknown'

),

hires_before as (

    select
        experiments.experiment_id,
        {{ typed_null('text') }} as variant,
        floor({{ seconds_between('experiments.window_start', 'requests.created_at') }} / {{ week }}) as week,
        requests.first_hire_seconds
    from {{ requests }} as requests
    inner join experiments
        on requests.created_at < experiments.window_start
        and requests.created_at >= {{ dbt.dateadd('second', -12 * week, 'experiments.window_start') }}
        and {{ has_cohort_values() }}
    inner join stale_hires on requests.created_at <= {{ dbt.dateadd('second', -1 * week, 'stale_hires.cutoff_at') }}

),

hire_weeks as (

    select experiment_id, variant, week, first_hire_seconds from hire_ages where is_mature
    union all
    select experiment_id, variant, week, first_hire_seconds from hires_before

),

hire_times as (

    select
        experiment_id,
        variant,
        floor(case
            when first_hire_seconds < 0 then 0
            when first_hire_seconds <= {{ week }} then first_hire_seconds
            when observed_seconds < {{ week }} then observed_seconds
            else {{ week }}
        end / 3600) as hour_of_age,
        case when first_hire_seconds <= {{ week }} then 1 else 0 end as is_hired
    from hire_ages

),
{% endif %}
{%- if has_messages %}
first_messages as (

    select request_id, min({{ seconds_between('request_created_at', 'sent_at') }}) as seconds
    from {{ messages }}
    where quarantine_reason is null and sent_at >= request_created_at and sent_at <= {{ as_of() }}
    group by request_id

),

message_times as (

    select cohort.experiment_id, cohort.variant, cohort.unit_id, first_messages.seconds
    from {{ cohort }} as cohort
    inner join {{ facts }} as facts
        on facts.source_name = 'messages' and cohort.created_at <= {{ dbt.dateadd('second', -1800, 'facts.cutoff_at') }}
    left join first_messages on cohort.request_id = first_messages.request_id
    where cohort.variant <> 'unknown'

),
{% endif %}
{%- if launches %}
touched_requests as (
    {%- for e in launches %}
    select
        {{ text_literal(e.id) }} as experiment_id,
        {{ is_touched(e.touched) }} as is_touched,
        created_at >= {{ timestamp_literal(e.start) }} as is_after,
        cast(cast(created_at as date) as {{ sql_type('text') }}) as day,
        {% for column in e.touched %}{{ column }}{{ " || ' ' || " if not loop.last }}{% endfor %} as group_of_values,
        requests.*
    from {{ requests }} as requests
    where created_at >= {{ timestamp_literal(e.compared_from) }} and created_at < {{ timestamp_literal(e.end) }}
        and created_at <= {{ as_of() }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

settled as (

    select
        {%- for m in metrics %}
        {{ settled_until(m, facts) }} as until__{{ m.name }}{{ ',' if not loop.last }}
        {%- endfor %}

),

change_sums as (
    {%- for clusters in ['day', 'group_of_values'] %}
    select
        experiment_id, 'changes_by_{{ clusters }}' as quantity, {{ clusters }} as cluster_name, is_touched, is_after
        {%- for m in metrics %}{% set is_settled = 'created_at <= until__' ~ m.name ~ (' and ' ~ is_known_outcome(m) if may_be_unknown(m) else '') %},
        sum(case when {{ is_settled }} then 1 else 0 end) as n__{{ m.name }},
        sum(case when {{ is_settled }} then {{ m.y }} else 0 end) as y__{{ m.name }},
        sum(case when {{ is_settled }} then {{ m.d or '1' }} else 0 end) as d__{{ m.name }}
        {%- endfor %}
    from touched_requests
    cross join settled
    where is_touched is not null
    group by experiment_id, {{ clusters }}, is_touched, is_after
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

metric_names as (
    {%- for m in metrics %}
    select {{ text_literal(m.name) }} as metric{{ ' union all' if not loop.last }}
    {%- endfor %}
),

changes as (

    select
        experiment_id, quantity, metric_names.metric, cluster_name, is_touched, is_after
        {%- for column in ['n', 'y', 'd'] %},
        case metric_names.metric{% for m in metrics %} when {{ text_literal(m.name) }} then {{ column }}__{{ m.name }}{% endfor %} end as {{ column }}
        {%- endfor %}
    from change_sums
    cross join metric_names

),
{% endif %}
sums as (
    {%- if has_hires %}
    select
        experiment_id, 'hires_by_week' as quantity, {{ typed_null('text') }} as metric, variant, {{ typed_null('text') }} as cluster_name,
        {{ typed_null('boolean') }} as is_touched, {{ typed_null('boolean') }} as is_after, week as low, week as high, count(*) as n_requests,
        sum(case when first_hire_seconds <= {{ week }} then 1 else 0 end) as y,
        sum(case when first_hire_seconds <= {{ three_days }} then 1 else 0 end) as d
    from hire_weeks
    group by experiment_id, variant, week
    union all
    select
        experiment_id, 'hire_hours', null, variant, null, null, null, hour_of_age, hour_of_age, count(*), sum(is_hired), count(*)
    from hire_times
    group by experiment_id, variant, hour_of_age
    union all
    {%- endif %}
    {%- if has_messages %}
    select
        experiment_id, 'first_message' as quantity, {{ typed_null('text') }} as metric, variant, {{ typed_null('text') }} as cluster_name,
        {{ typed_null('boolean') }} as is_touched, {{ typed_null('boolean') }} as is_after,
        min(seconds) as low, max(seconds) as high, count(*) as n_requests, count(seconds) as y, count(*) as d
    from message_times
    group by experiment_id, variant, {{ bin_of('seconds') }}, seconds <= 1800
    union all
    select
        experiment_id, 'first_message_units', null, variant, null, null, null, null, null,
        sum(n), sum(n * n), count(*)
    from (
        select experiment_id, variant, unit_id, count(*) as n
        from message_times
        group by experiment_id, variant, unit_id
    ) as units
    group by experiment_id, variant
    union all
    {%- endif %}
    {%- if launches %}
    select
        experiment_id, quantity, metric, {{ typed_null('text') }} as variant, cluster_name, is_touched, is_after,
        {{ typed_null('double') }} as low, {{ typed_null('double') }} as high, n as n_requests, y, d
    from changes
    where n > 0
    union all
    {%- endif %}
    select
        {%- for column in ['experiment_id', 'quantity', 'metric', 'variant', 'cluster_name'] %}
        {{ typed_null('text') }} as {{ column }},
        {%- endfor %}
        {{ typed_null('boolean') }} as is_touched, {{ typed_null('boolean') }} as is_after,
        {{ typed_null('double') }} as low, {{ typed_null('double') }} as high,
        {{ typed_null('bigint') }} as n_requests, {{ typed_null('double') }} as y, {{ typed_null('double') }} as d
    where 1 = 0

),

final as (

    select
        experiment_id, quantity, metric, variant, cluster_name, is_touched, is_after,
        cast(low as {{ sql_type('double') }}) as low,
        cast(high as {{ sql_type('double') }}) as high,
        cast(n_requests as {{ sql_type('bigint') }}) as n_requests,
        cast(y as {{ sql_type('double') }}) as y,
        cast(d as {{ sql_type('double') }}) as d
    from sums

)

select * from final
