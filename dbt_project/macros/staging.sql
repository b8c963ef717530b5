{# Staging of one source: rename, cast, normalise to UTC. Nothing is dropped: a row that can't be used carries the reason,
   a value that can't be read, or is none the catalogue allows, is kept
   as text beside its null, and one that was normalised as it was written. An unmapped source or column yields typed nulls. #}
{% macro stage(source) %}
{%- set mapped = source_mapping(source) -%}
{%- set physical = mapped.get('columns') or {} -%}
{%- set columns = logical_columns(source) -%}
with source as (

    {% if mapped.get('relation') %}
    select
        {%- for c in columns %}
        {% if physical.get(c.name) -%} {{ identifier(physical[c.name].name) }} {%- else -%} {{ typed_null('text') }} {%- endif %} as raw_{{ c.name }},
        {%- endfor %}
        {% if mapped.get('where') -%} case when ({{ mapped.where }}) then false else true end {%- else -%} false {%- endif %} as is_filtered
    from {{ mapped.relation }} as raw_source
    {% else %}
    select
        {%- for c in columns %}
        {{ typed_null('text') }} as raw_{{ c.name }},
        {%- endfor %}
        false as is_filtered
    where 1 = 0
    {% endif %}

),

typed as (

    select
        {%- for c in columns %}
        {{ read_column(c, physical.get(c.name), mapped.get('timezone') or 'UTC') }} as {{ c.name }},
        {%- endfor %}
        {%- for c in columns if c.type != 'text' or is_normalised(c) %}
        cast(raw_{{ c.name }} as {{ sql_type('text') }}) as raw_{{ c.name }},
        {%- endfor %}
        is_filtered
    from source

),

final as (

    select
        {%- for c in columns %}
        {{ c.name }},
        {%- endfor %}
        {%- for c in columns if c.type != 'text' or c.allowed %}
        case when {{ c.name }} is null and trim(raw_{{ c.name }}) <> '' then raw_{{ c.name }} end as {{ c.name }}_unreadable,
        {%- endfor %}
        {%- for c in columns if is_normalised(c) %}
        case when {{ c.name }} <> raw_{{ c.name }} then raw_{{ c.name }} end as {{ c.name }}_as_written,
        {%- endfor %}
        is_filtered,
        {{ quarantine_reason(source, columns) }} as quarantine_reason
    from typed

)

select * from final
{% endmacro %}

{# Text whose case and blanks carry nothing: arms, and columns of which the catalogue lists the allowed values. #}
{% macro is_normalised(column) %}{{ return(column.role == 'variant' or column.allowed) }}{% endmacro %}

{% macro read_column(column, physical, timezone) %}
  {%- if not physical -%} {{ typed_null(column.type) }}
  {%- elif column.type == 'timestamp' -%} {{ read_timestamp('raw_' ~ column.name, physical.type, timezone, physical.get('formats') or [], physical.get('formats_rule') or 'agreed') }}
  {%- elif column.type == 'double' and column.minimum is not none -%}
    {%- set value = read_double('raw_' ~ column.name, physical.type) -%}
    case when {{ value }} >= {{ column.minimum }} then {{ value }} end
  {%- elif column.type == 'double' -%} {{ read_double('raw_' ~ column.name, physical.type) }}
  {%- elif column.allowed -%}
    {%- set value = 'lower(trim(' ~ read_text('raw_' ~ column.name, physical.type) ~ '))' -%}
    case when {{ value }} in ({% for v in column.allowed %}{{ text_literal(v) }}{{ ', ' if not loop.last }}{% endfor %}) then {{ value }} end
  {%- elif column.role == 'variant' -%} nullif(lower(trim({{ read_text('raw_' ~ column.name, physical.type) }})), '')
  {%- else -%} nullif(trim({{ read_text('raw_' ~ column.name, physical.type) }}), '')
  {%- endif -%}
{% endmacro %}

{# Unusable: a null key or foreign key, or a request that can't be placed in time; every row where the source lacks the column. #}
{% macro quarantine_reason(source, columns) %}
  {%- set needed = [] -%}
  {%- set absent = [] -%}
  {%- for c in columns if c.role in ('key', 'foreign_key') or (c.required and c.type == 'timestamp') -%}
    {%- do needed.append(c) if is_mapped(source, c.name) -%}
    {%- do absent.append(c.name) if c.required and is_mapped(source) and not is_mapped(source, c.name) -%}
  {%- endfor -%}
  {%- if absent -%} {{ text_literal(absent[0] ~ ' is not in the source') }}
  {%- elif needed -%}
  case
    {%- for c in needed %}
    {%- if c.type != 'text' %}
    when {{ c.name }} is null and trim(raw_{{ c.name }}) <> '' then '{{ c.name }} can not be read as a {{ c.type }}'
    {%- endif %}
    when {{ c.name }} is null then '{{ c.name }} is null'
    {%- endfor %}
  end
  {%- else -%} {{ typed_null('text') }}
  {%- endif -%}
{% endmacro %}
