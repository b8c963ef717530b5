{#- How far the pairs of relations under `parity:` agree: each side is scanned once and reduced to one row a key, then the
    two are held against each other. Rows are in the shape of every gap model, so that they can be read as one. -#}
{#- What a side may read of this run's own models is built first; a reference in a plain run would ask unit tests for rows. -#}
{%- if not execute -%}
  {%- for name in ['requests', 'quotes', 'hires', 'experiment_assignments', 'request_metrics', 'experiment_requests',
      'metric_statistics', 'metric_quantiles'] -%}
    {%- do ref(name) -%}
  {%- endfor -%}
{%- endif -%}
{%- set variants = ref('int_request_variants') -%}
{%- set measured = [] -%}
with
{%- for parity in parity_mapping() if execute %}{% set n = loop.index %}{% set plan = parity_plan(parity) %}
{%- if plan.fault %}
measured_{{ n }} as (

    select
        {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, true as is_gap,
        {{ text_literal('nothing could be compared: ' ~ plan.fault) }} as note,
        {{ typed_null('bigint') }} as n_only_left, {{ typed_null('bigint') }} as n_only_right

),
{%- else %}
left_{{ n }} as (
    {{ parity_side(parity, plan, 'left') }}
),

right_{{ n }} as (
    {{ parity_side(parity, plan, 'right') }}
),

pairs_{{ n }} as (
    {{ parity_pairs(parity, plan, 'left_' ~ n, 'right_' ~ n) }}
),
{%- set sums = [] %}
{%- for experiment in (parity.experiments if parity.arms_from else parity.experiments[:1]) %}{% do sums.append('sums_' ~ n ~ '_' ~ loop.index) %}
{{ sums[-1] }} as (
    {{ parity_sums(parity, experiment, 'pairs_' ~ n, variants) }}
),
{%- endfor %}

measured_{{ n }} as (
    {{ parity_rows(parity, plan, sums, sums[0]) }}
),
{%- endif %}
{%- do measured.append({'relation': 'measured_' ~ n, 'id': parity.id, 'column': parity.column}) %}
{%- endfor %}

measured as (
    {%- for found in measured %}
    select {{ text_literal(found.id) }} as source_name, {{ text_literal(found.column) }} as column_name, {{ found.relation }}.*
    from {{ found.relation }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select
        {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('boolean') }} as is_gap,
        {{ typed_null('text') }} as note, {{ typed_null('bigint') }} as n_only_left, {{ typed_null('bigint') }} as n_only_right
    where 1 = 0
    {%- endfor %}
),

final as (

    select
        'source_conflict' as kind,
        experiment_id, source_name, column_name, {{ typed_null('text') }} as segment, variant,
        cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
        cast(rows_affected as {{ sql_type('bigint') }}) as rows_affected,
        cast(rows_affected as {{ sql_type('bigint') }}) as rows_residual,
        is_gap, note,
        cast(n_only_left as {{ sql_type('bigint') }}) as n_only_left,
        cast(n_only_right as {{ sql_type('bigint') }}) as n_only_right
    from measured

)

select * from final
