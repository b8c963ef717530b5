{# DuckDB: numbers are read as epoch seconds, milli- or microseconds by their magnitude (after 1973 these can't overlap);
   text with an offset is converted, text without one is read in the source's time zone. A year outside 1970-2199 is
   a format misread (5-1-17 would become the year 5), so it counts as unreadable. #}
{% macro duckdb__read_timestamp(expression, raw_type, timezone, formats=[], rule='agreed') %}
  {%- set kind = raw_type | upper -%}
  {%- set is_written = kind.startswith('VARCHAR') or kind in ('TEXT', 'STRING') or ('INT' in kind and rule != 'agreed') -%}
  {%- set usual = read_usual_timestamp_in_duckdb(expression, kind, timezone) -%}
  {%- if not formats or not is_written -%} {{ usual }}
  {%- elif rule == 'only' -%} {{ read_formats_in_duckdb(expression, timezone, formats, rule) }}
  {%- elif rule == 'first' -%} coalesce({{ read_formats_in_duckdb(expression, timezone, formats, rule) }}, {{ usual }})
  {%- else -%} coalesce({{ usual }}, {{ read_formats_in_duckdb(expression, timezone, formats, rule) }})
  {%- endif -%}
{% endmacro %}

{# The first reading within the years that count, or the one that all such readings agree on. #}
{% macro read_formats_in_duckdb(expression, timezone, formats, rule) %}
  {%- set readings -%}
    list_filter([
      {%- for format in formats %}
      {%- set read = 'try_strptime(trim(cast(' ~ expression ~ ' as varchar)), ' ~ text_literal(format) ~ ')' %}
      {% if '%z' in format -%} ({{ read }}) at time zone 'UTC' {%- else -%} {{ local_to_utc_in_duckdb(read, timezone) }} {%- endif -%}
      {{ ', ' if not loop.last }}
      {%- endfor %}
    ], lambda t: t >= timestamp '1970-01-01' and t < timestamp '2200-01-01')
  {%- endset -%}
  {%- if rule != 'agreed' or formats | length == 1 -%} ({{ readings }})[1]
  {%- else -%}
    (list_transform([{{ readings }}], lambda r: case when list_min(r) = list_max(r) then list_min(r) end))[1]
  {%- endif -%}
{% endmacro %}

{% macro local_to_utc_in_duckdb(value, timezone) %}
  {%- if timezone in ('UTC', 'Etc/UTC') -%} {{ value }}
  {%- else -%} (({{ value }}) at time zone {{ text_literal(timezone) }}) at time zone 'UTC' {%- endif -%}
{% endmacro %}

{% macro read_usual_timestamp_in_duckdb(expression, kind, timezone) %}
  {%- set naive = local_to_utc_in_duckdb('%s', timezone) -%}
  {%- set number = "try_cast(" ~ expression ~ " as double)" -%}
  {%- set epoch -%}
    make_timestamp(cast(round(case
      when abs({{ number }}) < 1e11 then {{ number }} * 1e6
      when abs({{ number }}) < 1e14 then {{ number }} * 1e3
      when abs({{ number }}) < 1e17 then {{ number }}
    end) as bigint))
  {%- endset -%}
  {%- if kind.startswith('TIMESTAMP WITH') or kind == 'TIMESTAMPTZ' -%}
    {%- set value -%} ({{ expression }} at time zone 'UTC') {%- endset -%}
  {%- elif kind.startswith('TIMESTAMP') or kind == 'DATE' or kind == 'DATETIME' -%}
    {%- set value = naive | replace('%s', 'cast(' ~ expression ~ ' as timestamp)') -%}
  {%- elif kind.startswith('VARCHAR') or kind == 'TEXT' or kind == 'STRING' -%}
    {%- set value -%}
      case
        when regexp_full_match(trim({{ expression }}), '([0-9]{9,10}|[0-9]{13}|[0-9]{16})([.][0-9]+)?') then {{ epoch }}
        when regexp_full_match(trim({{ expression }}), '.*[0-9]{2}:[0-9]{2}.*([Zz]| UTC|[+-][0-9]{2}(:?[0-9]{2})?)')
          then try_cast(regexp_replace(trim({{ expression }}), ' +([+-][0-9:]+)$', '\1') as timestamptz) at time zone 'UTC'
        else {{ naive | replace('%s', 'try_cast(' ~ expression ~ ' as timestamp)') }}
      end
    {%- endset -%}
  {%- elif 'INT' in kind or kind.startswith('DECIMAL') or kind in ('DOUBLE', 'FLOAT', 'REAL') -%}
    {%- set value -%} case when abs({{ number }}) >= 1e8 then {{ epoch }} end {%- endset -%}
  {%- else -%}
    {%- set value -%} cast(null as timestamp) {%- endset -%}
  {%- endif -%}
  case when {{ value }} >= timestamp '1970-01-01' and {{ value }} < timestamp '2200-01-01' then {{ value }} end
{% endmacro %}

{# Ids with a null among them often come as doubles: 17.0 is the request 17 of the other tables. #}
{% macro duckdb__read_text(expression, raw_type) %}
  {%- if raw_type | upper in ('DOUBLE', 'FLOAT', 'REAL') -%}
  case
    when isnan({{ expression }}) then null
    when {{ expression }} = floor({{ expression }}) and abs({{ expression }}) < 9007199254740992
      then cast(cast({{ expression }} as bigint) as varchar)
    else cast({{ expression }} as varchar)
  end
  {%- else -%} cast({{ expression }} as varchar) {%- endif -%}
{% endmacro %}

{% macro duckdb__read_double(expression, raw_type) %}
  {%- set kind = raw_type | upper -%}
  {%- if 'INT' in kind or kind.startswith('DECIMAL') or kind in ('DOUBLE', 'FLOAT', 'REAL') or kind.startswith('VARCHAR') -%}
  {%- set value = 'try_cast(' ~ expression ~ ' as double)' -%}
  case when isfinite({{ value }}) then {{ value }} end
  {%- else -%} cast(null as double) {%- endif -%}
{% endmacro %}

{% macro duckdb__seconds_between(earlier, later) %}
  (date_diff('microsecond', {{ earlier }}, {{ later }}) / 1000000.0)
{% endmacro %}

{% macro duckdb__percentile_disc(expression, q) %}
  percentile_disc({{ q }}) within group (order by {{ expression }})
{% endmacro %}

{% macro duckdb__timestamp_literal(text) %}timestamp {{ text_literal(text) }}{% endmacro %}

{% macro duckdb__integers(upto) %}select range as n from range(1, {{ upto + 1 }}){% endmacro %}

{% macro duckdb__hour_in_zone(moment, timezone) %}
  {%- if timezone in ('UTC', 'Etc/UTC') -%} extract(hour from {{ moment }})
  {%- else -%} extract(hour from ({{ moment }} at time zone 'UTC') at time zone {{ text_literal(timezone) }}) {%- endif -%}
{% endmacro %}

{% macro duckdb__attempt(expression) %}try(cast(({{ expression }}) as double)){% endmacro %}
