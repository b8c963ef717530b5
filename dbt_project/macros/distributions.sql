{# Whose rows belong together: the customer's, else the session's, else each its own. #}
{% macro distribution_cluster(own_id) -%}
  {%- set own = "'own ' || " ~ own_id -%}
  {%- if is_mapped('requests', 'customer_id') -%} coalesce(customer_id, {{ own }})
  {%- elif is_mapped('requests', 'session_id') -%} coalesce(session_id, {{ own }})
  {%- else -%} {{ own }} {%- endif -%}
{%- endmacro %}

{# Bins of relative width 5% by number, ln(x) * 20 rounded down; what is not above zero comes before them all. #}
{% macro log_bin(value) -%}
  cast(case when {{ value }} > 0 then floor(ln(case when {{ value }} > 0 then {{ value }} else 1 end) * 20) else -1000000 end as {{ sql_type('bigint') }})
{%- endmacro %}
