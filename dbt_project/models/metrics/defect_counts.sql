{#- Every countable defect of every mapped source, by experiment and arm; what the gap models read. -#}
{%- set flagged = {
    'requests': ref('int_requests'), 'quotes': ref('int_quotes'), 'hires': ref('int_hires'),
    'assignments': ref('int_assignments'), 'quote_events': ref('int_quote_events'), 'messages': ref('int_messages'),
    'support_tickets': ref('int_support_tickets'), 'spam_flags': ref('int_spam_flags')} -%}
{%- set variants = ref('int_request_variants') -%}
{%- set lost = ref('int_lost_requests') -%}
{%- set ids = experiments_mapping() | map(attribute='id') | list or [none] -%}
{%- set rows = [] -%}
with
{%- for source in flagged if is_mapped(source) %}{% for id in ids %}{% set relation = 'sums_' ~ source ~ '_' ~ loop.index %}
{{ relation }} as (
    {{ defect_sums(source, flagged[source], variants, lost, id) }}
),
{%- for c in content_columns(source) %}
{%- if c.name.endswith('_unreadable') %}
{%- do rows.append(defect_row('invalid_values', c.name | replace('_unreadable', ''), 'defect_' ~ c.name, 'defect_' ~ c.name, relation)) %}
{%- elif is_mapped(source, c.name) %}
{%- set is_arm = source == 'quotes' and c.name == 'variant' and id is not none and not mapping().get('everyone') %}
{%- set is_repaired = is_arm or (source == 'quotes' and c.name == 'quoted_at') %}
{%- do rows.append(defect_row('missing_variant' if is_arm else 'missing_values', c.name, 'defect_' ~ c.name, ('residual_' if is_repaired else 'defect_') ~ c.name, relation)) %}
{%- endif %}
{%- endfor %}
{%- do rows.append(defect_row('duplicate_rows', none, 'defect_is_duplicate', '0', relation)) %}
{%- if source in ('requests', 'quotes', 'hires', 'support_tickets') %}
{%- do rows.append(defect_row('conflicting_keys', none, 'defect_is_conflict', 'defect_is_conflict', relation)) %}
{%- endif %}
{%- if source != 'requests' %}
{%- do rows.append(defect_row('orphan_rows', none, 'defect_is_orphan', 'defect_is_orphan', relation)) %}
{%- endif %}
{%- endfor %}{% endfor %}

measured as (
    {%- for row in rows %}
    {{ row }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant,
        {{ typed_null('text') }} as kind, {{ typed_null('text') }} as column_name,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual
    where 1 = 0
    {%- endfor %}
),

final as (

    select
        source_name, experiment_id, variant, kind, column_name,
        cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
        cast(coalesce(rows_affected, 0) as {{ sql_type('bigint') }}) as rows_affected,
        cast(coalesce(rows_residual, 0) as {{ sql_type('bigint') }}) as rows_residual
    from measured

)

select * from final
