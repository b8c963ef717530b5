{#- Histograms for regions and intervals: requests grouped by what is known of their value, edges outward. Three bases:
    `observed` holds mature requests at their value, `joint` every request between the least and the most its open gaps
    allow, `late_assignment` the mature ones with those assigned too late as the unknown ones. Means and ratios only among the
    requests without a variant, where the largest must be found; an arm's sums are in metric_statistics. The cohort and its
    segments are counted in one scan, the cohort in bins a tenth as wide. -#}
{%- set relation = ref('experiment_requests') -%}
{%- set named = {} -%}
{%- for r in readings() %}{% do named.update({r.name: r}) %}{% endfor -%}
{%- set passes = [] -%}
{%- for basis in ['observed', 'joint'] %}{% for m in metrics_mapping() -%}
{%- do passes.append({'basis': basis, 'segments': segments_mapping(), 'metric': m}) -%}
{%- endfor %}{% endfor -%}
{%- for m in metrics_mapping() if m.kind != 'share' -%}
{%- do passes.append({'basis': 'late_assignment', 'segments': [], 'metric': m}) -%}
{%- endfor -%}
with final as (
    {%- for p in passes %}{% set m = p.metric %}
    {%- set is_joint = p.basis == 'joint' %}
    {%- set low = at_reading(m.y, named['joint_low']) if is_joint else m.y %}
    {%- set high = at_reading(m.y, named['joint_high']) if is_joint else m.y %}
    {%- set d = at_reading(m.d or '1', named['joint_low']) if is_joint else (m.d or '1') %}
    {%- set variant = {'observed': 'variant', 'joint': certain_variant(), 'late_assignment': late_as_unlabelled()}[p.basis] %}
    select
        experiment_id,
        {{ text_literal(p.basis) }} as basis,
        {{ segment_of_set(p.segments) }} as segment,
        {{ text_literal(m.name) }} as metric,
        variant,
        min(low) as low,
        nullif(max(high), {{ infinite() }}) as high,
        d,
        cast(count(*) as {{ sql_type('bigint') }}) as n_requests
    from (
        select
            experiment_id, {% for s in p.segments %}{{ s }}, {% endfor %}variant, low, high, d,
            {%- for prefix, width in [('', 0.00498), ('fine_', 0.000498)] %}
            case when low = high then {{ bin_of('nullif(low, ' ~ infinite() ~ ')', width) }} else -2 - {{ bin_of('low', width) }} end as {{ prefix }}bin,
            case when low <> high then {{ bin_of('nullif(high, ' ~ infinite() ~ ')', width) }} end as {{ prefix }}high_bin
            {{- ',' if not loop.last }}
            {%- endfor %}
        from (
            select
                experiment_id,
                {% for s in p.segments %}{{ s }}, {% endfor %}
                {{ variant }} as variant,
                {% if is_joint and not is_like_built_in(m) -%}
                cast(({{ own_filled(m, named['joint_low']) }}) as {{ sql_type('double') }}) as low,
                cast(({{ own_filled(m, named['joint_high']) }}) as {{ sql_type('double') }}) as high,
                {%- elif m.kind == 'quantile' -%}
                {# Here the least seconds come with the most quotes: low and high change sides. -#}
                cast(coalesce(({{ high }}), {{ 'observed_seconds__' ~ m.name ~ ', ' if p.basis == 'joint' }}{{ infinite() }}) as {{ sql_type('double') }}) as low,
                cast(coalesce(({{ low }}), {{ infinite() }}) as {{ sql_type('double') }}) as high,
                {%- elif m.kind == 'share' and p.basis == 'joint' -%}
                cast({{ 'coalesce((' ~ low ~ '), 0)' if m.get('is_own') else '(' ~ low ~ ')' }} as {{ sql_type('double') }}) as low,
                cast(case when is_mature__{{ m.name }} then ({{ high }}) else 1 end as {{ sql_type('double') }}) as high,
                {%- else -%}
                cast(({{ low }}) as {{ sql_type('double') }}) as low,
                cast(({{ high }}) as {{ sql_type('double') }}) as high,
                {%- endif %}
                cast(({{ d }}) as {{ sql_type('double') }}) as d
            from {{ relation }}
            where 1 = 1
                {%- if not is_joint %} and is_mature__{{ m.name }}{% endif %}
                {%- if m.kind in ('mean', 'ratio') %} and {{ variant }} = 'unknown'{% endif %}
        ) as outcomes
    ) as binned
    group by {{ by_segment_sets(
        ['experiment_id', 'variant', 'fine_bin', 'fine_high_bin', 'd'], ['experiment_id', 'variant', 'bin', 'high_bin', 'd'], p.segments) }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as basis, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as metric,
        {{ typed_null('text') }} as variant, {{ typed_null('double') }} as low,
        {{ typed_null('double') }} as high, {{ typed_null('double') }} as d, {{ typed_null('bigint') }} as n_requests
    where 1 = 0
    {%- endfor %}
)

select * from final
