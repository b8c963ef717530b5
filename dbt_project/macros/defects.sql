{# The arm a raw row belongs to: its cohort request's; where that request is lost, the one it was assigned to; where that is
   not known either or the row names no request, the arm the row itself carries, if it is not dated outside the window. Null outside
   the cohort. #}
{% macro arm_of_row(source, experiment_id) %}
  {%- set experiment = experiments_mapping() | selectattr('id', 'equalto', experiment_id) | first -%}
  {%- set arms = experiment.arms -%}
  {%- set time = time_column(source) -%}
  {%- set is_declared -%} flagged.variant in ({% for arm in arms %}{{ text_literal(arm) }}{{ ', ' if not loop.last }}{% endfor %}) {%- endset -%}
  coalesce(
      case when variants.is_in_cohort then variants.variant end,
      {%- if source in ('quotes', 'quote_events') and not mapping().get('everyone') %}
      case when lost.variant <> 'unknown' then lost.variant end,
      case when flagged.request_id is null or lost.request_id is not null
          then case when {{ is_declared }}{% if is_mapped(source, time) %} and coalesce(flagged.{{ time }} >= {{ timestamp_literal(experiment.start) }} and flagged.{{ time }} < {{ timestamp_literal(experiment.end) }}, true){% endif %} then flagged.variant else 'unknown' end end
      {%- elif source != 'assignments' %}
      lost.variant,
      case when flagged.request_id is null then 'unknown' end
      {%- elif not mapping().get('everyone') %}
      lost.variant,
      case when flagged.request_id is null and flagged.assigned_experiment_id = {{ text_literal(experiment_id) }} and {{ is_declared }}
          then flagged.variant end
      {%- else %}
      lost.variant
      {%- endif %}
  )
{% endmacro %}

{# The column that dates a source's rows. #}
{% macro time_column(source) %}
  {{ return({'requests': 'created_at', 'quotes': 'quoted_at', 'hires': 'hired_at', 'assignments': 'assigned_at',
      'quote_events': 'event_at', 'messages': 'sent_at', 'support_tickets': 'opened_at', 'spam_flags': 'flagged_at'}[source]) }}
{% endmacro %}

{# Sources whose rows are about a request that int_<source> knows. #}
{% macro is_child_of_requests(source) %}
  {{ return(source in ('quotes', 'hires', 'quote_events', 'messages', 'support_tickets')) }}
{% endmacro %}

{# Out of order: dated before the request it is about, or after the clock. #}
{% macro is_disordered(source, column) -%}
  ({{ column }} > {{ as_of() }}{% if is_child_of_requests(source) %} or {{ column }} < flagged.request_created_at{% endif %})
{%- endmacro %}

{# True where an arm is written that no experiment declares: of an assignment its own one, of a row any. #}
{% macro is_undeclared_arm(source, relation='flagged') %}
  {%- if mapping().get('everyone') or not experiments_mapping() -%} false
  {%- elif source == 'assignments' -%}
  ({% for e in experiments_mapping() %}({{ relation }}.assigned_experiment_id = {{ text_literal(e.id) }} and {{ is_none_of(relation ~ '.variant', e.arms) }}){{ ' or ' if not loop.last }}{% endfor %})
  {%- else -%} ({{ is_none_of(relation ~ '.variant', experiments_mapping() | sum(attribute='arms', start=[]) | unique | list) }})
  {%- endif -%}
{% endmacro %}

{# An arm that is not written as it is declared: in another case, with blanks, or one nobody declares. #}
{% macro is_off_arm(source, relation='flagged') -%}
  {%- if mapping().get('everyone') or not experiments_mapping() -%} false
  {%- else -%} coalesce({{ is_spelt_otherwise(relation) }} or {{ is_undeclared_arm(source, relation) }}, false)
  {%- endif -%}
{%- endmacro %}

{# Written in another case or with blanks than plumbline.yml writes it. #}
{% macro is_spelt_otherwise(relation) -%}
  {%- set declared = [] -%}
  {%- for e in experiments_mapping() -%}{%- do declared.extend(e.written_arms or []) -%}{%- endfor -%}
  ({{ relation }}.variant_as_written is not null
      {%- if declared %} and {{ is_none_of(relation ~ '.variant_as_written', declared | unique(case_sensitive=true) | list) }}{% endif %})
{%- endmacro %}

{% macro is_none_of(expression, values) -%}
  {{ expression }} not in ({% for v in values %}{{ text_literal(v) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# The defects that can be counted row by row: what is affected, and what no repair reaches, both as conditions.
   Each is one entry of the list; the sums, the rows and the gap models follow from it. `total` is set where not every
   row can have the defect. `whole_hours` and `sampled_logging` are evidence that other models weigh. #}
{% macro row_defects(source, experiment_id, facts='') %}
  {%- set content = content_columns(source) | map(attribute='name') | list -%}
  {%- set found = [] -%}
  {%- for c in content -%}
  {%- if c.endswith('_unreadable') -%}
  {%- set column = c | replace('_unreadable', '') -%}
  {%- set is_unusable = 'flagged.' ~ c ~ ' is not null' -%}
  {%- set is_spelt_otherwise = ' or flagged.' ~ column ~ '_as_written is not null' if column ~ '_as_written' in content else '' -%}
  {%- do found.append({'kind': 'invalid_values', 'column': column, 'affected': is_unusable ~ is_spelt_otherwise, 'residual': is_unusable}) -%}
  {%- elif c.endswith('_as_written') -%}
  {%- if c | replace('_as_written', '_unreadable') not in content and is_mapped(source, c | replace('_as_written', '')) and not mapping().get('everyone') -%}
  {%- do found.append({'kind': 'invalid_values', 'column': c | replace('_as_written', ''),
      'affected': 'flagged.is_off_arm', 'residual': 'flagged.is_off_arm and ' ~ is_undeclared_arm(source)}) -%}
  {%- endif -%}
  {%- elif is_mapped(source, c) -%}
  {%- set is_null = 'flagged.' ~ c ~ ' is null' ~ (' and flagged.' ~ c ~ '_unreadable is null' if c ~ '_unreadable' in content else '') -%}
  {%- set is_arm = source == 'quotes' and c == 'variant' and experiment_id is not none and not mapping().get('everyone') -%}
  {%- set is_left = is_null -%}
  {%- if is_arm -%}{%- set is_left = "flagged.variant is null and coalesce(variants.variant, 'unknown') = 'unknown'" -%}{%- endif -%}
  {%- if source == 'quotes' and c == 'quoted_at' -%}{%- set is_left = is_null ~ ' and flagged.reconciled_at is null' -%}{%- endif -%}
  {%- do found.append({'kind': 'missing_variant' if is_arm else 'missing_values', 'column': c, 'affected': is_null, 'residual': is_left}) -%}
  {%- endif -%}
  {%- endfor -%}
  {%- set time = time_column(source) -%}
  {%- if is_mapped(source, time) -%}
  {%- set is_wrong = is_disordered(source, 'flagged.' ~ time) -%}
  {%- set is_left = '(' ~ is_wrong ~ ' and (flagged.reconciled_at is null or ' ~ is_disordered(source, 'flagged.reconciled_at') ~ '))' if source == 'quotes' else is_wrong -%}
  {%- do found.append({'kind': 'timestamp_disorder', 'column': time, 'affected': is_wrong, 'residual': is_left}) -%}
  {%- endif -%}
  {%- if source == 'quotes' and has_pairs() -%}
  {%- set is_pair = 'flagged.quoted_at <= ' ~ as_of() ~ ' and flagged.logged_at is not null' -%}
  {%- do found.append({'kind': 'source_conflict', 'column': 'quoted_at', 'total': is_pair, 'affected': 'flagged.is_disputed', 'residual': 'flagged.is_disputed'}) -%}
  {%- set is_shifted = 'flagged.is_disputed and flagged.logged_at >= flagged.request_created_at and ' ~ is_whole_hours('flagged.quoted_at', 'flagged.logged_at') -%}
  {%- do found.append({'kind': 'whole_hours', 'column': 'event_at', 'total': 'flagged.is_disputed', 'affected': is_shifted, 'residual': is_shifted}) -%}
  {%- set is_expected = 'flagged.is_kept and flagged.is_first_of_pro and flagged.pro_id is not null and flagged.quoted_at <= (select newest_at from ' ~ facts ~ " where source_name = 'quote_events')" -%}
  {%- set is_unlogged = is_expected ~ ' and not flagged.is_logged' -%}
  {%- do found.append({'kind': 'sampled_logging', 'column': none, 'total': is_expected, 'affected': is_unlogged, 'residual': is_unlogged}) -%}
  {%- endif -%}
  {%- do found.append({'kind': 'duplicate_rows', 'column': none, 'affected': 'flagged.is_duplicate', 'residual': 'false'}) -%}
  {%- if source in ('requests', 'quotes', 'hires', 'support_tickets') -%}
  {%- do found.append({'kind': 'conflicting_keys', 'column': none, 'affected': 'flagged.is_conflict', 'residual': 'flagged.is_conflict'}) -%}
  {%- endif -%}
  {%- if source != 'requests' -%}
  {%- do found.append({'kind': 'orphan_rows', 'column': none, 'affected': 'flagged.is_orphan', 'residual': 'flagged.is_orphan'}) -%}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{# Whether quotes and their event log can be laid side by side. #}
{% macro has_pairs() %}
  {{ return(is_mapped('quotes', 'quoted_at') and is_mapped('quotes', 'pro_id') and is_mapped('quote_events', 'pro_id')
      and is_mapped('quote_events', 'event_at')) }}
{% endmacro %}

{# One to fourteen whole hours apart, within a second: a time zone or a summer time misread. #}
{% macro is_whole_hours(one, other) -%}
  {%- set apart = 'abs(' ~ seconds_between(one, other) ~ ')' -%}
  ({{ apart }} between 3599 and 50401 and abs({{ apart }} - 3600 * round({{ apart }} / 3600.0)) <= 1)
{%- endmacro %}

{# Defects of one source's rows, counted in one pass per experiment, by arm of the request the row belongs to and by the
   day of the row. Grain: experiment × variant × day; one column per defect, and one of its residual where that differs. #}
{% macro defect_sums(source, flagged, variants, lost, facts, experiment_id) %}
  {%- set arm = arm_of_row(source, experiment_id) if experiment_id is not none else typed_null('text') %}
  {%- set dates = (['flagged.' ~ time_column(source)] if is_mapped(source, time_column(source)) else []) + (['flagged.request_created_at'] if is_child_of_requests(source) else []) %}
  select
      {{ text_literal(source) }} as source_name,
      {{ text_literal(experiment_id) if experiment_id is not none else typed_null('text') }} as experiment_id,
      {{ arm }} as variant,
      {% if dates | length > 1 -%} cast(coalesce({{ dates | join(', ') }}) as date)
      {%- elif dates -%} cast({{ dates[0] }} as date) {%- else -%} cast(null as date) {%- endif %} as day,
      count(*) as rows_total
      {%- for defect in row_defects(source, experiment_id, facts) %},
      {%- if defect.total %}
      sum(case when {{ defect.total }} then 1 else 0 end) as total_{{ loop.index }},
      {%- endif %}
      sum(case when {{ defect.affected }} then 1 else 0 end) as affected_{{ loop.index }}
      {%- if defect.residual not in (defect.affected, 'false') %},
      sum(case when {{ defect.residual }} then 1 else 0 end) as residual_{{ loop.index }}
      {%- endif %}
      {%- endfor %}
  from {{ flagged }} as flagged
  {% if experiment_id is not none -%}
  left join {{ variants }} as variants
      on flagged.request_id = variants.request_id and variants.experiment_id = {{ text_literal(experiment_id) }}
  left join {{ lost }} as lost
      on flagged.request_id = lost.request_id and lost.experiment_id = {{ text_literal(experiment_id) }}
  {%- endif %}
  group by 1, 2, 3, 4
{% endmacro %}

{# One measured row of the common shape for each defect of a source, from its sums. #}
{% macro defect_rows(source, experiment_id, relation) %}
  {%- set found = [] -%}
  {%- for defect in row_defects(source, experiment_id) -%}
  {%- set n = loop.index | string -%}
  {%- set residual = '0' if defect.residual == 'false' else 'affected_' ~ n if defect.residual == defect.affected else 'residual_' ~ n -%}
  {%- do found.append(defect_row(defect.kind, defect.column, 'total_' ~ n if defect.total else 'rows_total', 'affected_' ~ n, residual, relation)) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro defect_row(kind, column, total, affected, residual, relation) %}
  select
      source_name, experiment_id, variant, day, {{ text_literal(kind) }} as kind,
      {{ text_literal(column) if column else typed_null('text') }} as column_name,
      {{ total }} as rows_total, {{ affected }} as rows_affected, {{ residual }} as rows_residual
  from {{ relation }}
{% endmacro %}
