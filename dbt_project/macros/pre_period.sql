{# Whether anything is known of customers' past: only where requests name them and units are told apart. #}
{% macro has_pasts() %}{{ return(is_mapped('requests', 'customer_id') and not mapping().get('everyone')) }}{% endmacro %}

{# Whether customers were assigned themselves: their past ends with their own assignment. #}
{% macro assigns_customers() %}
  {{ return(is_mapped('assignments', 'entity_id') and experiments_mapping() | selectattr('unit', 'equalto', 'customer') | list | length > 0) }}
{% endmacro %}

{# A unit's past up to a moment; a share counts only requests whose outcome was settled by then. #}
{% macro past_sums(requests, ends_at) %}
        {%- set old_for_hires = requests ~ '.created_at <= ' ~ dbt.dateadd('second', -604800, ends_at) -%}
        {%- set old_for_quotes = requests ~ '.created_at <= ' ~ dbt.dateadd('second', -1800, ends_at) -%}
        count({{ requests }}.request_id) as n_requests,
        sum(case when {{ old_for_hires }} then 1 else 0 end) as n_old_for_hires,
        sum(case when {{ old_for_hires }} and {{ requests }}.first_hire_seconds <= 604800 then 1 else 0 end) as n_hired,
        sum(case when {{ old_for_quotes }} then 1 else 0 end) as n_old_for_quotes,
        sum(case when {{ old_for_quotes }} and {{ requests }}.first_quote_seconds <= 1800 then 1 else 0 end) as n_quoted
{%- endmacro %}

{# What is told of a unit's past, over the columns of past_sums: x is what is tested and adjusted for, plain what is shown. #}
{% macro past_covariates() %}
  {% set names = metrics_mapping() | map(attribute='name') | list %}
  {% set found = [] %}
  {% if 'hire_rate_7d' in names %}{% do found.append({'name': 'hired_within_7d', 'x': 'n_hired * 1.0 / nullif(n_old_for_hires, 0)'}) %}{% endif %}
  {% if 'quoted_within_30m' in names %}{% do found.append({'name': 'quoted_within_30m', 'x': 'n_quoted * 1.0 / nullif(n_old_for_quotes, 0)'}) %}{% endif %}
  {% do found.append({'name': 'requests', 'x': 'ln(1.0 + n_requests)', 'plain': 'n_requests'}) %}
  {{ return(found) }}
{% endmacro %}
