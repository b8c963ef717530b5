{#- The rows staging could not use, with the reason and what was in them. -#}
{%- set staged = {
    'requests': ref('stg_requests'), 'quotes': ref('stg_quotes'), 'hires': ref('stg_hires'),
    'assignments': ref('stg_assignments'), 'quote_events': ref('stg_quote_events'), 'messages': ref('stg_messages'),
    'support_tickets': ref('stg_support_tickets'), 'spam_flags': ref('stg_spam_flags'), 'dashboards': ref('stg_dashboards')} -%}
with final as (
    {% for source in staged %}
    select
        {{ text_literal(source) }} as source_name,
        quarantine_reason,
        {% for c in content_columns(source) -%}
        '{{ c.name }}=' || coalesce(cast({{ c.name }} as {{ sql_type('text') }}), '') || {{ "'; '" if not loop.last else "''" }}{{ ' ||' if not loop.last }}
        {% else -%} '' {%- endfor %} as row_text
    from {{ staged[source] }}
    where quarantine_reason is not null and not is_filtered
    {%- if not loop.last %} union all {% endif %}
    {% endfor %}
)

select * from final
