{#- The ratio test's units by the day they came in, for experiments that are looked at daily: the same units as in
    assignment_counts, a request on the day it was created, any other unit on the day of its first assignment. -#}
{%- set variants = ref('int_request_variants') -%}
{%- set units = ref('int_unit_assignments') -%}
with experiments as (
    {{ experiments() }}
),

unit_days as (

    select variants.experiment_id, variants.variant, cast(variants.created_at as date) as day
    from {{ variants }} as variants
    inner join experiments on variants.experiment_id = experiments.experiment_id and experiments.unit = 'request'
    where variants.is_in_window
    union all
    select
        units.experiment_id,
        units.variant,
        case when units.first_assigned_at < {{ undated() }} then cast(units.first_assigned_at as date) end as day
    from {{ units }} as units
    inner join experiments on units.experiment_id = experiments.experiment_id and experiments.unit <> 'request'
    where units.variant is not null
        and (units.first_assigned_at < experiments.window_end or units.first_assigned_at = {{ undated() }})

),

final as (

    select experiment_id, variant, day, cast(count(*) as {{ sql_type('bigint') }}) as n_units
    from unit_days
    group by experiment_id, variant, day

)

select * from final
