{#- Histograms for regions and intervals: requests grouped by what is known of their value, edges outward. Shares and
    quantiles in every arm; means and ratios only among the requests without a variant, where the largest must be found. -#}
{%- set relation = ref('experiment_requests') -%}
{%- set passes = [] -%}
{%- for segment in segment_passes(true) %}{% for m in metrics_mapping() -%}
{%- do passes.append({'segment': segment, 'metric': m}) -%}
{%- endfor %}{% endfor -%}
with final as (
    {%- for p in passes %}{% set m = p.metric %}
    select
        experiment_id,
        segment,
        {{ text_literal(m.name) }} as metric,
        variant,
        is_mature,
        min(low) as low,
        nullif(max(high), {{ infinite() }}) as high,
        d,
        cast(count(*) as {{ sql_type('bigint') }}) as n_requests
    from (
        select
            experiment_id,
            {{ segment_of(p.segment) }} as segment,
            variant,
            is_mature__{{ m.name }} as is_mature,
            {% if m.kind == 'share' -%}
            cast(({{ m.y }}) as {{ sql_type('double') }}) as low,
            cast(case when is_mature__{{ m.name }} then ({{ m.y }}) else 1 end as {{ sql_type('double') }}) as high,
            ({{ m.y }}) as bin,
            {%- elif m.kind == 'quantile' -%}
            cast(coalesce(({{ m.y }}), observed_seconds__{{ m.name }}, {{ infinite() }}) as {{ sql_type('double') }}) as low,
            cast(coalesce(({{ m.y }}), {{ infinite() }}) as {{ sql_type('double') }}) as high,
            case when ({{ m.y }}) is null then -2 - {{ bin_of('observed_seconds__' ~ m.name) }} else {{ bin_of('(' ~ m.y ~ ')') }} end as bin,
            {%- else -%}
            cast(({{ m.y }}) as {{ sql_type('double') }}) as low,
            cast(({{ m.y }}) as {{ sql_type('double') }}) as high,
            {{ bin_of('(' ~ m.y ~ ')') }} as bin,
            {%- endif %}
            cast({{ '(' ~ m.d ~ ')' if m.d else '1' }} as {{ sql_type('double') }}) as d
        from {{ relation }}
        {% if m.kind in ('mean', 'ratio') -%} where variant = 'unknown' {%- endif %}
    ) as request_values
    group by experiment_id, segment, variant, is_mature, bin, d
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as metric,
        {{ typed_null('text') }} as variant, {{ typed_null('boolean') }} as is_mature, {{ typed_null('double') }} as low,
        {{ typed_null('double') }} as high, {{ typed_null('double') }} as d, {{ typed_null('bigint') }} as n_requests
    where 1 = 0
    {%- endfor %}
)

select * from final
