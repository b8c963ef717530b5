{#- Only an assignment of a request can lack its parent: a customer or session need not have asked for anything. -#}
{%- set staged = ref('stg_assignments') -%}
{%- set requests = ref('int_requests') -%}
{%- set staged_requests = ref('stg_requests') -%}
with {{ flag_rows('assignments', staged, anchors=[['entity_id', 'experiment_id']], order_at='assigned_at') }},

experiments as (
    {{ experiments() }}
),

{{ parent_requests(requests, staged_requests) }},

named as (

    select
        flagged.*,
        {% if not is_mapped('assignments', 'experiment_id') and experiments_mapping() | length == 1 -%}
        {{ text_literal(experiments_mapping()[0].id) }}
        {%- else -%} flagged.experiment_id {%- endif %} as assigned_experiment_id
    from flagged

),

final as (

    select
        named.*,
        {{ is_off_arm('assignments', 'named') }} as is_off_arm,
        experiments.unit,
        case when experiments.unit = 'request' then named.entity_id end as request_id,
        case when experiments.unit = 'request' then {{ is_orphan('named.entity_id') }} else false end as is_orphan
    from named
    left join experiments on named.assigned_experiment_id = experiments.experiment_id
    left join parents on named.entity_id = parents.request_id
    left join unused_parents on named.entity_id = unused_parents.unused_request_id

)

select * from final
