{# Logging that keeps a declared share of an arm's rows: counts are weighted by 1/p (Horvitz-Thompson); the first quote and
   "at least three" can't be, and come from the event log where that has every quote. #}

{# The counts and amounts each source adds to a request: all that a weight can repair. #}
{% macro counted_from() %}
  {{ return({
      'quotes': ['n_quotes', 'n_quotes_with_duplicates', 'n_undated_quotes', 'n_quotes_without_log', 'n_quotes_as_dated'],
      'hires': ['n_hires', 'n_hires_with_duplicates', 'n_refunded_hires', 'n_refunded_hires_with_duplicates', 'gmv',
          'gmv_with_duplicates', 'gmv_undated', 'gmv_if_less', 'gmv_if_more', 'n_undated_hires', 'n_undated_refunds',
          'n_hires_of_unknown_outcome', 'n_refunded_hires_if_fewer', 'n_refunded_hires_if_more'],
      'support_tickets': ['n_support_tickets', 'n_support_tickets_with_duplicates'],
      'spam_flags': ['n_spam_flags', 'n_spam_flags_with_duplicates']}) }}
{% endmacro %}

{# [{experiment, arm, rate}] of the arms of which the source holds a sample. #}
{% macro sampled_arms(source) %}
  {%- set found = [] -%}
  {%- for e in experiments_mapping() -%}{%- for arm, rate in ((e.sampling or {}).get(source) or {}).items() if rate < 1 -%}
  {%- do found.append({'experiment': e.id, 'arm': arm, 'rate': rate}) -%}
  {%- endfor -%}{%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro is_arm_of(sampled) -%}
  variants.experiment_id = {{ text_literal(sampled.experiment) }} and variants.variant = {{ text_literal(sampled.arm) }}
{%- endmacro %}

{# Whether the quotes are a sample somewhere and the event log can stand in for them. #}
{% macro quotes_are_sampled() %}
  {{ return(sampled_arms('quotes') | length > 0 and is_mapped('quote_events', 'event_at')) }}
{% endmacro %}

{% macro weighted_by_sampling(column) %}
  {%- set weights = [] -%}
  {%- for source, columns in counted_from().items() if column in columns -%}
  {%- for sampled in sampled_arms(source) -%}{%- do weights.append(sampled) -%}{%- endfor -%}
  {%- endfor -%}
  {%- set is_first = column.startswith('first_quote_seconds') or column.startswith('n_quotes_24h') -%}
  {%- if weights -%}
  requests.{{ column }} * case {% for w in weights %}when {{ is_arm_of(w) }} then {{ 1.0 / w.rate }} {% endfor %}else 1.0 end
  {%- elif is_first and quotes_are_sampled() -%}
  case {% for w in sampled_arms('quotes') %}when {{ is_arm_of(w) }} then
    {{- ' coalesce(logged_quotes.n_quotes_24h, 0)' if column.startswith('n_') else ' logged_quotes.first_quote_seconds' }} {% endfor %}else requests.{{ column }} end
  {%- else -%} requests.{{ column }} {%- endif -%}
{% endmacro %}

{# A request's quotes by the event log alone, as CTE; nothing where the quotes are whole. #}
{% macro logged_quotes(events) %}
  {%- if quotes_are_sampled() -%}
logged_quotes as (

    select
        request_id,
        min(case when seconds >= 0 then seconds end) as first_quote_seconds,
        count(distinct case when seconds between 0 and 86400 then pro_id end) as n_quotes_24h
    from (
        select request_id, pro_id, {{ seconds_between('request_created_at', 'event_at') }} as seconds
        from {{ events }}
        where quarantine_reason is null and event_at <= {{ as_of() }} and request_created_at is not null
    ) as logged
    group by request_id

),
  {%- endif -%}
{% endmacro %}
