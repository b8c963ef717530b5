{#- One row per experiment and cohort request: its facts, its variant, and for each metric whether it has been observable
    long enough. Every later metric model scans this one table. -#}
{%- set requests = ref('request_metrics') -%}
{%- set variants = ref('int_request_variants') -%}
{%- set facts = ref('int_source_facts') -%}
{%- set events = ref('int_quote_events') -%}
{#- A reference in a plain run would ask unit tests for rows. -#}
{%- set own = ref('int_own_metrics') if not execute or own_tables() else none -%}
{%- set quotes = ref('int_quotes') -%}
with {{ logged_quotes(events) }}
{{ segment_ctes(requests, variants, quotes) }}

cutoffs as (

    select
        {%- for m in metrics_mapping() %}
        (
            select {{ dbt.dateadd('second', -1 * (m.horizon | int), 'min(coalesce(cutoff_at, ' ~ timestamp_literal('1970-01-01 00:00:00') ~ '))') }}
            from {{ facts }} where source_name in ({% for s in m.sources %}{{ text_literal(s) }}{{ ', ' if not loop.last }}{% endfor %})
        ) as cutoff__{{ m.name }},
        (
            select min(case when is_stale then coalesce(cutoff_at, {{ timestamp_literal('1970-01-01 00:00:00') }}) end)
            from {{ facts }} where source_name in ({% for s in m.sources %}{{ text_literal(s) }}{{ ', ' if not loop.last }}{% endfor %})
        ) as stale_at__{{ m.name }},
        {%- endfor %}
        {%- for o in dated_own_metrics() %}
        {{ own_cutoff(o.table, own) }} as own_cutoff__{{ o.metric.name }},
        {%- endfor %}
        1 as one

),

final as (

    select
        variants.experiment_id,
        variants.unit_id as raw_unit_id,
        coalesce(variants.unit_id, 'request ' || variants.request_id) as unit_id,
        variants.variant,
        variants.variant_source,
        variants.variant_from_quotes,
        coalesce(
            variants.is_assigned and variants.first_assigned_at < {{ undated() }} and (
                {{ seconds_between('requests.created_at', 'variants.first_assigned_at') }} > requests.first_quote_seconds
                or {{ seconds_between('requests.created_at', 'variants.first_assigned_at') }} > requests.first_hire_seconds
            ), false
        ) as is_late_assignment,
        {%- for c in request_columns() %}
        {{ weighted_by_sampling(c) }} as {{ c }},
        {%- endfor %}
        {%- for c in own_columns() %}
        requests.{{ c }},
        {%- endfor %}
        {{- segment_values() }}
        {%- for m in metrics_mapping() %}
        case
            when cutoffs.stale_at__{{ m.name }} is null then null
            when requests.created_at >= cutoffs.stale_at__{{ m.name }} then 0
            else {{ seconds_between('requests.created_at', 'cutoffs.stale_at__' ~ m.name) }}
        end as observed_seconds__{{ m.name }},
        requests.created_at <= cutoffs.cutoff__{{ m.name }}{% if may_be_unknown(m) %} and {{ is_known_outcome(m, 'requests.') }}{% endif %}{% if m.name in (dated_own_metrics() | map(attribute='metric.name')) %} and requests.created_at <= cutoffs.own_cutoff__{{ m.name }}{% endif %} as is_mature__{{ m.name }},
        {%- endfor %}
        cutoffs.one
    from {{ variants }} as variants
    inner join {{ requests }} as requests on variants.request_id = requests.request_id
    {% if quotes_are_sampled() -%}
    left join logged_quotes on variants.request_id = logged_quotes.request_id
    {%- endif %}
    {{- segment_joins() }}
    cross join cutoffs
    where variants.is_in_cohort

)

select * from final
