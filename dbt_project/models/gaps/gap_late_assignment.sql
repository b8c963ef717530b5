{#- Raw assignment rows holding their unit's first assignment, where that came after the first quote or hire of one of its requests. -#}
with late_units as (

    select experiment_id, raw_unit_id as unit_id, min(variant) as variant
    from {{ ref('experiment_requests') }}
    where is_late_assignment
    group by experiment_id, raw_unit_id

),

assignments as (

    select
        assignments.assigned_experiment_id as experiment_id,
        coalesce(units.variant, 'unknown') as variant,
        case when late_units.unit_id is not null and assignments.assigned_at = units.first_assigned_at then 1 else 0 end as is_late
    from {{ ref('int_assignments') }} as assignments
    inner join ({{ experiments() }}) as experiments on assignments.assigned_experiment_id = experiments.experiment_id
    left join {{ ref('int_unit_assignments') }} as units
        on assignments.assigned_experiment_id = units.experiment_id and assignments.entity_id = units.unit_id
    left join late_units
        on assignments.assigned_experiment_id = late_units.experiment_id and assignments.entity_id = late_units.unit_id

),

counted as (

    select experiment_id, variant, count(*) as rows_total, sum(is_late) as rows_affected
    from assignments
    group by experiment_id, variant

),

final as (

    select
        experiment_id, 'assignments' as source_name, 'assigned_at' as column_name, {{ typed_null('text') }} as segment,
        {{ typed_null('text') }} as variant, sum(rows_total) as rows_total, sum(rows_affected) as rows_affected,
        sum(rows_affected) as rows_residual, sum(rows_affected) > 0 as is_gap, {{ typed_null('text') }} as note
    from counted
    group by experiment_id
    union all
    select
        experiment_id, 'assignments' as source_name, 'assigned_at' as column_name, {{ typed_null('text') }} as segment,
        variant, rows_total, rows_affected, rows_affected as rows_residual, rows_affected > 0 as is_gap, {{ typed_null('text') }} as note
    from counted

)

{{ gap_rows('final') }}
