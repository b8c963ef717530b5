{#- Null rows of each column by day, over all arms: what a producer's change on a date shows in. -#}
with first_experiment as (

    select min(coalesce(experiment_id, '')) as experiment_id from {{ ref('defect_days') }}

),

final as (

    select
        days.source_name,
        days.column_name,
        days.day,
        cast(sum(days.rows_total) as {{ sql_type('bigint') }}) as n_rows,
        cast(sum(days.rows_affected) as {{ sql_type('bigint') }}) as n_null
    from {{ ref('defect_days') }} as days
    inner join first_experiment on coalesce(days.experiment_id, '') = first_experiment.experiment_id
    where days.kind in ('missing_values', 'missing_variant') and days.day is not null
    group by days.source_name, days.column_name, days.day

)

select * from final
