{#- Randomization units by arm, for the ratio test: requests of the window where the request is the unit, by the arm they are
    analysed in (`unknown` may be any), also those whose row was lost (of no known segment); else every unit assigned before
    the window's end (whether it then asks for anything may be the treatment's doing). All units are tested, also where the
    brief is about some of them: what it picks them by was there before the arms were drawn. -#}
{%- set variants = ref('int_request_variants') -%}
{%- set requests = ref('request_metrics') -%}
{%- set units = ref('int_unit_assignments') -%}
{%- set lost = ref('int_lost_requests') -%}
with experiments as (
    {{ experiments() }}
),

assigned_requests as (

    select
        variants.experiment_id,
        variants.variant
        {%- for s in attribute_segments() %}, requests.{{ s }}{% endfor %}
    from {{ variants }} as variants
    inner join experiments on variants.experiment_id = experiments.experiment_id and experiments.unit = 'request'
    {% if attribute_segments() -%}
    inner join {{ requests }} as requests on variants.request_id = requests.request_id
    {%- endif %}
    where variants.is_in_window

),

every_request as (

    select experiment_id, variant
    from assigned_requests
    union all
    select lost.experiment_id, lost.variant
    from {{ lost }} as lost
    inner join experiments on lost.experiment_id = experiments.experiment_id and experiments.unit = 'request'
    where lost.variant <> 'unknown'

),

final as (

    {%- for segment in [none] + attribute_segments() %}
    select experiment_id, {{ segment_of(segment) }} as segment, variant, cast(count(*) as {{ sql_type('bigint') }}) as n_units
    from {{ 'assigned_requests' if segment is not none else 'every_request' }}
    group by experiment_id, {% if segment is not none %}{{ segment }}, {% endif %}variant
    union all
    {%- endfor %}
    select units.experiment_id, {{ typed_null('text') }} as segment, units.variant, cast(count(*) as {{ sql_type('bigint') }}) as n_units
    from {{ units }} as units
    inner join experiments on units.experiment_id = experiments.experiment_id and experiments.unit <> 'request'
    where units.variant is not null
        and (units.first_assigned_at < experiments.window_end or units.first_assigned_at = {{ undated() }})
    group by units.experiment_id, units.variant

)

select * from final
