{# What differs between engines. An engine overrides every macro here in <engine>.sql; one it forgets fails by name. #}

{% macro unsupported(name) %}
  {% if execute %}
    {{ exceptions.raise_compiler_error("macro '" ~ name ~ "' is not supported by " ~ target.type) }}
  {% endif %}
{% endmacro %}

{# A timestamp in UTC without zone from a raw column; null where the value can't be read. `formats` are strptime formats of
   text that is neither ISO 8601 nor an epoch. rule: "first" tries them in order, then ISO and epochs; "only" tries nothing
   else; "agreed" comes after ISO and epochs, and a value that two of the formats read differently stays unread. #}
{% macro read_timestamp(expression, raw_type, timezone, formats=[], rule='agreed') %}
  {{ return(adapter.dispatch('read_timestamp', 'plumbline')(expression, raw_type, timezone, formats, rule)) }}
{% endmacro %}
{% macro default__read_timestamp(expression, raw_type, timezone, formats=[], rule='agreed') %}{{ unsupported('read_timestamp') }}{% endmacro %}

{# Text from a raw column; a whole number reads the same whether it is held as an integer or as a double. #}
{% macro read_text(expression, raw_type) %}
  {{ return(adapter.dispatch('read_text', 'plumbline')(expression, raw_type)) }}
{% endmacro %}
{% macro default__read_text(expression, raw_type) %}{{ unsupported('read_text') }}{% endmacro %}

{# A double from a raw column; null where the value is not a finite number. #}
{% macro read_double(expression, raw_type) %}
  {{ return(adapter.dispatch('read_double', 'plumbline')(expression, raw_type)) }}
{% endmacro %}
{% macro default__read_double(expression, raw_type) %}{{ unsupported('read_double') }}{% endmacro %}

{# Seconds from one timestamp to another, exact to the microsecond, as a double. #}
{% macro seconds_between(earlier, later) %}
  {{ return(adapter.dispatch('seconds_between', 'plumbline')(earlier, later)) }}
{% endmacro %}
{% macro default__seconds_between(earlier, later) %}{{ unsupported('seconds_between') }}{% endmacro %}

{# The smallest value whose cumulative share reaches q. #}
{% macro percentile_disc(expression, q) %}
  {{ return(adapter.dispatch('percentile_disc', 'plumbline')(expression, q)) }}
{% endmacro %}
{% macro default__percentile_disc(expression, q) %}{{ unsupported('percentile_disc') }}{% endmacro %}

{# A timestamp literal from "YYYY-MM-DD HH:MM:SS.ffffff" in UTC. #}
{% macro timestamp_literal(text) %}
  {{ return(adapter.dispatch('timestamp_literal', 'plumbline')(text)) }}
{% endmacro %}
{% macro default__timestamp_literal(text) %}{{ unsupported('timestamp_literal') }}{% endmacro %}

{# The number of rows 1..n as column `n`, for n up to a constant. #}
{% macro integers(upto) %}
  {{ return(adapter.dispatch('integers', 'plumbline')(upto)) }}
{% endmacro %}
{% macro default__integers(upto) %}{{ unsupported('integers') }}{% endmacro %}

{# The hour of the day, 0 to 23, that a timestamp in UTC has in an IANA time zone. #}
{% macro hour_in_zone(moment, timezone) %}
  {{ return(adapter.dispatch('hour_in_zone', 'plumbline')(moment, timezone)) }}
{% endmacro %}
{% macro default__hour_in_zone(moment, timezone) %}{{ unsupported('hour_in_zone') }}{% endmacro %}

{# An expression as a double; null where evaluating it fails, instead of the statement. #}
{% macro attempt(expression) %}
  {{ return(adapter.dispatch('attempt', 'plumbline')(expression)) }}
{% endmacro %}
{% macro default__attempt(expression) %}{{ unsupported('attempt') }}{% endmacro %}
