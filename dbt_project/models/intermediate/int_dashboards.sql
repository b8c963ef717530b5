{#- What becomes of each dashboard figure: of each metric and arm the latest date up to the clock is shown now and compared
    with the rebuilt level; the rest says why it is not. Nothing repairs a figure, and an equal one beside it is as true. -#}
with figures as (

    select
        lower(metric) as metric,
        coalesce(variant, 'all') as variant,
        value,
        as_of as figure_at,
        case
            when metric is null or lower(metric) not in ({% for m in mapping().get('metrics') or [] %}{{ text_literal(m.name) }}, {% endfor %}'') then 'unknown metric'
            when coalesce(variant, 'all') not in (
                {%- for arm in experiments_mapping() | sum(attribute='arms', start=[]) | unique %}{{ text_literal(arm) }}, {% endfor %}'all') then 'unknown arm'
            when value is null then 'no value'
            when as_of > {{ as_of() }} then 'after the clock'
            else 'current'
        end as status
    from {{ ref('stg_dashboards') }}
    where not is_filtered

),

latest as (

    select metric, variant, max(figure_at) as latest_at
    from figures
    where status = 'current'
    group by metric, variant

),

final as (

    select
        figures.metric, figures.variant, figures.value, figures.figure_at,
        case when figures.figure_at < latest.latest_at then 'superseded' else figures.status end as status
    from figures
    left join latest on figures.metric = latest.metric and figures.variant = latest.variant and figures.status = 'current'

)

select * from final
