{#- The same over all days; what the gap models read. Logged times whole hours off the transaction's are a shift of the log
    once they are more than chance among the differing ones: two seconds in 3,600 would be some 0.06%. -#}
with shift as (

    select sum(rows_affected) >= 10 and sum(rows_affected) >= 0.02 * sum(rows_total) as is_shift
    from {{ ref('defect_days') }}
    where kind = 'whole_hours'

),

final as (

    select
        case when kind = 'whole_hours' then 'quote_events' else source_name end as source_name,
        experiment_id,
        variant,
        case when kind = 'whole_hours' then 'timestamp_disorder' else kind end as kind,
        column_name,
        cast(sum(case when kind = 'whole_hours' then 0 else rows_total end) as {{ sql_type('bigint') }}) as rows_total,
        cast(sum(rows_affected) as {{ sql_type('bigint') }}) as rows_affected,
        cast(sum(rows_residual) as {{ sql_type('bigint') }}) as rows_residual
    from {{ ref('defect_days') }}
    cross join shift
    where kind <> 'whole_hours' or shift.is_shift
    group by 1, 2, 3, 4, 5

)

select * from final
