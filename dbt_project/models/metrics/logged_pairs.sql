{#- How many of the transactional quotes the event log holds, by arm: what sampled logging shows in. -#}
with final as (

    select
        coalesce(experiment_id, '') as experiment_id,
        variant,
        rows_total as n_transactions,
        rows_total - rows_affected as n_logged
    from {{ ref('defect_counts') }}
    where kind = 'sampled_logging'

)

select * from final
