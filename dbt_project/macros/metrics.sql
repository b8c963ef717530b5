{# The metrics of metrics.yml (and of the mapping) over experiment_requests. A reading is one way to read the rows:
   `repaired` is the estimate; the others undo one repair or fill in what is not known yet, so that Python can say what
   each gap does. A reading swaps columns, changes which requests count, or weighs them; the metrics stay the same. #}
{% macro readings() %}
  {% set undated = {
      'first_quote_seconds': 'case when n_undated_quotes > 0 then 0 else first_quote_seconds end',
      'n_quotes': 'n_quotes + n_undated_quotes', 'n_quotes_24h': 'n_quotes_24h + n_undated_quotes'} %}
  {% set undated_hires = {
      'first_hire_seconds': 'case when n_undated_hires > 0 then 0 else first_hire_seconds end',
      'n_hires': 'n_hires + n_undated_hires', 'gmv': 'gmv + gmv_undated', 'n_refunded_hires': 'n_refunded_hires + n_undated_refunds'} %}
  {{ return([
    {'name': 'repaired', 'by_segment': true},
    {'name': 'variant_from_quotes', 'variant': 'variant_from_quotes'},
    {'name': 'immature_low', 'everyone': true, 'fill': 'low'},
    {'name': 'immature_high', 'everyone': true, 'fill': 'high'},
    {'name': 'duplicate_rows.requests', 'weight': 'n_copies'},
    {'name': 'duplicate_rows.quotes', 'swap': {
        'n_quotes': 'n_quotes_with_duplicates', 'n_quotes_24h': 'n_quotes_24h_with_duplicates'}},
    {'name': 'duplicate_rows.hires', 'swap': {
        'n_hires': 'n_hires_with_duplicates', 'n_refunded_hires': 'n_refunded_hires_with_duplicates',
        'gmv': 'gmv_with_duplicates'}},
    {'name': 'duplicate_rows.support_tickets', 'swap': {'n_support_tickets': 'n_support_tickets_with_duplicates'}},
    {'name': 'duplicate_rows.spam_flags', 'swap': {'n_spam_flags': 'n_spam_flags_with_duplicates'}},
    {'name': 'missing_values.quotes.quoted_at', 'swap': {
        'first_quote_seconds': 'first_quote_seconds_without_log',
        'n_quotes': 'n_quotes_without_log', 'n_quotes_24h': 'n_quotes_24h_without_log'}},
    {'name': 'timestamp_disorder.quotes', 'swap': {
        'first_quote_seconds': 'first_quote_seconds_as_dated',
        'n_quotes': 'n_quotes_as_dated', 'n_quotes_24h': 'n_quotes_24h_as_dated'}},
    {'name': 'early_high.quotes', 'swap': {
        'first_quote_seconds': 'case when n_early_quotes > 0 then 0 else first_quote_seconds end',
        'n_quotes_24h': 'n_quotes_24h + n_early_quotes'}},
    {'name': 'early_low.hires', 'swap': {
        'first_hire_seconds': 'case when n_early_hires > 0 then null else first_hire_seconds end'}},
    {'name': 'source_conflict.quotes', 'swap': {
        'first_quote_seconds': 'first_quote_seconds_by_transaction', 'n_quotes_24h': 'n_quotes_24h_by_transaction'}},
    {'name': 'disputed_low.quotes', 'swap': {
        'first_quote_seconds': 'first_quote_seconds_if_later', 'n_quotes_24h': 'n_quotes_24h_if_later'}},
    {'name': 'disputed_high.quotes', 'swap': {
        'first_quote_seconds': 'first_quote_seconds_if_sooner', 'n_quotes_24h': 'n_quotes_24h_if_sooner'}},
    {'name': 'late_assignment', 'variant': late_as_unlabelled()},
    {'name': 'undated_high.quotes', 'swap': undated},
    {'name': 'undated_high.hires', 'swap': undated_hires},
    {'name': 'unknown_outcome_high.hires', 'swap': {'n_refunded_hires': 'n_refunded_hires + n_hires_of_unknown_outcome'}},
    {'name': 'conflict_low.requests', 'swap': {
        'first_quote_seconds': 'case when n_other_readings > 0 then null else first_quote_seconds end',
        'first_hire_seconds': 'case when n_other_readings > 0 then null else first_hire_seconds end',
        'n_quotes_24h': 'case when n_other_readings > 0 then 0 else n_quotes_24h end'}},
    {'name': 'conflict_high.requests', 'swap': {
        'first_quote_seconds': 'case when n_other_readings > 0 and n_quotes > 0 then 0 else first_quote_seconds end',
        'first_hire_seconds': 'case when n_other_readings > 0 and n_hires > 0 then 0 else first_hire_seconds end',
        'n_quotes_24h': 'case when n_other_readings > 0 then n_quotes else n_quotes_24h end'}},
    {'name': 'conflict_low.quotes', 'swap': {
        'first_quote_seconds': 'case when n_contested_quotes > 0 then null else first_quote_seconds end',
        'n_quotes_24h': 'case when n_contested_quotes > n_quotes_24h then 0 else n_quotes_24h - n_contested_quotes end'}},
    {'name': 'conflict_high.quotes', 'swap': {
        'first_quote_seconds': 'case when n_contested_quotes > 0 then 0 else first_quote_seconds end',
        'n_quotes_24h': 'n_quotes_24h + n_contested_quotes'}},
    {'name': 'conflict_low.hires', 'swap': {
        'first_hire_seconds': 'first_hire_seconds_if_later', 'gmv': 'gmv_if_less', 'n_refunded_hires': 'n_refunded_hires_if_fewer'}},
    {'name': 'conflict_high.hires', 'swap': {
        'first_hire_seconds': 'first_hire_seconds_if_sooner', 'gmv': 'gmv_if_more',
        'n_refunded_hires': 'n_refunded_hires_if_more'}},
    {'name': 'joint_low', 'variant': certain_variant(), 'everyone': true, 'fill': 'low', 'swap': joint_low(), 'by_segment': true},
    {'name': 'joint_high', 'variant': certain_variant(), 'everyone': true, 'fill': 'high', 'swap': joint_high(), 'by_segment': true},
  ]) }}
{% endmacro %}

{# Every request's columns at the end where it has least (low) and most (high), all open gaps of its outcome together. #}
{% macro joint_low() %}
  {{ return({
      'first_quote_seconds': 'case when n_other_readings + n_contested_quotes > 0 then null else first_quote_seconds_if_later end',
      'n_quotes_24h': 'case when n_other_readings > 0 or n_contested_quotes > n_quotes_24h_if_later then 0 else n_quotes_24h_if_later - n_contested_quotes end',
      'first_hire_seconds': 'case when n_other_readings + n_early_hires > 0 then null else first_hire_seconds_if_later end',
      'gmv': 'gmv_if_less',
      'n_refunded_hires': 'n_refunded_hires_if_fewer'}) }}
{% endmacro %}

{% macro joint_high() %}
  {{ return({
      'first_quote_seconds': 'case when n_undated_quotes + n_contested_quotes + n_early_quotes > 0 or (n_other_readings > 0 and n_quotes > 0) then 0 else first_quote_seconds_if_sooner end',
      'n_quotes': 'n_quotes + n_undated_quotes',
      'n_quotes_24h': 'case when n_other_readings > 0 then n_quotes else n_quotes_24h_if_sooner + n_contested_quotes + n_early_quotes end + n_undated_quotes',
      'first_hire_seconds': 'case when n_undated_hires > 0 or (n_other_readings > 0 and n_hires > 0) then 0 else first_hire_seconds_if_sooner end',
      'n_hires': 'n_hires + n_undated_hires',
      'gmv': 'gmv_if_more + gmv_undated',
      'n_refunded_hires': 'n_refunded_hires_if_more + n_undated_refunds + n_hires_of_unknown_outcome'}) }}
{% endmacro %}

{# An arm given after the first quote or the hire may follow from them: such a request's arm is as good as unknown. #}
{% macro certain_variant() %}{{ return("case when is_late_assignment then 'unknown' else variant end") }}{% endmacro %}

{# The same with the requests without an arm out of the way, so that `unknown` are the late ones alone. #}
{% macro late_as_unlabelled() %}
  {{ return("case when is_late_assignment then 'unknown' when variant = 'unknown' then 'unlabelled' else variant end") }}
{% endmacro %}

{# Columns of request_metrics, as its .yml lists them. #}
{% macro request_columns() %}
  {{ return(declared_columns('request_metrics', 'metrics') | map(attribute='name') | list) }}
{% endmacro %}

{# Overall and, where asked, one pass per segment column: [none, 'category', …]. #}
{% macro segment_passes(by_segment) %}
  {{ return([none] + (segments_mapping() if by_segment else [])) }}
{% endmacro %}

{% macro segment_of(column) %}
  {%- if column is none -%} {{ typed_null('text') }}
  {%- else -%} '{{ column }}=' || coalesce({{ column }}, '(none)') {%- endif -%}
{% endmacro %}

{# One scan for the cohort and each of its segments: the whole first, then every segment column by its values. #}
{% macro by_segment_sets(whole, of_segment, segments) %}
  grouping sets (({{ whole | join(', ') }}){% for s in segments %}, ({{ s }}, {{ of_segment | join(', ') }}){% endfor %})
{%- endmacro %}

{# The segment of a row of such a scan; null for the whole. #}
{% macro segment_of_set(segments) %}
  {%- if not segments -%} {{ typed_null('text') }}
  {%- else -%} case{% for s in segments %} when grouping({{ s }}) = 0 then {{ segment_of(s) }}{% endfor %} end {%- endif -%}
{% endmacro %}

{% macro is_clustered() %}
  {{ return(experiments_mapping() | rejectattr('unit', 'equalto', 'request') | list | length > 0) }}
{% endmacro %}

{# Value of a metric for one request under a reading: what is not known yet is filled at its lowest or highest. #}
{% macro metric_value(m, reading) %}
  {%- if m.kind == 'quantile' -%} 0
  {%- elif m.get('is_own') and reading.get('fill') -%} {{ own_filled(m, reading) }}
  {%- elif reading.get('fill') == 'high' and m.kind == 'share' -%} case when is_mature__{{ m.name }} then ({{ at_reading(m.y, reading) }}) else 1 end
  {%- else -%} ({{ at_reading(m.y, reading) }}) {%- endif -%}
{% endmacro %}

{# Names of the metrics whose sums a reading changes; all of them where it changes who counts, or how often. #}
{% macro summed_metrics(reading) %}
  {% set found = [] %}
  {% set plain = not (reading.get('everyone') or reading.get('weight') or reading.get('variant')) and reading.get('swap') %}
  {% for m in metrics_mapping() %}
    {% set swapped = m.kind != 'quantile' and (at_reading(m.y, reading) != m.y or at_reading(m.d or '', reading) != (m.d or '')) %}
    {% if swapped or not plain %}{% do found.append(m.name) %}{% endif %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}

{# Sums over randomization units of the metrics named in `summed`, null for the others. Grain: experiment × segment × variant. #}
{% macro metric_sums(reading, segment, relation, summed) %}
  {%- set is_single = not is_clustered() and not reading.get('weight') %}
  select
      {{ text_literal(reading.name) }} as reading,
      experiment_id,
      segment,
      variant
      {%- for m in metrics_mapping() %}{% set k = m.name %}
      {%- if k in summed %}
      {#- Where a unit is one request, 0 and 1 are their own squares and each denominator is 1: fewer sums to form. #}
      {%- set n = 'sum(n__' ~ k ~ ')' %}{% set y = 'sum(y__' ~ k ~ ')' %}{% set is_one = is_single and not m.d %},
      {{ n if is_single else 'sum(case when n__' ~ k ~ ' > 0 then 1 else 0 end)' }} as units__{{ k }}, {{ n }} as n__{{ k }},
      {{ y }} as y__{{ k }}, {{ n if is_one else 'sum(d__' ~ k ~ ')' }} as d__{{ k }},
      {{ y if is_one and m.kind in ('share', 'quantile') else 'sum(y__' ~ k ~ ' * y__' ~ k ~ ')' }} as yy__{{ k }},
      {{ n if is_one else 'sum(d__' ~ k ~ ' * d__' ~ k ~ ')' }} as dd__{{ k }},
      {{ y if is_one else 'sum(y__' ~ k ~ ' * d__' ~ k ~ ')' }} as yd__{{ k }}
      {%- else %},
      null as units__{{ k }}, null as n__{{ k }}, null as y__{{ k }}, null as d__{{ k }}, null as yy__{{ k }}, null as dd__{{ k }}, null as yd__{{ k }}
      {%- endif %}{%- endfor %}
  from (
      {%- if is_clustered() %}
      select experiment_id, segment, variant, unit_id
          {%- for m in metrics_mapping() if m.name in summed %}{% set k = m.name %},
          sum(n__{{ k }}) as n__{{ k }}, sum(y__{{ k }}) as y__{{ k }}, sum(d__{{ k }}) as d__{{ k }}
          {%- endfor %}
      from (
      {%- endif %}
      {%- set weight = reading.get('weight') or '1' %}
      select
          experiment_id,
          {{ segment_of(segment) }} as segment,
          {{ reading.get('variant') or 'variant' }} as variant,
          unit_id
          {%- for m in metrics_mapping() if m.name in summed %}{% set k = m.name %}
          {%- set counts = 'true' if reading.get('everyone') else 'is_mature__' ~ m.name %},
          case when {{ counts }} then {{ weight }} else 0 end as n__{{ k }},
          cast(case when {{ counts }} then {{ weight }} * {{ metric_value(m, reading) }} else 0 end as {{ sql_type('double') }}) as y__{{ k }},
          cast(case when {{ counts }} then {{ weight }} * {{ '(' ~ at_reading(m.d, reading) ~ ')' if m.d else '1' }} else 0 end as {{ sql_type('double') }}) as d__{{ k }}
          {%- endfor %}
      from {{ relation }}
      {%- if is_clustered() %}
      ) as request_values
      group by experiment_id, segment, variant, unit_id
      {%- endif %}
  ) as unit_values
  group by experiment_id, segment, variant
{% endmacro %}

{# Infinity as a number every engine sorts: a request without a quote. #}
{% macro infinite() %}{{ return('1e18') }}{% endmacro %}

{# Bins of a relative width, 0.5% or less, whole units below 200; edges are the least and greatest value seen, so always
   outward. #}
{% macro bin_of(value, width=0.00498) %}
  case
    when {{ value }} is null then -1
    when {{ value }} < 200 then floor({{ value }})
    else 200 + floor(ln({{ value }} / 200.0) / {{ width }})
  end
{% endmacro %}

{# An expression with a reading's columns put in place of its own, whole words only. #}
{% macro at_reading(expression, reading) %}
  {% set swap = reading.get('swap') or {} %}
  {% set words = modules.re.split('([A-Za-z_][A-Za-z_0-9]*)', expression) %}
  {% set out = [] %}
  {% for word in words %}{% do out.append('(' ~ swap[word] ~ ')' if word in swap else word) %}{% endfor %}
  {{ return(out | join('')) }}
{% endmacro %}
