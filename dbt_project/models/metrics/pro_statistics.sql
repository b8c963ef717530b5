{#- Shares of pros in the shape of metric_statistics: a pro is one unit, and 0 and 1 are their own squares. -#}
{%- set pros = ref('pro_returns') -%}
with sums as (

    select
        metric, experiment_id, segment, variant
        {%- for column in pro_readings() | map(attribute='column') | unique %},
        count({{ column }}) as n__{{ column }},
        coalesce(sum({{ column }}), 0) as y__{{ column }}
        {%- endfor %}
    from {{ pros }}
    group by metric, experiment_id, segment, variant

),

final as (
    {%- for reading in pro_readings() %}{% set n = 'n__' ~ reading.column %}{% set y = 'y__' ~ reading.column %}
    select
        experiment_id, {{ text_literal(reading.name) }} as reading, segment, metric, variant,
        cast({{ n }} as {{ sql_type('bigint') }}) as units, cast({{ n }} as {{ sql_type('bigint') }}) as n,
        {%- for column, value in [('y', y), ('d', n), ('yy', y), ('dd', n), ('yd', y)] %}
        cast({{ value }} as {{ sql_type('double') }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from sums
    where {{ n }} > 0{{ '' if reading.get('by_segment') else ' and segment is null' }}
    {%- if not loop.last %} union all {% endif %}
    {%- endfor %}
)

select * from final
