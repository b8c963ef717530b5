{#- Every reading's sums. What a reading leaves as it is has the repaired reading's sums and is not summed again. -#}
{%- set relation = ref('experiment_requests') -%}
{%- set metrics = metrics_mapping() -%}
{%- set passes = [] -%}
{%- set unchanged = [] -%}
{%- for reading in readings() if metrics -%}
{%- set summed = summed_metrics(reading) -%}
{%- for segment in segment_passes(reading.get('by_segment')) if summed -%}
{%- do passes.append(metric_sums(reading, segment, relation, summed)) -%}
{%- endfor -%}
{%- for m in metrics if m.name not in summed -%}
{%- do unchanged.append({'reading': reading, 'metric': m.name}) -%}
{%- endfor -%}
{%- endfor -%}
with metric_names as (
    {%- for m in metrics %}
    select {{ text_literal(m.name) }} as metric{{ ' union all' if not loop.last }}
    {%- else %}
    select {{ typed_null('text') }} as metric where 1 = 0
    {%- endfor %}
),

unchanged as (
    {%- for u in unchanged %}
    select {{ text_literal(u.reading.name) }} as reading, {{ text_literal(u.metric) }} as metric, {{ 'true' if u.reading.get('by_segment') else 'false' }} as is_by_segment{{ ' union all' if not loop.last }}
    {%- else %}
    select {{ typed_null('text') }} as reading, {{ typed_null('text') }} as metric, false as is_by_segment where 1 = 0
    {%- endfor %}
),

sums as (
    {%- for pass in passes %}
    {{ pass }}
    {{- ' union all' if not loop.last }}
    {%- else %}
    select {{ typed_null('text') }} as reading, {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant
    where 1 = 0
    {%- endfor %}
),

measured as (

    select
        sums.experiment_id, sums.reading, sums.segment, metric_names.metric, sums.variant
        {%- for column in ['units', 'n', 'y', 'd', 'yy', 'dd', 'yd'] %},
        {% if metrics -%}
        case metric_names.metric{% for m in metrics %} when {{ text_literal(m.name) }} then sums.{{ column }}__{{ m.name }}{% endfor %} end
        {%- else -%} {{ typed_null('double') }} {%- endif %} as {{ column }}
        {%- endfor %}
    from sums
    cross join metric_names

),

typed as (

    select
        experiment_id, reading, segment, metric, variant
        {%- for column in ['units', 'n'] %}, cast({{ column }} as {{ sql_type('bigint') }}) as {{ column }}{% endfor %}
        {%- for column in ['y', 'd', 'yy', 'dd', 'yd'] %}, cast({{ column }} as {{ sql_type('double') }}) as {{ column }}{% endfor %}
    from measured
    where n is not null

),

final as (

    select experiment_id, reading, segment, metric, variant, units, n, y, d, yy, dd, yd
    from typed
    union all
    select
        typed.experiment_id, unchanged.reading, typed.segment, typed.metric, typed.variant,
        typed.units, typed.n, typed.y, typed.d, typed.yy, typed.dd, typed.yd
    from typed
    inner join unchanged on typed.metric = unchanged.metric and (typed.segment is null or unchanged.is_by_segment)
    where typed.reading = 'repaired'

)

select * from final
