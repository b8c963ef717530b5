with assignments as (

    select * from {{ ref('int_assignments') }}

),

units as (

    select * from {{ ref('int_unit_assignments') }}

),

final as (

    select
        assignments.assigned_experiment_id as experiment_id,
        assignments.entity_id as unit_id,
        assignments.variant,
        assignments.assigned_at,
        coalesce(
            units.variant = assignments.variant
            and units.first_assigned_at = coalesce(assignments.assigned_at, {{ undated() }}), false
        ) as is_first,
        coalesce(units.is_exposed_to_several, false) as is_exposed_to_several,
        assignments.is_orphan
    from assignments
    left join units
        on assignments.assigned_experiment_id = units.experiment_id and assignments.entity_id = units.unit_id
    where assignments.is_kept

)

select * from final
