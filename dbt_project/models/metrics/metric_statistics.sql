{%- set relation = ref('experiment_requests') -%}
with
{%- set passes = [] -%}
{%- for reading in readings() if metrics_mapping() %}{% for segment in segment_passes(reading.get('by_segment')) %}
{%- do passes.append('sums_' ~ (passes | length)) %}
{{ passes[-1] }} as (
    {{ metric_sums(reading, segment, relation) }}
),
{%- endfor %}{% endfor %}

final as (
    {%- for p in passes %}{% set last_pass = loop.last %}{% for m in metrics_mapping() %}{% set k = loop.index %}
    select
        experiment_id, reading, segment, {{ text_literal(m.name) }} as metric, variant,
        cast(units_{{ k }} as {{ sql_type('bigint') }}) as units, cast(n_{{ k }} as {{ sql_type('bigint') }}) as n,
        y_{{ k }} as y, d_{{ k }} as d, yy_{{ k }} as yy, dd_{{ k }} as dd, yd_{{ k }} as yd
    from {{ p }}
    {%- if not (last_pass and loop.last) %} union all {% endif %}
    {%- endfor %}{% endfor %}
    {%- if not passes %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as reading, {{ typed_null('text') }} as segment,
        {{ typed_null('text') }} as metric, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as units, {{ typed_null('bigint') }} as n
        {%- for c in ['y', 'd', 'yy', 'dd', 'yd'] %}, {{ typed_null('double') }} as {{ c }}{% endfor %}
    where 1 = 0
    {%- endif %}
)

select * from final
