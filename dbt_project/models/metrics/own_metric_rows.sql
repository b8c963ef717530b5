{#- What is wrong with the rows of a team's own metrics: those that can be laid at no request's door, and the requests whose
    outcome is not known. Tables are not read again: their sums say it. -#}
{%- set sums = ref('int_own_metrics') -%}
{%- set requests = ref('request_metrics') -%}
{%- set cohort = ref('experiment_requests') -%}
{%- set uncertain = [] -%}
{%- for m in own_metrics() if may_be_unknown(m) %}{% do uncertain.append(m) %}{% endfor -%}
with tables as (

    select
        table_number,
        sum(n_rows) as n_rows,
        sum(case when request_id is null then n_rows - n_duplicates else 0 end) as n_unplaced,
        sum(case when is_orphan then n_rows - n_duplicates else 0 end) as n_orphans,
        sum(n_undated) as n_undated,
        sum(n_duplicates) as n_duplicates,
        sum(n_conflicts) as n_conflicts,
        max(newest_at) as newest_at
    from {{ sums }}
    group by table_number

),
{% for m in uncertain %}
unknown_{{ m.name }} as (

    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant, count(*) as n_rows, sum(case when {{ is_known_outcome(m) }} then 0 else 1 end) as n_unknown
    from {{ requests }}
    union all
    select experiment_id, variant, count(*), sum(case when {{ is_known_outcome(m) }} then 0 else 1 end)
    from {{ cohort }}
    group by experiment_id, variant

),
{% endfor %}
measured as (
    {%- for own in own_table_metrics() %}{% set t = '(select * from tables where table_number = ' ~ own.table.number ~ ') as counts' %}
    {{ own_gap('missing_values', own.metric, own.table.columns.request_id.name, 'n_unplaced', 'n_unplaced', t) }}
    union all
    {{ own_gap('orphan_rows', own.metric, none, 'n_orphans', 'n_orphans', t) }}
    union all
    {%- if own.table.columns.get('at') %}
    {{ own_gap('missing_values', own.metric, own.table.columns['at'].name, 'n_undated', 'n_undated', t) }}
    union all
    {%- endif %}
    {%- if own.table.columns.get('key') %}
    {{ own_gap('duplicate_rows', own.metric, none, 'n_duplicates', '0', t) }}
    union all
    {{ own_gap('conflicting_keys', own.metric, own.table.columns['key'].name, 'n_conflicts', 'n_conflicts', t) }}
    union all
    {%- endif %}
    {%- endfor %}
    {%- for o in dated_own_metrics() %}
    {{ own_gap('stale_source', o.metric, none, typed_null('bigint'), typed_null('bigint'), 'tables', own_age_note(o.table)) }}
    where table_number = {{ o.table.number }} and coalesce(newest_at < {{ dbt.dateadd('second', -1 * o.table.freshness, as_of()) }}, true)
    union all
    {%- endfor %}
    {%- for m in uncertain %}
    select
        'missing_values' as kind, experiment_id, {{ text_literal('metric:' ~ m.name) }} as source_name, {{ typed_null('text') }} as column_name, variant,
        n_rows as rows_total, n_unknown as rows_affected, n_unknown as rows_residual,
        case when variant is null then cast(n_unknown as {{ sql_type('text') }}) || ' of ' || cast(n_rows as {{ sql_type('text') }})
            || {{ text_literal(' requests have no value of ' ~ m.name ~ (': no row in its table, or none a ' ~ m.kind ~ ' can be made of' if m.is_of_table else ': its expression gives none a ' ~ m.kind ~ ' can be made of')) }} end as note
    from unknown_{{ m.name }}
    union all
    {%- endfor %}
    select
        {{ typed_null('text') }} as kind, {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name,
        {{ typed_null('text') }} as column_name, {{ typed_null('text') }} as variant, {{ typed_null('bigint') }} as rows_total,
        {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual, {{ typed_null('text') }} as note
    where 1 = 0

),

final as (

    select
        kind, experiment_id, source_name, column_name, variant,
        cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
        {#- Rows that never came can't be counted. #}
        cast(case when kind <> 'stale_source' then coalesce(rows_affected, 0) end as {{ sql_type('bigint') }}) as rows_affected,
        cast(case when kind <> 'stale_source' then coalesce(rows_residual, 0) end as {{ sql_type('bigint') }}) as rows_residual,
        note
    from measured

)

select * from final
