with final as (

    select hire_id, request_id, pro_id, hired_at, amount, outcome, is_orphan
    from {{ ref('int_hires') }}
    where is_kept

)

select * from final
