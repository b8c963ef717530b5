{#- Quotes dated by the event log and by the transactional table more than a second apart, by request and pro; and the
    relations that the configuration wants held against each other. -#}
with quote_times as (
    {{ countable_gap('source_conflict', ref('defect_counts')) }}
),

final as (

    select * from quote_times
    union all
    select
        experiment_id, source_name, column_name, segment, variant, rows_total, rows_affected, rows_residual, is_gap, note
    from {{ ref('parity_counts') }}

)

{{ gap_rows('final') }}
