{# Parity: two relations that must hold the same value under the same key. The mapping carries one entry per pair whose two
   sides can be read; a side that reads this run's own models has no types yet: its columns are looked up when it is built. #}
{% macro parity_mapping() %}{{ return(mapping().get('parity') or []) }}{% endmacro %}

{# Columns of one side by role, each with its type; `absent` names what is not there. #}
{% macro parity_columns(side) %}
  {% set found = {'absent': []} %}
  {% set looked_up = side.columns.values() | selectattr('type', 'none') | list %}
  {% set there = adapter.get_column_schema_from_query('select * from ' ~ side.relation ~ ' as compared') if looked_up and execute else [] %}
  {% for role, column in side.columns.items() %}
    {% if column.type %}
      {% do found.update({role: column}) %}
    {% else %}
      {% set alike = there | selectattr('name', 'equalto', column.name) | list
          or there | selectattr('name', 'equalto', column.name | lower) | list %}
      {% if alike %}
        {% do found.update({role: {'name': alike[0].name, 'type': alike[0].dtype}}) %}
      {% else %}
        {% do found.absent.append("there is no column '" ~ column.name ~ "' (" ~ role ~ ")") %}
      {% endif %}
    {% endif %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}

{# What a physical type holds: nested, timestamp, boolean, integer, fixed (decimals), single, double or text. #}
{% macro type_family(physical_type) %}
  {% set kind = physical_type | upper | trim %}
  {% if '[' in kind or kind.startswith(('STRUCT', 'MAP', 'UNION', 'ARRAY', 'ROW', 'BLOB', 'BINARY', 'BYTEA', 'VARIANT', 'OBJECT')) %}{{ return('nested') }}
  {% elif kind.startswith('TIMESTAMP') or kind in ('DATE', 'DATETIME') %}{{ return('timestamp') }}
  {% elif kind.startswith('BOOL') %}{{ return('boolean') }}
  {% elif kind.startswith(('TINYINT', 'SMALLINT', 'INT', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT', 'LONG', 'SHORT', 'BYTE'))
      and kind != 'INTERVAL' %}{{ return('integer') }}
  {% elif kind.startswith(('DECIMAL', 'NUMERIC', 'NUMBER')) %}{{ return('integer' if kind.replace(' ', '').endswith((',0)', 'NUMBER')) else 'fixed') }}
  {% elif kind in ('FLOAT', 'REAL', 'FLOAT4') %}{{ return('single') }}
  {% elif kind.startswith('DOUBLE') or kind == 'FLOAT8' %}{{ return('double') }}
  {% else %}{{ return('text') }}{% endif %}
{% endmacro %}

{# As what two columns are compared: number, timestamp, boolean or text; none where no value of one can be one of the other.
   Whole numbers that must be equal are compared as written, since a double would round long ones. #}
{% macro parity_type(left_type, right_type, is_exact) %}
  {% set families = [type_family(left_type), type_family(right_type)] %}
  {% if 'nested' in families or ('timestamp' in families and 'boolean' in families) %}{{ return(none) }}
  {% elif 'timestamp' in families %}{{ return('timestamp') }}
  {% elif 'boolean' in families %}{{ return('boolean') }}
  {% elif families == ['integer', 'integer'] and is_exact %}{{ return('text') }}
  {% elif families == ['text', 'text'] %}{{ return('text') }}
  {% else %}{{ return('number') }}{% endif %}
{% endmacro %}

{# As what two columns of a key are matched: ids as text, so that 17 and 17.0 meet and long ones keep their digits. #}
{% macro parity_key_type(left_type, right_type) %}
  {% set found = parity_type(left_type, right_type, true) %}
  {% set has_decimals = 'fixed' in [type_family(left_type), type_family(right_type)] %}
  {{ return('text' if found == 'number' and not has_decimals else found) }}
{% endmacro %}

{# A raw column as a value of one type; null where it holds none. #}
{% macro parity_value(column, physical_type, value_type, timezone) %}
  {%- set text = 'nullif(trim(' ~ read_text(column, physical_type) ~ "), '')" -%}
  {%- if value_type == 'number' -%} {{ read_double(column, physical_type) }}
  {%- elif value_type == 'timestamp' -%} {{ read_timestamp(column, physical_type, timezone) }}
  {%- elif value_type == 'boolean' -%}
  case
    when lower({{ text }}) in ('true', 't', 'yes', 'y', '1') then 'true'
    when lower({{ text }}) in ('false', 'f', 'no', 'n', '0') then 'false'
    else lower({{ text }})
  end
  {%- else -%} {{ text }} {%- endif -%}
{% endmacro %}

{# Everything that is known of one comparison before a row is read; `fault` says why there can be none. #}
{% macro parity_plan(parity) %}
  {% set columns = {'left': parity_columns(parity.left), 'right': parity_columns(parity.right)} %}
  {% set plan = {'columns': columns, 'keys': [], 'type': none, 'is_guessed': false, 'relative': parity.relative_tolerance, 'fault': none} %}
  {% set faults = [] %}
  {% for name in ('left', 'right') if columns[name].absent %}{% do faults.append(name ~ ': ' ~ columns[name].absent | join(', ')) %}{% endfor %}
  {% if faults %}
    {% do plan.update({'fault': faults | join('; ')}) %}
    {{ return(plan) }}
  {% endif %}
  {% for n in range(1, parity.left['keys'] + 1) %}
    {% set role = 'key ' ~ n %}
    {% set types = [columns.left[role].type, columns.right[role].type] %}
    {% do plan['keys'].append(parity_key_type(types[0], types[1])) %}
    {% if plan['keys'][-1] is none %}{% do faults.append(role ~ ': a ' ~ types[0] ~ ' can not be matched with a ' ~ types[1]) %}{% endif %}
  {% endfor %}
  {% set types = [columns.left['value'].type, columns.right['value'].type] %}
  {% set families = [type_family(types[0]), type_family(types[1])] %}
  {% set tolerates = parity.tolerance > 0 or parity.relative_tolerance > 0 %}
  {% set natural = parity_type(types[0], types[1], not tolerates) %}
  {% if natural is none %}
    {% do faults.append('value: a ' ~ types[0] ~ ' can not be compared with a ' ~ types[1]) %}
  {% elif not parity.type and tolerates and natural in ('text', 'boolean') %}
    {% do faults.append('value: a tolerance for a ' ~ types[0] ~ ' and a ' ~ types[1] ~ ' needs type: number or type: timestamp to say what it means') %}
  {% elif not parity.type and natural == 'timestamp' and parity.relative_tolerance > 0 %}
    {% do faults.append('value: relative_tolerance is for numbers, and these are timestamps') %}
  {% endif %}
  {% set type = parity.type or natural %}
  {% do plan.update({'type': type, 'is_guessed': families == ['text', 'text'] and not parity.type}) %}
  {% if type == 'number' and families.count('single') == 1 %}
    {# A number of 32 bits can not say more than seven digits of the other. #}
    {% do plan.update({'relative': [parity.relative_tolerance, 1.2e-7] | max}) %}
  {% endif %}
  {% if faults %}{% do plan.update({'fault': faults | join('; ')}) %}{% endif %}
  {{ return(plan) }}
{% endmacro %}

{# One side, one row a key: how often it occurs, its least and greatest value, and the same of what can not be read as one. #}
{% macro parity_side(parity, plan, name) %}
  {%- set side, columns = parity[name], plan.columns[name] -%}
  {%- set telling = ['by', 'request'] | select('in', columns) | list -%}
  select
      {%- for n in range(1, side['keys'] + 1) %}
      key_{{ n }},
      {%- endfor %}
      {%- for role in telling %}
      case when min({{ role }}_value) = max({{ role }}_value) and count({{ role }}_value) = count(*) then min({{ role }}_value) end as {{ role }}_value,
      {%- endfor %}
      count(*) as n_rows,
      count(typed_value) as n_values,
      count(case when typed_value is null then unread_value end) as n_unread,
      min(typed_value) as least, max(typed_value) as greatest,
      min(case when typed_value is null then unread_value end) as least_unread,
      max(case when typed_value is null then unread_value end) as greatest_unread
      {%- if plan.is_guessed %},
      count(number_value) as n_numbers, min(number_value) as least_number, max(number_value) as greatest_number
      {%- endif %}
  from (
      select
          {%- for type in plan['keys'] %}{% set role = 'key ' ~ loop.index %}
          {{ parity_value('raw_key_' ~ loop.index, columns[role].type, type, side.timezone) }} as key_{{ loop.index }},
          {%- endfor %}
          {%- for role in telling %}
          {{ parity_value('raw_' ~ role, columns[role].type, 'text', side.timezone) }} as {{ role }}_value,
          {%- endfor %}
          {{ parity_value('raw_value', columns['value'].type, plan.type, side.timezone) }} as typed_value,
          {% if plan.type in ('number', 'timestamp') -%}
          nullif(lower({{ parity_value('raw_value', columns['value'].type, 'text', side.timezone) }}), 'nan') as unread_value
          {%- else -%} {{ typed_null('text') }} as unread_value {%- endif %}
          {%- if plan.is_guessed %},
          {{ read_double('raw_value', columns['value'].type) }} as number_value
          {%- endif %}
      from (
          select
              {%- for n in range(1, side['keys'] + 1) %}
              {{ identifier(columns['key ' ~ n].name) }} as raw_key_{{ n }},
              {%- endfor %}
              {%- for role in telling %}
              {{ identifier(columns[role].name) }} as raw_{{ role }},
              {%- endfor %}
              {{ identifier(columns['value'].name) }} as raw_value
          from {{ side.relation }} as compared
          {%- if side.where %}
          where ({{ side.where }})
          {%- endif %}
      ) as raw_rows
  ) as typed_rows
  group by {% for n in range(1, side['keys'] + 1) %}{{ 'key_' ~ n }}{{ ', ' if not loop.last }}{% endfor %}
{% endmacro %}

{# True where two numbers are further apart than allowed. The last digits of a double are not held against a tolerance, so
   that limits are inclusive. #}
{% macro numbers_differ(a, b, tolerance, relative) %}
  {%- set size -%} case when abs({{ a }}) > abs({{ b }}) then abs({{ a }}) else abs({{ b }}) end {%- endset -%}
  {%- if tolerance == 0 and relative == 0 -%} {{ a }} <> {{ b }}
  {%- else -%}
  abs({{ a }} - {{ b }}) > {{ tolerance }} + 1e-15 * ({{ size }}) and abs({{ a }} - {{ b }}) > ({{ relative }} + 1e-15) * ({{ size }})
  {%- endif -%}
{% endmacro %}

{# True where some row of the left and some row of the right disagree: the far ends decide for all rows between. #}
{% macro ends_differ(plan, parity, least, greatest) %}
  {%- set ends = [('left_side.' ~ least, 'right_side.' ~ greatest), ('left_side.' ~ greatest, 'right_side.' ~ least)] -%}
  {%- for a, b in ends -%}
    {%- if plan.type == 'number' -%} ({{ numbers_differ(a, b, parity.tolerance, plan.relative) }})
    {%- elif plan.type == 'timestamp' -%} abs({{ seconds_between(a, b) }}) > {{ parity.tolerance }}
    {%- else -%} {{ a }} <> {{ b }} {%- endif -%}
    {{ ' or ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}

{# How far the far ends of a key lie apart, in the value's unit or in seconds. #}
{% macro ends_apart(plan) %}
  {%- set ends = [('left_side.least', 'right_side.greatest'), ('left_side.greatest', 'right_side.least')] -%}
  {%- set apart = [] -%}
  {%- for a, b in ends -%}
    {%- do apart.append('abs(' ~ (seconds_between(a, b) if plan.type == 'timestamp' else a ~ ' - ' ~ b) ~ ')') -%}
  {%- endfor -%}
  case when {{ apart[0] }} > {{ apart[1] }} then {{ apart[0] }} else {{ apart[1] }} end
{% endmacro %}

{# Keys of both sides side by side, each with what is to be counted of it. Grain: one row a key, and one per side for rows without. #}
{% macro parity_pairs(parity, plan, left, right) %}
  {%- set keys = range(1, parity.left['keys'] + 1) -%}
  {%- set telling = ['by', 'request'] | select('in', plan.columns.left) | list -%}
  {%- set is_keyless -%} ({% for n in keys %}coalesce(left_side.key_{{ n }}, right_side.key_{{ n }}) is null{{ ' or ' if not loop.last }}{% endfor %}) {%- endset -%}
  select
      {%- for role in telling %}
      left_side.{{ role }}_value,
      {%- endfor %}
      left_side.n_rows as left_rows, right_side.n_rows as right_rows,
      {{ is_keyless }} as is_keyless,
      case
          when left_side.n_rows is null or right_side.n_rows is null then 0
          when left_side.n_values + left_side.n_unread + right_side.n_values + right_side.n_unread = 0 then 0
          when left_side.n_values = left_side.n_rows and right_side.n_values = right_side.n_rows
              then case when {{ ends_differ(plan, parity, 'least', 'greatest') }} then 1 else 0 end
          when left_side.n_unread = left_side.n_rows and right_side.n_unread = right_side.n_rows
              and left_side.least_unread = right_side.greatest_unread and left_side.greatest_unread = right_side.least_unread then 0
          else 1
      end as is_conflict,
      case when left_side.n_unread + right_side.n_unread > 0 then 1 else 0 end as is_unread,
      {% if plan.is_guessed -%}
      case
          when left_side.n_numbers = left_side.n_rows and right_side.n_numbers = right_side.n_rows
              and left_side.least_number = right_side.greatest_number and left_side.greatest_number = right_side.least_number then 1 else 0
      end
      {%- else -%} 0 {%- endif %} as is_same_number,
      {% if plan.type in ('number', 'timestamp') -%} {{ ends_apart(plan) }} {%- else -%} {{ typed_null('double') }} {%- endif %} as apart
  from {{ left }} as left_side
  full outer join {{ right }} as right_side
      on {% for n in keys %}left_side.key_{{ n }} = right_side.key_{{ n }}{{ ' and ' if not loop.last }}{% endfor %}
{% endmacro %}

{# The arm of a key in one experiment; null where it has none there. #}
{% macro parity_arm(parity, experiment) %}
  {%- if parity.arms_from == 'by' -%}
  case
      when pairs.left_rows is null then null
      when lower(pairs.by_value) in ({% for arm in experiment.arms %}{{ text_literal(arm) }}{{ ', ' if not loop.last }}{% endfor %}) then lower(pairs.by_value)
      else 'unknown'
  end
  {%- elif parity.arms_from == 'request' -%} case when variants.is_in_cohort then variants.variant end
  {%- else -%} {{ typed_null('text') }} {%- endif -%}
{% endmacro %}

{# Counts of one comparison in one experiment. Grain: one row an arm. #}
{% macro parity_sums(parity, experiment, pairs, variants) %}
  select
      {{ text_literal(experiment.id) if parity.arms_from else typed_null('text') }} as experiment_id,
      {{ parity_arm(parity, experiment) }} as variant,
      sum(case when left_rows is not null and right_rows is not null then 1 else 0 end) as n_both,
      sum(is_conflict) as n_conflicting,
      sum(case when right_rows is null and not is_keyless then 1 else 0 end) as n_only_left,
      sum(case when left_rows is null and not is_keyless then 1 else 0 end) as n_only_right,
      sum(case when is_keyless then left_rows else 0 end) as n_keyless_left,
      sum(case when is_keyless then right_rows else 0 end) as n_keyless_right,
      sum(case when left_rows > 1 and not is_keyless then 1 else 0 end) as n_repeated_left,
      sum(case when right_rows > 1 and not is_keyless then 1 else 0 end) as n_repeated_right,
      sum(is_conflict * is_unread) as n_unread,
      sum(is_conflict * is_same_number) as n_same_number,
      max(case when is_conflict = 1 then apart end) as greatest_apart
  from {{ pairs }} as pairs
  {% if parity.arms_from == 'request' -%}
  left join {{ variants }} as variants
      on pairs.request_value = variants.request_id and variants.experiment_id = {{ text_literal(experiment.id) }}
  {%- endif %}
  {%- if parity.arms_from %}
  group by {{ parity_arm(parity, experiment) }}
  {%- endif %}
{% endmacro %}

{# A count after the words for it; nothing where there is none. #}
{% macro parity_words(count, words) %}
  case when {{ count }} > 0 then {{ text_literal('; ' ~ words ~ ': ') }} || cast({{ count }} as {{ sql_type('text') }}) else '' end
{% endmacro %}

{# What was found over all keys, in words; a distance in the seven digits of a short number, without the noise of a long one. #}
{% macro parity_note(parity, plan) %}
  {%- set left, right = 'left (' ~ parity.left.label ~ ')', 'right (' ~ parity.right.label ~ ')' -%}
  {%- set allowed = '' -%}
  {%- if plan.type == 'number' and plan.relative > 0 -%}
    {%- set allowed = ' by more than ' ~ (parity.tolerance ~ ' and ' if parity.tolerance > 0 else '') ~ plan.relative ~ ' of the greater' -%}
  {%- elif plan.type in ('number', 'timestamp') and parity.tolerance > 0 -%}
    {%- set allowed = ' by more than ' ~ parity.tolerance ~ (' s' if plan.type == 'timestamp' else '') -%}
  {%- endif -%}
  case
      when n_both = 0 then {{ text_literal('nothing could be compared: no key is both in ' ~ left ~ ' and in ' ~ right) }}
      else cast(n_conflicting as {{ sql_type('text') }}) || ' of ' || cast(n_both as {{ sql_type('text') }})
          || {{ text_literal(' keys that both have differ in ' ~ parity.column ~ allowed) }}
          {%- if plan.type in ('number', 'timestamp') %}
          || case when greatest_apart is not null then ' (the furthest by ' || cast(cast(greatest_apart as real) as {{ sql_type('text') }}) || {{ text_literal(' s)' if plan.type == 'timestamp' else ')') }} else '' end
          {%- endif %}
  end
  || {{ parity_words('n_only_left', 'keys only in ' ~ left) }}
  || {{ parity_words('n_only_right', 'keys only in ' ~ right) }}
  || {{ parity_words('n_keyless_left', 'rows of left without a key') }}
  || {{ parity_words('n_keyless_right', 'rows of right without a key') }}
  || {{ parity_words('n_repeated_left', 'keys more than once in left') }}
  || {{ parity_words('n_repeated_right', 'keys more than once in right') }}
  || {{ parity_words('n_unread', 'conflicts with a value that is no ' ~ plan.type) }}
  || {{ parity_words('n_same_number', 'conflicts that are one number written in two ways, which type: number would not count') }}
{% endmacro %}

{# The measured rows of one comparison: all keys once, and each arm. #}
{% macro parity_rows(parity, plan, sums, first_sums) %}
  {%- set is_unmatched = 'n_only_left + n_only_right + n_keyless_left + n_keyless_right > 0' -%}
  {%- set counts_unmatched = parity.unmatched == 'conflict' -%}
  {%- set total = 'n_both + n_only_left + n_only_right' if counts_unmatched else 'n_both' -%}
  {%- set affected = 'n_conflicting + n_only_left + n_only_right' if counts_unmatched else 'n_conflicting' -%}
  select
      {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant,
      case when {{ total }} > 0 then {{ total }} end as rows_total,
      case when {{ total }} > 0 then {{ affected }} end as rows_affected,
      n_conflicting > 0 or n_both = 0{{ ' or ' ~ is_unmatched if parity.unmatched != 'ignore' }} as is_gap,
      {{ parity_note(parity, plan) }} as note,
      n_only_left, n_only_right
  from (
      select
          {%- for count in parity_counted() %}
          coalesce(sum({{ count }}), 0) as {{ count }},
          {%- endfor %}
          max(greatest_apart) as greatest_apart
      from {{ first_sums }}
  ) as all_keys
  {%- if parity.arms_from %}{% for relation in sums %}
  union all
  select
      experiment_id, variant, {{ total }}, {{ affected }}, {{ affected }} > 0, {{ typed_null('text') }}, n_only_left, n_only_right
  from {{ relation }}
  where variant is not null
  {%- endfor %}{% endif %}
{% endmacro %}

{% macro parity_counted() %}
  {{ return(['n_both', 'n_conflicting', 'n_only_left', 'n_only_right', 'n_keyless_left', 'n_keyless_right', 'n_repeated_left',
    'n_repeated_right', 'n_unread', 'n_same_number']) }}
{% endmacro %}
