{#- Quoted request-pro pairs and those the event log lacks, by arm; whether that is sampling is the binomial test's to say,
    so is_gap is left open. -#}
with final as (

    select
        case when experiment_id <> '' then experiment_id end as experiment_id,
        'quote_events' as source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as segment, variant,
        n_transactions as rows_total, n_transactions - n_logged as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('logged_pairs') }}

)

{{ gap_rows('final') }}
