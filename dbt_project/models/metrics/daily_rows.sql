{#- Rows of each source by day and arm: what a missing day or a cut arm shows in. Every kind of defect repeats the same rows once. -#}
with final as (

    select
        source_name,
        coalesce(experiment_id, '') as experiment_id,
        variant,
        day,
        cast(sum(rows_total) as {{ sql_type('bigint') }}) as n_rows
    from {{ ref('defect_days') }}
    where kind = 'duplicate_rows' and day is not null
    group by source_name, experiment_id, variant, day

)

select * from final
