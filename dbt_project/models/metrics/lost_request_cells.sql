{#- Lost requests by the table that shows the loss. Times are gone with the request, so only counts and amounts are told. -#}
{%- set lost = ref('int_lost_requests') -%}
{%- set sources = ['requests', 'quotes', 'hires', 'quote_events', 'messages', 'support_tickets', 'assignments', 'any'] -%}
{%- set told = ['n_quotes', 'n_hires', 'n_refunded_hires', 'gmv', 'n_support_tickets', 'n_spam_flags'] -%}
with final as (
    {%- for source in sources %}{% set last_source = loop.last %}{% for m in metrics_mapping() %}
    {%- set y = m.y if m.y in told else '0' %}{% set d = m.d if m.d in told else '1' %}
    select
        experiment_id,
        {{ text_literal(source) }} as source_name,
        {{ text_literal(m.name) }} as metric,
        variant,
        cast({{ y }} as {{ sql_type('double') }}) as low,
        cast({{ d }} as {{ sql_type('double') }}) as d,
        cast(count(*) as {{ sql_type('bigint') }}) as n_requests
    from {{ lost }}
    {% if source != 'any' -%} where is_in_{{ source }} = 1 {%- endif %}
    group by experiment_id, variant, cast({{ y }} as {{ sql_type('double') }}), cast({{ d }} as {{ sql_type('double') }})
    {%- if not (last_source and loop.last) %} union all {% endif %}
    {%- endfor %}{% endfor %}
    {%- if not metrics_mapping() %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as metric,
        {{ typed_null('text') }} as variant, {{ typed_null('double') }} as low, {{ typed_null('double') }} as d, {{ typed_null('bigint') }} as n_requests
    where 1 = 0
    {%- endif %}
)

select * from final
