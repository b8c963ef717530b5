{#- A unit's arm is its first assignment's; a tie between different arms leaves it without one. Nearly every unit meets
    one arm only, so the few that met several are the only ones looked at twice. -#}
{%- set assignments = ref('int_assignments') -%}
with arms as (
    {{ experiment_arms() }}
),

assigned as (

    select
        assigned_experiment_id as experiment_id,
        entity_id as unit_id,
        variant,
        coalesce(assigned_at, {{ undated() }}) as assigned_at
    from {{ assignments }}
    where is_kept and variant is not null
        and {{ is_not_later('assigned_at') }}

),

units as (

    select
        experiment_id,
        unit_id,
        min(assigned_at) as first_assigned_at,
        min(variant) as lowest_variant,
        max(variant) as highest_variant
    from assigned
    group by experiment_id, unit_id

),

contested as (

    select
        units.experiment_id,
        units.unit_id,
        min(assigned.variant) as lowest_first_variant,
        max(assigned.variant) as highest_first_variant
    from units
    inner join assigned
        on units.experiment_id = assigned.experiment_id
        and units.unit_id = assigned.unit_id
        and units.first_assigned_at = assigned.assigned_at
    where units.lowest_variant <> units.highest_variant
    group by units.experiment_id, units.unit_id

),

first_assignments as (

    select
        units.experiment_id,
        units.unit_id,
        units.first_assigned_at,
        units.lowest_variant <> units.highest_variant as is_exposed_to_several,
        coalesce(contested.lowest_first_variant, units.lowest_variant) as lowest,
        coalesce(contested.highest_first_variant, units.highest_variant) as highest
    from units
    left join contested
        on units.experiment_id = contested.experiment_id and units.unit_id = contested.unit_id

),

final as (

    select
        first_assignments.experiment_id,
        first_assignments.unit_id,
        first_assignments.first_assigned_at,
        first_assignments.is_exposed_to_several,
        first_assignments.lowest <> first_assignments.highest as is_tie,
        case when first_assignments.lowest = first_assignments.highest then arms.variant end as variant
    from first_assignments
    left join arms
        on first_assignments.experiment_id = arms.experiment_id and first_assignments.lowest = arms.variant

)

select * from final
