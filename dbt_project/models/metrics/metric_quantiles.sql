{#- Exact quantiles, the smallest y with F(y) >= q, a request without the event counting as infinite. -#}
{%- set relation = ref('experiment_requests') -%}
{%- set wanted = metrics_mapping() | selectattr('kind', 'equalto', 'quantile') | list -%}
{%- set passes = [] -%}
{%- for reading in readings() %}{% for segment in segment_passes(reading.get('by_segment')) %}
{%- for m in wanted if not reading.get('swap') or at_reading(m.y, reading) != m.y -%}
{%- do passes.append({'reading': reading, 'segment': segment, 'metric': m}) -%}
{%- endfor %}{% endfor %}{% endfor -%}
with copies as (
    {{ integers(1000) }}
),

final as (
    {%- for p in passes %}{% set m = p.metric %}
    select
        experiment_id,
        {{ text_literal(p.reading.name) }} as reading,
        segment,
        {{ text_literal(m.name) }} as metric,
        variant,
        cast(count(*) as {{ sql_type('bigint') }}) as n,
        nullif({{ percentile_disc('y', m.quantile) }}, {{ infinite() }}) as quantile_value
    from (
        select
            experiment_id,
            {{ segment_of(p.segment) }} as segment,
            {{ p.reading.get('variant') or 'variant' }} as variant,
            {% if p.reading.get('fill') and not is_like_built_in(m) -%}
            cast(coalesce(({{ own_filled(m, p.reading) }}), {{ infinite() }}) as {{ sql_type('double') }}) as y
            {%- else -%}
            cast(coalesce(({{ at_reading(m.y, p.reading) }}), {% if p.reading.get('fill') == 'low' -%} observed_seconds__{{ m.name }}, {% endif -%} {{ infinite() }}) as {{ sql_type('double') }}) as y
            {%- endif %}
        from {{ relation }}
        {% if p.reading.get('weight') -%} inner join copies on copies.n <= {{ p.reading.weight }} {%- endif %}
        {% if not p.reading.get('everyone') -%} where is_mature__{{ m.name }} {%- endif %}
    ) as outcomes
    group by experiment_id, segment, variant
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as reading, {{ typed_null('text') }} as segment,
        {{ typed_null('text') }} as metric, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as n, {{ typed_null('double') }} as quantile_value
    where 1 = 0
    {%- endfor %}
)

select * from final
