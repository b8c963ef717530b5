{#- Every countable defect of every mapped source, by experiment, arm and day: one pass over each source and experiment. -#}
{%- set flagged = {
    'requests': ref('int_requests'), 'quotes': ref('int_quotes'), 'hires': ref('int_hires'),
    'assignments': ref('int_assignments'), 'quote_events': ref('int_quote_events'), 'messages': ref('int_messages'),
    'support_tickets': ref('int_support_tickets'), 'spam_flags': ref('int_spam_flags')} -%}
{%- set variants = ref('int_request_variants') -%}
{%- set lost = ref('int_lost_requests') -%}
{%- set facts = ref('int_source_facts') -%}
{%- set ids = experiments_mapping() | map(attribute='id') | list or [none] -%}
{%- set rows = [] -%}
with
{%- for source in flagged if is_mapped(source) %}{% for id in ids %}{% set relation = 'sums_' ~ source ~ '_' ~ loop.index %}
{{ relation }} as (
    {{ defect_sums(source, flagged[source], variants, lost, facts, id) }}
),
{%- for row in defect_rows(source, id, relation) %}{% do rows.append(row) %}{% endfor %}
{%- endfor %}{% endfor %}

measured as (
    {%- for row in rows %}
    {{ row }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant,
        cast(null as date) as day, {{ typed_null('text') }} as kind, {{ typed_null('text') }} as column_name,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual
    where 1 = 0
    {%- endfor %}
),

final as (

    select
        source_name, experiment_id, variant, day, kind, column_name,
        cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
        cast(coalesce(rows_affected, 0) as {{ sql_type('bigint') }}) as rows_affected,
        cast(coalesce(rows_residual, 0) as {{ sql_type('bigint') }}) as rows_residual
    from measured

)

select * from final
