with final as (

    select request_id, created_at, customer_id, session_id, category, geo
    from {{ ref('int_requests') }}
    where is_kept

)

select * from final
