{#- Units that met several arms, by the arm they met first. -#}
with units as (

    select
        experiment_id,
        coalesce(variant, 'unknown') as variant,
        count(*) as rows_total,
        sum(case when is_exposed_to_several then 1 else 0 end) as rows_affected
    from {{ ref('int_unit_assignments') }}
    where experiment_id in (select experiment_id from ({{ experiments() }}) as experiments)
    group by experiment_id, coalesce(variant, 'unknown')

),

final as (

    select
        experiment_id, 'assignments' as source_name, {{ typed_null('text') }} as column_name, {{ typed_null('text') }} as segment,
        {{ typed_null('text') }} as variant, sum(rows_total) as rows_total, sum(rows_affected) as rows_affected, 0 as rows_residual,
        sum(rows_affected) > 0 as is_gap, {{ typed_null('text') }} as note
    from units
    group by experiment_id
    union all
    select
        experiment_id, 'assignments' as source_name, {{ typed_null('text') }} as column_name, {{ typed_null('text') }} as segment,
        variant, rows_total, rows_affected, 0 as rows_residual, rows_affected > 0 as is_gap, {{ typed_null('text') }} as note
    from units

)

{{ gap_rows('final') }}
