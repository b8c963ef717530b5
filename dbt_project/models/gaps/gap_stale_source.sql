{#- Sources whose newest timestamp lies further behind the clock than their freshness allows. Rows that never came can't be counted. -#}
{%- set own = ref('own_metric_rows') if not execute or own_metrics() else none -%}
with final as (

    select
        {{ typed_null('text') }} as experiment_id, source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        is_stale as is_gap,
        case
            when newest_at is null then 'no dated row up to the clock'
            else 'newest row is ' || cast(round(age_seconds / 3600.0, 1) as {{ sql_type('text') }}) || ' h behind the clock, allowed '
                || cast(round(freshness_seconds / 3600.0, 1) as {{ sql_type('text') }}) || ' h'
        end as note
    from {{ ref('int_source_facts') }}
    where freshness_seconds is not null
    {%- if own_metrics() %}
    union all
    {{ own_gaps('stale_source', own) }}
    {%- endif %}

)

{{ gap_rows('final') }}
