{#- Each day's sums of what can be added up over days: the one pass that daily looks and rollback triggers read. A unit counts
    once on every day it asks on, so that days add up; how alike one unit's days are is known from metric_statistics. Quantiles
    have no sums and are not in it. -#}
{%- set requests = ref('experiment_requests') -%}
{%- set metrics = metrics_mapping() | rejectattr('kind', 'equalto', 'quantile') | list if not mapping().get('everyone') else [] -%}
{%- set is_single = not is_clustered() -%}
with metric_names as (
    {%- for m in metrics %}
    select {{ text_literal(m.name) }} as metric{{ ' union all' if not loop.last }}
    {%- else %}
    select {{ typed_null('text') }} as metric where 1 = 0
    {%- endfor %}
),

request_values as (

    select
        experiment_id, variant, cast(created_at as date) as day, unit_id
        {%- for m in metrics %}{% set is_mature = 'is_mature__' ~ m.name %},
        case when {{ is_mature }} then 1 else 0 end as n__{{ m.name }},
        case when {{ is_mature }} then 0 else 1 end as open__{{ m.name }},
        cast(case when {{ is_mature }} then {{ metric_value(m, {}) }} else 0 end as {{ sql_type('double') }}) as y__{{ m.name }},
        cast(case when {{ is_mature }} then {{ '(' ~ m.d ~ ')' if m.d else '1' }} else 0 end as {{ sql_type('double') }}) as d__{{ m.name }}
        {%- endfor %}
    from {{ requests }}
    where variant <> 'unknown'{{ '' if metrics else ' and 1 = 0' }}

),

unit_values as (

    {%- if is_single %}
    select * from request_values
    {%- else %}
    select
        experiment_id, variant, day, unit_id
        {%- for m in metrics %}{% for column in ['n', 'open', 'y', 'd'] %},
        sum({{ column }}__{{ m.name }}) as {{ column }}__{{ m.name }}
        {%- endfor %}{% endfor %}
    from request_values
    group by experiment_id, variant, day, unit_id
    {%- endif %}

),

sums as (

    select
        experiment_id, variant, day
        {%- for m in metrics %}{% set k = m.name %}
        {#- Where a unit is one request, 0 and 1 are their own squares and each denominator is 1: fewer sums to form. #}
        {%- set n = 'sum(n__' ~ k ~ ')' %}{% set y = 'sum(y__' ~ k ~ ')' %}{% set is_one = is_single and not m.d %},
        {{ n if is_single else 'sum(case when n__' ~ k ~ ' > 0 then 1 else 0 end)' }} as units__{{ k }}, {{ n }} as n__{{ k }},
        sum(open__{{ k }}) as n_open__{{ k }},
        {{ y }} as y__{{ k }}, {{ n if is_one else 'sum(d__' ~ k ~ ')' }} as d__{{ k }},
        {{ y if is_one and m.kind == 'share' else 'sum(y__' ~ k ~ ' * y__' ~ k ~ ')' }} as yy__{{ k }},
        {{ n if is_one else 'sum(d__' ~ k ~ ' * d__' ~ k ~ ')' }} as dd__{{ k }},
        {{ y if is_one else 'sum(y__' ~ k ~ ' * d__' ~ k ~ ')' }} as yd__{{ k }}
        {%- endfor %}
    from unit_values
    group by experiment_id, variant, day

),

final as (

    select
        sums.experiment_id, sums.variant, metric_names.metric, sums.day
        {%- for column in ['units', 'n', 'n_open', 'y', 'd', 'yy', 'dd', 'yd'] %}{% set data_type = 'bigint' if column in ['units', 'n', 'n_open'] else 'double' %},
        {% if metrics -%}
        cast(case metric_names.metric{% for m in metrics %} when {{ text_literal(m.name) }} then sums.{{ column }}__{{ m.name }}{% endfor %} end as {{ sql_type(data_type) }})
        {%- else -%} {{ typed_null(data_type) }} {%- endif %} as {{ column }}
        {%- endfor %}
    from sums
    cross join metric_names

)

select * from final
