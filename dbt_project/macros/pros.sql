{# Readings of a share of pros: which column of pro_returns holds each pro's value under it (null: does not count). Names
   are those of readings() where they undo or open the same thing. #}
{% macro pro_readings() %}
  {{ return([
    {'name': 'repaired', 'column': 'repaired', 'by_segment': true},
    {'name': 'variant_from_quotes', 'column': 'variant_from_quotes'},
    {'name': 'immature_low', 'column': 'immature_low'},
    {'name': 'immature_high', 'column': 'immature_high'},
    {'name': 'duplicate_rows.requests', 'column': 'repaired'},
    {'name': 'duplicate_rows.quotes', 'column': 'with_duplicates'},
    {'name': 'missing_values.quotes.quoted_at', 'column': 'without_log'},
    {'name': 'unlabelled_low', 'column': 'unlabelled_low'},
    {'name': 'unlabelled_high', 'column': 'unlabelled_high'},
    {'name': 'lost_low', 'column': 'lost_low'},
    {'name': 'lost_high', 'column': 'lost_high'},
    {'name': 'keyless_low', 'column': 'keyless_low'},
    {'name': 'keyless_high', 'column': 'keyless_high'},
    {'name': 'late_low', 'column': 'late_low'},
    {'name': 'late_high', 'column': 'late_high'},
    {'name': 'disputed_low', 'column': 'disputed_low'},
    {'name': 'disputed_high', 'column': 'disputed_high'},
    {'name': 'early_low', 'column': 'early_low'},
    {'name': 'early_high', 'column': 'early_high'},
    {'name': 'undated_low', 'column': 'undated_low'},
    {'name': 'undated_high', 'column': 'undated_high'},
    {'name': 'contested_low', 'column': 'contested_low'},
    {'name': 'contested_high', 'column': 'contested_high'},
    {'name': 'joint_low', 'column': 'joint_low', 'by_segment': true},
    {'name': 'joint_high', 'column': 'joint_high', 'by_segment': true},
  ]) }}
{% endmacro %}

{# Three ways to say which of a pro's quotes there are; the suffix marks the columns made under each. #}
{% macro quote_histories() %}
  {{ return([
    {'suffix': '', 'holds': 'is_kept', 'swap': {}},
    {'suffix': '_with_duplicates', 'holds': '(is_kept or is_duplicate)', 'swap': {'seconds_to_next_quote': 'seconds_to_next_quote_with_duplicates'}},
    {'suffix': '_without_log', 'holds': '(is_kept and quoted_at is not null)', 'swap': {'seconds_to_next_quote': 'seconds_to_next_quote_without_log'}},
  ]) }}
{% endmacro %}

{# Whole microseconds since 1970: exact, and windows can range over them on every engine. #}
{% macro microseconds(timestamp) %}
  cast(round({{ seconds_between(timestamp_literal('1970-01-01 00:00:00'), timestamp) }} * 1000000) as {{ sql_type('bigint') }})
{% endmacro %}

{# What is known of one pro in one arm, gathered from several places: each gives some of the columns. #}
{% macro pro_facts() %}
  {{ return([
    {'name': 'first_us', 'fold': 'min'}, {'name': 'first_return_us', 'fold': 'min'},
    {'name': 'first_us_with_duplicates', 'fold': 'min'}, {'name': 'first_return_us_with_duplicates', 'fold': 'min'},
    {'name': 'first_us_without_log', 'fold': 'min'}, {'name': 'first_return_us_without_log', 'fold': 'min'},
    {'name': 'first_us_from_quotes', 'fold': 'min'}, {'name': 'first_return_us_from_quotes', 'fold': 'min'},
    {'name': 'has_undated', 'fold': 'max'}, {'name': 'is_contested', 'fold': 'max'}, {'name': 'is_late', 'fold': 'max'},
    {'name': 'unlabelled_us', 'fold': 'min'}, {'name': 'unlabelled_return', 'fold': 'max'}, {'name': 'unlabelled_stay', 'fold': 'max'},
    {'name': 'unlabelled_open', 'fold': 'max'}, {'name': 'unlabelled_mature_return', 'fold': 'max'}, {'name': 'unlabelled_undated', 'fold': 'max'},
    {'name': 'lost_us', 'fold': 'min'}, {'name': 'lost_return', 'fold': 'max'}, {'name': 'lost_stay', 'fold': 'max'},
    {'name': 'lost_open', 'fold': 'max'}, {'name': 'lost_mature_return', 'fold': 'max'}, {'name': 'lost_undated', 'fold': 'max'},
    {'name': 'keyless_us', 'fold': 'min'}, {'name': 'keyless_return', 'fold': 'max'}, {'name': 'keyless_stay', 'fold': 'max'},
    {'name': 'keyless_open', 'fold': 'max'}, {'name': 'keyless_mature_return', 'fold': 'max'}, {'name': 'keyless_undated', 'fold': 'max'},
    {'name': 'keyless_rows', 'fold': 'max'},
  ]) }}
{% endmacro %}

{% macro given_facts(given) %}
  {%- for fact in pro_facts() %}
  cast({{ given.get(fact.name, 'null') }} as {{ sql_type('bigint') }}) as {{ fact.name }}{{ ',' if not loop.last }}
  {%- endfor %}
{% endmacro %}

{# What quotes on requests of no known arm, on lost ones, or set aside without a key, tell of a pro, under the prefix of their cause. #}
{% macro candidate_facts(prefix) %}
  {{ return({
    prefix ~ '_us': 'candidate_us', prefix ~ '_return': 'has_return', prefix ~ '_stay': 'has_stay', prefix ~ '_open': 'has_open',
    prefix ~ '_mature_return': 'has_mature_return', prefix ~ '_undated': 'has_undated'}) }}
{% endmacro %}

{# One end of a pro's value with one cause alone open: mature pros of the arm between what their own first quote says and what
   an earlier one of the cause would; other pros join the arm where one of the cause's quotes would make them mature. #}
{% macro candidate_end(cause, value) %}
  {%- set says = cause ~ ('_mature_return' if value else '_stay') ~ ' = 1' %}
  case
      when is_mature and not ({{ cause }}_us < first_us) then returns
      when {{ says }} then {{ value }}
      when is_mature then returns
  end
{% endmacro %}
