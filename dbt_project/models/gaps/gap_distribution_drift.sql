{#- Rows and units compared, by column; whether a distribution moved is the drift test's to say, so is_gap is left open. -#}
with final as (

    select
        experiment_id, source_name, column_name, {{ typed_null('text') }} as segment, variant,
        sum(n_rows) as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('column_distributions') }}
    group by experiment_id, source_name, column_name, variant

)

{{ gap_rows('final') }}
