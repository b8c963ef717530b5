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
            reading_rows.experiment_id, reading_rows.segment, reading_rows.variant,
            cast(coalesce(({{ m.y }}), {% if p.reading.get('fill') == 'low' -%} observed_seconds__{{ m.name }}, {% endif -%} {{ infinite() }}) as {{ sql_type('double') }}) as y
        from ({{ reading_rows(p.reading, p.segment, relation) }}) as reading_rows
        {% if p.reading.get('weight') -%} inner join copies on copies.n <= reading_rows.weight {%- endif %}
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
