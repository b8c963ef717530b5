{# The mapping of plumbline.yml reaches the models as one variable, given at build time only: parsing needs none,
   so a changed mapping never spoils partial parsing. Everything here therefore works on an empty mapping too,
   and refs never depend on it. #}
{% macro mapping() %}{{ return(var('plumbline', {})) }}{% endmacro %}

{% macro source_mapping(source) %}
  {{ return((mapping().get('sources') or {}).get(source) or {}) }}
{% endmacro %}

{% macro is_mapped(source, column=none) %}
  {% set mapped = source_mapping(source) %}
  {% if column is none %}{{ return(mapped.get('relation') is not none) }}{% endif %}
  {{ return((mapped.get('columns') or {}).get(column) is not none) }}
{% endmacro %}

{% macro experiments_mapping() %}{{ return(mapping().get('experiments') or []) }}{% endmacro %}
{# Metrics of requests; those of pros have models of their own. #}
{% macro metrics_mapping() %}
  {% set found = [] %}
  {% for m in (mapping().get('metrics') or []) | rejectattr('unit', 'equalto', 'pro') %}{% do found.append(as_computed(m)) %}{% endfor %}
  {{ return(found) }}
{% endmacro %}
{% macro pro_metrics_mapping() %}{{ return((mapping().get('metrics') or []) | selectattr('unit', 'equalto', 'pro') | list) }}{% endmacro %}
{% macro segments_mapping() %}{{ return(mapping().get('segments') or []) }}{% endmacro %}

{% macro text_literal(value) %}'{{ value | string | replace("'", "''") }}'{% endmacro %}

{# A name of the user's in the dialect's quotes, which adapters do not double inside a name. #}
{% macro identifier(name) %}
  {%- set mark = adapter.quote('x')[0] -%}
  {{ return(adapter.quote(name | replace(mark, mark ~ mark))) }}
{% endmacro %}

{# The clock: rows dated later never count. #}
{% macro as_of() %}{{ return(timestamp_literal(mapping().get('as_of') or '2200-01-01 00:00:00')) }}{% endmacro %}

{# Later than any date: where an assignment without one sorts. #}
{% macro undated() %}{{ return(timestamp_literal('2199-12-31 00:00:00')) }}{% endmacro %}

{# Grain: one row per configured experiment. #}
{% macro experiments() %}
  {%- for e in experiments_mapping() %}
  select
    {{ text_literal(e.id) }} as experiment_id,
    {{ text_literal(e.unit) }} as unit,
    {{ timestamp_literal(e.start) }} as window_start,
    {{ timestamp_literal(e.end) }} as window_end
  {%- if not loop.last %} union all {% endif %}
  {%- else %}
  select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as unit,
    {{ typed_null('timestamp') }} as window_start, {{ typed_null('timestamp') }} as window_end
  where 1 = 0
  {%- endfor %}
{% endmacro %}

{# Grain: one row per experiment and declared arm. #}
{% macro experiment_arms() %}
  {%- for e in experiments_mapping() %}{% set outer = loop %}{% for arm in e.arms %}
  select {{ text_literal(e.id) }} as experiment_id, {{ text_literal(arm) }} as variant
  {%- if not (loop.last and outer.last) %} union all {% endif %}
  {%- endfor %}
  {%- else %}
  select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant where 1 = 0
  {%- endfor %}
{% endmacro %}

{# Whether a request has the values that the brief narrows the experiment's cohort to; null where it lacks one of them, and
   nobody knows. Over `experiments` and `requests`. #}
{% macro has_cohort_values() %}
  {%- set narrowed = experiments_mapping() | selectattr('cohort', 'defined') | list -%}
  {%- if not narrowed -%} true
  {%- else -%}
  case experiments.experiment_id
    {%- for e in narrowed %}
    when {{ text_literal(e.id) }} then 1 = 1
      {%- for column, values in e.cohort.items() %}
      and requests.{{ column }} in ({% for v in values %}{{ text_literal(v) }}{{ ', ' if not loop.last }}{% endfor %})
      {%- endfor %}
    {%- endfor %}
    else true
  end
  {%- endif -%}
{% endmacro %}

{# Grain: one row per experiment and treatment, with the control it is held against. #}
{% macro treatments() %}
  {%- set pairs = [] %}
  {%- for e in experiments_mapping() if e.control %}{% for arm in e.arms if arm != e.control %}
  {%- do pairs.append({'id': e.id, 'treatment': arm, 'control': e.control}) %}
  {%- endfor %}{% endfor %}
  {%- for p in pairs %}
  select {{ text_literal(p.id) }} as experiment_id, {{ text_literal(p.treatment) }} as treatment, {{ text_literal(p.control) }} as control
  {%- if not loop.last %} union all {% endif %}
  {%- else %}
  select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as treatment, {{ typed_null('text') }} as control where 1 = 0
  {%- endfor %}
{% endmacro %}

{% macro sql_type(data_type) %}
  {%- if data_type == 'text' -%}{{ return(dbt.type_string()) }}
  {%- elif data_type == 'timestamp' -%}{{ return(dbt.type_timestamp()) }}
  {%- elif data_type == 'double' -%}{{ return('double precision' if target.type == 'postgres' else 'double') }}
  {%- elif data_type == 'boolean' -%}{{ return(dbt.type_boolean()) }}
  {%- else -%}{{ return(dbt.type_bigint()) }}
  {%- endif -%}
{% endmacro %}

{% macro typed_null(data_type) %}{{ return('cast(null as ' ~ sql_type(data_type) ~ ')') }}{% endmacro %}

{# Columns a model's .yml declares. A unit test sees no graph: there the relation built before it tells their names. #}
{% macro declared_columns(name, schema) %}
  {% if not execute %}{{ return([]) }}{% endif %}
  {% set node = (graph.nodes or {}).get('model.plumbline.' ~ name) %}
  {% if node %}{{ return(node.columns.values() | list) }}{% endif %}
  {% set built = api.Relation.create(database=target.database, schema=generate_schema_name(schema, model), identifier=name) %}
  {{ return(adapter.get_columns_in_relation(built)) }}
{% endmacro %}

{# Logical columns of a staging model: those whose .yml gives them a role. #}
{% macro logical_columns(source) %}
  {% set found = [] %}
  {% for column in declared_columns('stg_' ~ source, 'staging') %}
    {% set meta = column.meta or (column.config or {}).meta or {} %}
    {% if meta.role %}
      {% do found.append({'name': column.name, 'type': column.data_type, 'role': meta.role, 'required': meta.required,
        'allowed': meta.allowed, 'minimum': meta.minimum if meta.minimum is number else none}) %}
    {% endif %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}
