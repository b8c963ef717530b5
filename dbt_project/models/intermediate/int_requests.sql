{%- set staged = ref('stg_requests') -%}
with {{ flag_rows('requests', staged, key='request_id', anchors=[['request_id']], order_at='created_at') }},

final as (

    select
        flagged.*,
        false as is_orphan
    from flagged

)

select * from final
