{# Gaps known before any row is read: what the inspection of the sources found, as literal rows. #}
{% macro inspection_findings(kind) %}
{%- set findings = (mapping().get('findings') or []) | selectattr('kind', 'equalto', kind) | list -%}
with final as (
    {%- for f in findings %}
    select
        {{ typed_null('text') }} as experiment_id,
        {{ text_literal(f.source) }} as source_name,
        {{ text_literal(f.column) if f.column else typed_null('text') }} as column_name,
        {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        true as is_gap, {{ text_literal(f.note) }} as note
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select
        {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        {{ typed_null('bigint') }} as rows_total, {{ typed_null('bigint') }} as rows_affected, {{ typed_null('bigint') }} as rows_residual,
        false as is_gap, {{ typed_null('text') }} as note
    where 1 = 0
    {%- endfor %}
)

{{ gap_rows('final') }}
{% endmacro %}

{# What the inspection has to say about a countable defect of a column, null where it has nothing. #}
{% macro column_note(kind) %}
  {%- set findings = (mapping().get('findings') or []) | selectattr('kind', 'equalto', kind) | selectattr('column') | list -%}
  {%- if findings -%}
  case
    {%- for f in findings %}
    when counts.source_name = {{ text_literal(f.source) }} and counts.column_name = {{ text_literal(f.column) }} then {{ text_literal(f.note) }}
    {%- endfor %}
  end
  {%- else -%} {{ typed_null('text') }} {%- endif -%}
{% endmacro %}
