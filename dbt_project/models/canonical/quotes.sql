with final as (

    select
        quote_id,
        request_id,
        pro_id,
        reconciled_at as quoted_at,
        quoted_at_source,
        quoted_at as transaction_quoted_at,
        price,
        variant,
        is_orphan
    from {{ ref('int_quotes') }}
    where is_kept

)

select * from final
