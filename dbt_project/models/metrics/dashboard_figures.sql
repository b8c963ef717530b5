{#- The figures shown now, each value once. All rows that can't be compared are one row per reason, so that the rows of the
    table add up; a table of a thousand different figures is no dashboard. -#}
{%- set most_figures = 1000 -%}
with figures as (

    select * from {{ ref('int_dashboards') }}

),

shown as (

    select
        metric, variant, value, figure_at, count(*) as n_rows,
        row_number() over (order by metric, variant, value, figure_at) as place
    from figures
    where status = 'current'
    group by metric, variant, value, figure_at

),

left_out as (

    select status, count(*) as n_rows
    from figures
    where status <> 'current'
    group by status
    union all
    select 'too many' as status, sum(n_rows) as n_rows
    from shown
    where place > {{ most_figures }}
    having count(*) > 0

),

final as (

    select metric, variant, value, figure_at, 'current' as status, cast(n_rows as {{ sql_type('bigint') }}) as n_rows
    from shown
    where place <= {{ most_figures }}
    union all
    select
        {{ typed_null('text') }} as metric, {{ typed_null('text') }} as variant, {{ typed_null('double') }} as value,
        {{ typed_null('timestamp') }} as figure_at, status, cast(n_rows as {{ sql_type('bigint') }}) as n_rows
    from left_out

)

select * from final
