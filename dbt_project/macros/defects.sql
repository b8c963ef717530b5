{# The arm a raw row belongs to: its cohort request's; where that request is lost, the one it was assigned to; where the row
   names no request, the arm the row itself carries. Null outside the cohort. #}
{% macro arm_of_row(source, experiment_id) %}
  {%- set arms = (experiments_mapping() | selectattr('id', 'equalto', experiment_id) | first).arms -%}
  {%- set is_declared -%} flagged.variant in ({% for arm in arms %}{{ text_literal(arm) }}{{ ', ' if not loop.last }}{% endfor %}) {%- endset -%}
  coalesce(
      case when variants.is_in_cohort then variants.variant end,
      lost.variant
      {%- if source in ('quotes', 'quote_events') and not mapping().get('everyone') %},
      case when flagged.request_id is null then case when {{ is_declared }} then flagged.variant else 'unknown' end end
      {%- elif source != 'assignments' %},
      case when flagged.request_id is null then 'unknown' end
      {%- elif not mapping().get('everyone') %},
      case when flagged.request_id is null and flagged.assigned_experiment_id = {{ text_literal(experiment_id) }} and {{ is_declared }}
          then flagged.variant end
      {%- endif %}
  )
{% endmacro %}

{# Defects of one source's rows, counted in one pass per experiment: nulls by column, unreadable values, duplicates,
   conflicting keys, orphans, by arm of the request the row belongs to. Grain: experiment × variant. #}
{% macro defect_sums(source, flagged, variants, lost, experiment_id) %}
  {%- set content = content_columns(source) %}
  select
      {{ text_literal(source) }} as source_name,
      {{ text_literal(experiment_id) if experiment_id is not none else typed_null('text') }} as experiment_id,
      {% if experiment_id is not none -%} {{ arm_of_row(source, experiment_id) }} {%- else -%} {{ typed_null('text') }} {%- endif %} as variant,
      count(*) as rows_total,
      {%- for c in content %}
      sum(case when flagged.{{ c.name }} is {{ 'not' if c.name.endswith('_unreadable') else '' }} null
          {%- if c.name ~ '_unreadable' in content | map(attribute='name') %} and flagged.{{ c.name }}_unreadable is null{% endif %} then 1 else 0 end) as defect_{{ c.name }},
      {%- endfor %}
      {% if source == 'quotes' -%}
      sum(case when flagged.quoted_at is null and flagged.quoted_at_unreadable is null and flagged.reconciled_at is null then 1 else 0 end) as residual_quoted_at,
      {%- if experiment_id is not none %}
      sum(case when flagged.variant is null and coalesce(variants.variant, 'unknown') = 'unknown' then 1 else 0 end) as residual_variant,
      {%- endif %}
      {%- endif %}
      sum(case when flagged.is_duplicate then 1 else 0 end) as defect_is_duplicate,
      sum(case when flagged.is_conflict then 1 else 0 end) as defect_is_conflict,
      sum(case when flagged.is_orphan then 1 else 0 end) as defect_is_orphan
  from {{ flagged }} as flagged
  {% if experiment_id is not none -%}
  left join {{ variants }} as variants
      on flagged.request_id = variants.request_id and variants.experiment_id = {{ text_literal(experiment_id) }}
  left join {{ lost }} as lost
      on flagged.request_id = lost.request_id and lost.experiment_id = {{ text_literal(experiment_id) }}
  {%- endif %}
  group by {{ arm_of_row(source, experiment_id) if experiment_id is not none else '1, 2, 3' }}
{% endmacro %}

{# One measured row of the common shape. #}
{% macro defect_row(kind, column, affected, residual, relation) %}
  select
      source_name, experiment_id, variant, {{ text_literal(kind) }} as kind,
      {{ text_literal(column) if column else typed_null('text') }} as column_name,
      rows_total, {{ affected }} as rows_affected, {{ residual }} as rows_residual
  from {{ relation }}
{% endmacro %}
