{# What stands in for an estimate: experiments that say which requests a launch touched, and until when a metric is known. #}

{# Experiments whose `touched` can be told from mapped columns of requests. #}
{% macro touched_experiments() %}
  {%- set found = [] -%}
  {%- for e in experiments_mapping() if e.get('touched') -%}
  {%- set mapped = [] -%}
  {%- for column in e.touched -%}{%- if is_mapped('requests', column) -%}{%- do mapped.append(column) -%}{%- endif -%}{%- endfor -%}
  {%- if mapped | length == e.touched | length -%}{%- do found.append(e) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{# True for a request of the touched values in every named column, null where a column says nothing. #}
{% macro is_touched(touched) -%}
  case
    when {% for column in touched %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %} then null
    when {% for column, values in touched.items() -%}
    {{ column }} in ({% for value in values %}{{ text_literal(value) }}{{ ', ' if not loop.last }}{% endfor %}){{ ' and ' if not loop.last }}
    {%- endfor %} then true
    else false
  end
{%- endmacro %}

{# The last moment a request may have come in for its metric to be known by now; where a source never had a row, none may. #}
{% macro settled_until(m, facts) -%}
  (
      select {{ dbt.dateadd('second', -1 * (m.horizon | int), 'min(coalesce(cutoff_at, ' ~ timestamp_literal('1970-01-01 00:00:00') ~ '))') }}
      from {{ facts }} where source_name in ({% for s in m.sources %}{{ text_literal(s) }}{{ ', ' if not loop.last }}{% endfor %})
  )
{%- endmacro %}
