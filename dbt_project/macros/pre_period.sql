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
