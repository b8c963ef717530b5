{#- Rows of dashboards; whether a figure differs from the rebuilt level is known once that is computed, so is_gap is left open. -#}
with final as (

    select
        {{ typed_null('text') }} as experiment_id, 'dashboards' as source_name, 'value' as column_name, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        sum(n_rows) as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('dashboard_figures') }}
    having count(*) > 0

)

{{ gap_rows('final') }}
