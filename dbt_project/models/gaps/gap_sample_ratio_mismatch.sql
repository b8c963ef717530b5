{#- Units per arm, overall and by segment; whether the ratio is off is the ratio test's to say, so is_gap is left open. -#}
with final as (

    select
        experiment_id, 'assignments' as source_name, 'variant' as column_name, segment, variant,
        n_units as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('assignment_counts') }}

)

{{ gap_rows('final') }}
