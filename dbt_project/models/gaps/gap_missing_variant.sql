{#- Two gaps per experiment: quote rows logged without a variant, and cohort requests without an assignment. -#}
{%- set counts = ref('defect_counts') -%}
{%- set variants = ref('int_request_variants') -%}
with quote_rows as (

    select
        experiment_id, source_name, column_name, variant,
        sum(rows_total) as rows_total, sum(rows_affected) as rows_affected, sum(rows_residual) as rows_residual
    from {{ counts }}
    where kind = 'missing_variant'
    group by experiment_id, source_name, column_name, variant

),

request_rows as (

    select
        experiment_id,
        'requests' as source_name,
        {{ typed_null('text') }} as column_name,
        variant,
        count(*) as rows_total,
        sum(case when is_assigned then 0 else 1 end) as rows_affected,
        sum(case when variant = 'unknown' then 1 else 0 end) as rows_residual
    from {{ variants }}
    where is_in_cohort {{ 'and 1 = 0' if mapping().get('everyone') }}
    group by experiment_id, variant

),

measured as (

    select * from quote_rows
    union all
    select * from request_rows

),

final as (

    select
        experiment_id, source_name, column_name, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        sum(rows_total) as rows_total, sum(rows_affected) as rows_affected, sum(rows_residual) as rows_residual,
        sum(rows_affected) + sum(rows_residual) > 0 as is_gap, {{ typed_null('text') }} as note
    from measured
    group by experiment_id, source_name, column_name
    union all
    select
        experiment_id, source_name, column_name, {{ typed_null('text') }} as segment, variant,
        rows_total, rows_affected, rows_residual, rows_affected > 0 as is_gap, {{ typed_null('text') }} as note
    from measured
    where variant is not null

)

{{ gap_rows('final') }}
