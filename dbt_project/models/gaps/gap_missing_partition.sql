{#- Sources whose rows are dated; which of their days are missing is for the series of daily_rows to say, so is_gap is left
    open. Rows that are not there can't be counted. -#}
with final as (

    select
        {{ typed_null('text') }} as experiment_id, source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        {{ typed_null('boolean') }} as is_gap, {{ typed_null('text') }} as note
    from {{ ref('int_source_facts') }}
    where newest_at is not null and source_name <> 'dashboards'

)

{{ gap_rows('final') }}
