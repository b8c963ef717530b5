{# Flags of one source's rows: exact copies, re-sent rows, conflicting keys. Grain: one row per unfiltered raw row.
   Most keys occur once, so two hash aggregations find the few rows worth a window and only those are sorted. #}

{# Columns that make two rows equal: every logical column and every unreadable text. #}
{% macro content_columns(source) %}
  {% set found = [] %}
  {% for c in declared_columns('stg_' ~ source, 'staging') if c.name not in ('is_filtered', 'quarantine_reason') %}
    {% do found.append({'name': c.name, 'type': c.data_type}) %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}

{# A value that groups like the column but is never null, so that plain hash joins serve; candidates may be too many. #}
{% macro groupable(column) %}coalesce(cast({{ column }} as {{ sql_type('text') }}), '~null~'){% endmacro %}

{% macro flag_rows(source, staged, key=none, anchors=[], resend=none, order_at=none) %}
{%- set content = content_columns(source) | map(attribute='name') | list -%}
{#- Two spellings of one arm are the same row twice. -#}
{%- set identity = [] -%}
{%- for c in content if not c.endswith('_as_written') -%}{%- do identity.append(c) -%}{%- endfor -%}
{%- set has_key = key is not none and is_mapped(source, key) -%}
{%- set groupings = [] -%}
{%- for columns in anchors if has_key or key not in columns -%}{%- do groupings.append(columns) -%}{%- endfor -%}
{%- if not groupings -%}{%- do groupings.append(identity) -%}{%- endif -%}
staged as (

    select
        {%- for c in content %}
        {{ c }},
        {%- endfor %}
        quarantine_reason
    from {{ staged }}
    where not is_filtered

),
{% for columns in groupings %}
repeated_{{ loop.index }} as (

    select {% for c in columns %}{{ groupable(c) }} as a{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
    from staged
    where quarantine_reason is null
    group by {% for c in columns %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
    having count(*) > 1

),
{% endfor %}
marked as (

    select
        staged.*,
        staged.quarantine_reason is null and (
            {%- for columns in groupings %} repeated_{{ loop.index }}.a1 is not null{{ ' or' if not loop.last }}{% endfor %}
        ) as is_candidate
    from staged
    {%- for columns in groupings %}{% set n = loop.index %}
    left join repeated_{{ n }}
        on {% for c in columns %}{{ groupable('staged.' ~ c) }} = repeated_{{ n }}.a{{ loop.index }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- endfor %}

),

copies as (

    select
        {%- for c in content %}
        {{ c }},
        {%- endfor %}
        quarantine_reason,
        row_number() over (partition by {{ identity | join(', ') }} order by {{ content | join(', ') or '1' }}) > 1 as is_copy
    from marked
    where is_candidate

),

resent as (

    select
        copies.*,
        {# The same under another key; rows that share a key contradict each other, they are not re-sent. -#}
        {% if resend and has_key -%}
        (not is_copy {%- for c in resend %} and {{ c }} is not null{% endfor %}
        and {{ key }} <> min({{ key }}) over (partition by is_copy, {{ resend | join(', ') }}))
        {%- else -%} false {%- endif %} as is_resend
    from copies

),

ranked as (

    select
        resent.*,
        {% if has_key -%}
        (not is_copy and not is_resend and row_number() over (
            partition by {{ key }}, is_copy, is_resend
            order by case when {{ order_at }} is null then 1 else 0 end, {{ order_at }} desc, {{ content | join(', ') }}
        ) > 1)
        {%- else -%} false {%- endif %} as is_conflict,
        {% if has_key -%}
        (not is_copy and not is_resend and count(*) over (partition by {{ key }}, is_copy, is_resend) > 1)
        {%- else -%} false {%- endif %} as is_contested
    from resent

),

flagged as (

    select
        {%- for c in content %}
        {{ c }},
        {%- endfor %}
        quarantine_reason, is_copy, is_copy or is_resend as is_duplicate, is_conflict, is_contested,
        not is_copy and not is_resend and not is_conflict as is_kept, true as is_repeated
    from ranked
    union all
    select
        {%- for c in content %}
        {{ c }},
        {%- endfor %}
        quarantine_reason, false, false, false, false, quarantine_reason is null, false
    from marked
    where not is_candidate

)
{% endmacro %}

{# Parents of child rows: kept requests, and requests that exist but are filtered out or unusable (their children are no orphans). #}
{% macro parent_requests(requests, staged_requests) %}
parents as (

    select request_id, created_at as request_created_at
    from {{ requests }}
    where is_kept

),

unused_parents as (

    select distinct request_id as unused_request_id
    from {{ staged_requests }}
    where (is_filtered or quarantine_reason is not null) and request_id is not null

)
{% endmacro %}

{% macro is_orphan(child_key) %}
  {%- if is_mapped('requests', 'request_id') -%}
  ({{ child_key }} is not null and parents.request_id is null and unused_parents.unused_request_id is null)
  {%- else -%} {{ typed_null('boolean') }} {%- endif -%}
{% endmacro %}

{# A child of requests with nothing of its own to repair: flags, its parent's time, whether it is an orphan. #}
{% macro child_of_requests(source, staged, requests, staged_requests, key, anchors, order_at) %}
with {{ flag_rows(source, staged, key, anchors, none, order_at) }},

{{ parent_requests(requests, staged_requests) }},

final as (

    select
        flagged.*,
        parents.request_created_at,
        {% if 'variant' in content_columns(source) | map(attribute='name') -%} {{ is_off_arm(source) }} as is_off_arm, {%- endif %}
        {{ is_orphan('flagged.request_id') }} as is_orphan
    from flagged
    left join parents on flagged.request_id = parents.request_id
    left join unused_parents on flagged.request_id = unused_parents.unused_request_id

)

select * from final
{% endmacro %}

{# True for rows not dated after the clock: undated ones tell no time, but still what they say. #}
{% macro is_not_later(date_column) %}coalesce({{ date_column }} <= {{ as_of() }}, true){% endmacro %}

{# True for rows dated up to the clock; a source without dates has no later rows to tell apart. #}
{% macro is_counted(source, date_column, value=none) %}
  {%- if is_mapped(source, date_column) -%} coalesce({{ value or date_column }} <= {{ as_of() }}, false) {%- else -%} true {%- endif -%}
{% endmacro %}
