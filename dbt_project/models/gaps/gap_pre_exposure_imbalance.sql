{#- Units with a known past, by arm; whether the arms differed is the imbalance test's to say, so is_gap is left open. -#}
with final as (

    select
        experiment_id, 'requests' as source_name, 'customer_id' as column_name, {{ typed_null('text') }} as segment, variant,
        max(n_units) as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('pre_period_sums') }}
    group by experiment_id, variant

)

{{ gap_rows('final') }}
