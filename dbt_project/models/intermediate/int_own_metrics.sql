{#- The tables of a team's own metrics: each is read once and reduced to one row a request. -#}
{%- set requests = ref('int_requests') -%}
{%- set staged = ref('stg_requests') -%}
{%- set metrics = own_table_metrics() -%}
with {{ parent_requests(requests, staged) }},

sums as (
    {%- for table in own_tables() %}
    {{ own_sums(table, requests, metrics) }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select
        {{ typed_null('bigint') }} as table_number, {{ typed_null('text') }} as request_id, {{ typed_null('boolean') }} as is_counted,
        {{ typed_null('timestamp') }} as newest_at,
        {{ typed_null('bigint') }} as n_rows, {{ typed_null('bigint') }} as n_undated, {{ typed_null('bigint') }} as n_duplicates,
        {{ typed_null('bigint') }} as n_conflicts
    where 1 = 0
    {%- endfor %}
),

final as (

    select
        sums.*,
        sums.request_id is not null and parents.request_id is null and unused_parents.unused_request_id is null as is_orphan
    from sums
    left join parents on sums.request_id = parents.request_id
    left join unused_parents on sums.request_id = unused_parents.unused_request_id

)

select * from final
