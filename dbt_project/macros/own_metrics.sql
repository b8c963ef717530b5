{# A team's own metrics (`metrics:` of plumbline.yml). One over request_metrics is its expression; one with a table of its own
   is a column own__<name> of request_metrics. Both are null where the outcome of a request is not known: such a request is
   in no level, and in a region anywhere its kind allows. #}
{% macro own_tables() %}{{ return(mapping().get('own_tables') or []) }}{% endmacro %}

{% macro own_metrics() %}{{ return(metrics_mapping() | selectattr('is_own', 'defined') | list) }}{% endmacro %}

{# Metrics computed from a table of their own, each with the number of that table. #}
{% macro own_table_metrics() %}
  {% set found = [] %}
  {% set known = {} %}
  {% for m in own_metrics() %}{% do known.update({m.name: m}) %}{% endfor %}
  {% for t in own_tables() %}{% for read in t.metrics if read.name in known %}
    {% do found.append({'metric': known[read.name], 'table': t, 'd': read.d}) %}
  {% endfor %}{% endfor %}
  {{ return(found) }}
{% endmacro %}

{# The metric as every model computes it: `y` and `d` null where they are not what the kind allows, or fail. #}
{% macro as_computed(m) %}
  {% if not m.get('is_own') %}{{ return(m) }}{% endif %}
  {% if m.is_of_table %}
    {{ return(dict(m, y='own__' ~ m.name, d=('own__' ~ m.name ~ '__d') if m.d else none)) }}
  {% endif %}
  {% if m.kind == 'quantile' %}{{ return(m) }}{% endif %}
  {{ return(dict(m, y=possible_value(m.kind, attempt(m.y)), d=possible_value('d', attempt(m.d)) if m.d else none)) }}
{% endmacro %}

{# A value the kind allows, else null: NaN and infinities are none of any kind. #}
{% macro possible_value(kind, value) %}
  {%- if kind == 'share' -%} {{ return('case when ' ~ value ~ ' in (0, 1) then ' ~ value ~ ' end') }}
  {%- elif kind in ('quantile', 'd') -%} {{ return('case when ' ~ value ~ ' >= 0 and ' ~ value ~ ' < ' ~ infinite() ~ ' then ' ~ value ~ ' end') }}
  {%- else -%} {{ return('case when abs(' ~ value ~ ') < ' ~ infinite() ~ ' then ' ~ value ~ ' end') }} {%- endif -%}
{% endmacro %}

{# True where the outcome of a request is known; `prefix` qualifies its columns. #}
{% macro is_known_outcome(m, prefix='') %}
  {%- set swap = {} -%}
  {%- if prefix -%}{%- for c in request_columns() + own_columns() -%}{%- do swap.update({c: prefix ~ c}) -%}{%- endfor -%}{%- endif -%}
  {%- set parts = [] -%}
  {%- for expression in [m.y, m.d] if expression -%}
  {%- do parts.append('(' ~ at_reading(expression, {'swap': swap}) ~ ') is not null') -%}
  {%- endfor -%}
  {{ return(parts | join(' and ')) }}
{% endmacro %}

{# Whether outcomes of the metric may be unknown at all: a quantile over request_metrics takes null for infinity. #}
{% macro may_be_unknown(m) %}{{ return(m.get('is_own') and (m.is_of_table or m.kind != 'quantile')) }}{% endmacro %}

{# Own columns of request_metrics. #}
{% macro own_columns() %}
  {% set found = [] %}
  {% for own in own_table_metrics() %}
    {% do found.append(own.metric.y) %}
    {% if own.metric.d %}{% do found.append(own.metric.d) %}{% endif %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}

{# Whether the built-in metrics' ends do for it: it rises with what the gaps leave open, as they do. #}
{% macro is_like_built_in(m) %}{{ return(not m.get('is_own') or (not m.is_of_table and m.follows == 'more')) }}{% endmacro %}

{# Least (or most) of one request's value, whatever its gaps leave open; where nothing says how the value moves, anything the
   kind allows as soon as one of its columns is open. #}
{% macro own_end(m, highest) %}
  {%- set low, high = joint_low(), joint_high() -%}
  {%- if m.follows == 'more' -%} {{ return(at_reading(m.y, {'swap': high if highest else low})) }} {%- endif -%}
  {%- if m.follows == 'less' -%} {{ return(at_reading(m.y, {'swap': low if highest else high})) }} {%- endif -%}
  {%- if m.kind not in ('share', 'quantile') -%} {{ return(m.y) }} {%- endif -%}
  {%- set open = open_columns(m) -%}
  {%- set outside = ('1' if m.kind == 'share' else infinite()) if highest else '0' -%}
  {{ return('case when ' ~ open ~ ' then ' ~ outside ~ ' else (' ~ m.y ~ ') end' if open else m.y) }}
{% endmacro %}

{# True where a column of the metric is open; nothing where none can be. #}
{% macro open_columns(m) %}
  {%- if m.is_of_table -%} {{ return('n_other_readings > 0' if m.horizon else '') }} {%- endif -%}
  {%- set words = modules.re.findall('[A-Za-z_][A-Za-z_0-9]*', m.y ~ ' ' ~ (m.d or '')) -%}
  {%- set parts = [] -%}
  {%- for column in request_columns() if column in words -%}{%- for end in [joint_low(), joint_high()] if column in end -%}
  {%- do parts.append(groupable('(' ~ end[column] ~ ')') ~ ' <> ' ~ groupable(column)) -%}
  {%- endfor -%}{%- endfor -%}
  {{ return('(' ~ parts | join(' or ') ~ ')' if parts else '') }}
{% endmacro %}

{# Value of an own metric for one request under a reading that fills in what is not known. #}
{% macro own_filled(m, reading) %}
  {%- set highest = reading.fill == 'high' -%}
  {%- set value = own_end(m, highest) if reading.name.startswith('joint') else m.y -%}
  {%- if m.kind == 'share' and m.follows == 'more' and not highest -%} coalesce({{ value }}, 0)
  {%- elif m.kind == 'share' -%} case when is_mature__{{ m.name }} then coalesce(({{ value }}), {{ 1 if highest else 0 }}) else {{ 1 if highest else 0 }} end
  {%- elif m.kind == 'quantile' -%} case when is_mature__{{ m.name }} then ({{ value }}) else {{ infinite() if highest else 0 }} end
  {%- else -%} ({{ value }}) {%- endif -%}
{% endmacro %}

{# One table's rows, each with its request and whether it counts. Grain: one row per row of the table. #}
{% macro own_rows(table, requests) %}
  {%- set id, at, key = table.columns.request_id, table.columns.get('at'), table.columns.get('key') %}
  {%- set after = 'plumbline__at <= ' ~ as_of() %}
  select
      keyed.*,
      {% if key -%} plumbline__key is not null and plumbline__copy > 1 {%- else -%} false {%- endif %} as plumbline__is_duplicate,
      {% if key -%} plumbline__key is not null and plumbline__copy = 1 and plumbline__version > 1 {%- else -%} false {%- endif %} as plumbline__is_conflict,
      coalesce(
          plumbline__request_id is not null
          {%- if key %} and (plumbline__key is null or (plumbline__copy = 1 and plumbline__version = 1)){% endif %}
          {%- if at %} and {{ after }}{% endif %}
          {%- if table.horizon %} and {{ seconds_between('plumbline__created_at', 'plumbline__at') }} between 0 and {{ table.horizon }}{% endif %}, false
      ) as plumbline__is_counted
  from (
      select
          named.*
          {%- if table.horizon %}, requests.created_at as plumbline__created_at{% endif %}
          {%- if key %},
          {{ identifier(key.name) }} as plumbline__key,
          row_number() over (partition by {% for c in table.content %}named.{{ identifier(c) }}{{ ', ' if not loop.last }}{% endfor %} order by named.{{ identifier(key.name) }}) as plumbline__copy,
          dense_rank() over (partition by named.{{ identifier(key.name) }} order by {% for c in table.content %}named.{{ identifier(c) }}{{ ', ' if not loop.last }}{% endfor %}) as plumbline__version
          {%- endif %}
      from (
          select
              raw_source.*,
              nullif(trim({{ read_text('raw_source.' ~ identifier(id.name), id.type) }}), '') as plumbline__request_id
              {%- if at %},
              {{ read_timestamp('raw_source.' ~ identifier(at.name), at.type, table.timezone) }} as plumbline__at
              {%- endif %}
          from {{ table.relation }} as raw_source
          {%- if table.where %}
          where ({{ table.where }}
          )
          {%- endif %}
      ) as named
      {%- if table.horizon %}
      left join (select request_id as plumbline__parent, created_at from {{ requests }} where is_kept) as requests on named.plumbline__request_id = requests.plumbline__parent
      {%- endif %}
  ) as keyed
{% endmacro %}

{# One table, aggregated. Grain: one row per request id that the table names, apart for the rows that count and those that do not. #}
{% macro own_sums(table, requests, metrics) %}
  {%- set own = {} %}
  {%- for read in table.metrics %}{% do own.update({read.name: read}) %}{% endfor %}
  {%- set is_undated = 'plumbline__request_id is not null and plumbline__at is null and not plumbline__is_duplicate' %}
  select
      cast({{ table.number }} as {{ sql_type('bigint') }}) as table_number,
      plumbline__request_id as request_id,
      plumbline__is_counted as is_counted,
      {% if table.columns.get('at') -%} max(case when plumbline__at <= {{ as_of() }} then plumbline__at end) {%- else -%} {{ typed_null('timestamp') }} {%- endif %} as newest_at,
      count(*) as n_rows,
      {% if table.columns.get('at') -%} sum(case when {{ is_undated }} then 1 else 0 end) {%- else -%} 0 {%- endif %} as n_undated,
      sum(case when plumbline__is_duplicate then 1 else 0 end) as n_duplicates,
      sum(case when plumbline__is_conflict then 1 else 0 end) as n_conflicts
      {%- for m in metrics %},
      cast({% if m.metric.name in own %}({{ own[m.metric.name].y }}
      ){% else %}null{% endif %} as {{ sql_type('double') }}) as y__{{ m.metric.name }},
      cast({% if m.metric.name in own and m.d %}({{ own[m.metric.name].d }}
      ){% else %}null{% endif %} as {{ sql_type('double') }}) as d__{{ m.metric.name }}
      {%- endfor %}
  from ({{ own_rows(table, requests) }}) as raw_rows
  group by plumbline__request_id, plumbline__is_counted
{% endmacro %}

{# Own columns for request_metrics: `empty` where the table has no row of the request that counts. #}
{% macro own_values() %}
  {%- for own in own_table_metrics() %}{% set m = own.metric %}{% set rows = 'own_' ~ own.table.number %}
  {%- set empty = 'cast(' ~ (m.empty if m.empty is not none else 'null') ~ ' as ' ~ sql_type('double') ~ ')' %},
        case when {{ rows }}.request_id is null then {{ empty }} else {{ possible_value(m.kind, rows ~ '.y__' ~ m.name) }} end as {{ m.y }}
  {%- if m.d %},
        case when {{ rows }}.request_id is null then {{ empty }} else {{ possible_value('d', rows ~ '.d__' ~ m.name) }} end as {{ m.d }}
  {%- endif %}
  {%- endfor %}
{% endmacro %}

{# The joins that bring them. #}
{% macro own_joins(own) %}
  {%- for t in own_tables() %}
    left join {{ own }} as own_{{ t.number }} on own_{{ t.number }}.table_number = {{ t.number }} and own_{{ t.number }}.is_counted and requests.request_id = own_{{ t.number }}.request_id
  {%- endfor %}
{% endmacro %}

{# Until when a table tells everything: the clock, or its newest row where that is older than its freshness allows. #}
{% macro own_cutoff(table, own) %}
  (
      select {{ dbt.dateadd('second', -1 * table.horizon, 'case when max(newest_at) >= ' ~ dbt.dateadd('second', -1 * table.freshness, as_of()) ~ ' then ' ~ as_of() ~ ' else coalesce(max(newest_at), ' ~ timestamp_literal('1970-01-01 00:00:00') ~ ') end') }}
      from {{ own }} where table_number = {{ table.number }}
  )
{% endmacro %}

{# Own metrics whose table has to be fresh. #}
{% macro dated_own_metrics() %}{{ return(own_table_metrics() | selectattr('table.freshness') | list) }}{% endmacro %}

{# One gap row over a whole own table, in the shape of gap models. #}
{% macro own_gap(kind, metric, column, affected, residual, counts, note=none) %}
    select
        {{ text_literal(kind) }} as kind, {{ typed_null('text') }} as experiment_id, {{ text_literal('metric:' ~ metric.name) }} as source_name,
        {{ text_literal(column) if column else typed_null('text') }} as column_name, {{ typed_null('text') }} as variant,
        n_rows as rows_total, {{ affected }} as rows_affected, {{ residual }} as rows_residual,
        {{ note or typed_null('text') }} as note
    from {{ counts }}
{% endmacro %}

{# How far a table's newest row lies behind the clock, in words. #}
{% macro own_age_note(table) %}
  {{ return("coalesce('newest row is ' || cast(round(" ~ seconds_between('newest_at', as_of()) ~ " / 3600.0, 1) as " ~ sql_type('text') ~ ") || ' h behind the clock, allowed "
      ~ (table.freshness / 3600) | round(1) ~ " h', 'no dated row up to the clock')") }}
{% endmacro %}

{# Those of one kind, beside what a gap model has of the sources; nothing where there is no own metric. #}
{% macro own_gaps(kind, rows) %}
    select
        experiment_id, source_name, column_name, {{ typed_null('text') }} as segment, variant, rows_total, rows_affected, rows_residual,
        coalesce(rows_affected > 0, true) as is_gap, note
    from {{ rows }}
    where kind = {{ text_literal(kind) }}
{% endmacro %}
