{#- What came in and what became of it, per source. Rows in = kept + quarantined + removed + filtered. What came in is counted
    in the raw relation itself and what was filtered in staging, so that neither can hide rows lost on the way: the difference
    is theirs to show. -#}
{%- set staged = {
    'requests': ref('stg_requests'), 'quotes': ref('stg_quotes'), 'hires': ref('stg_hires'),
    'assignments': ref('stg_assignments'), 'quote_events': ref('stg_quote_events'), 'messages': ref('stg_messages'),
    'support_tickets': ref('stg_support_tickets'), 'spam_flags': ref('stg_spam_flags'), 'dashboards': ref('stg_dashboards')} -%}
{%- set flagged = {
    'requests': ref('int_requests'), 'quotes': ref('int_quotes'), 'hires': ref('int_hires'),
    'assignments': ref('int_assignments'), 'quote_events': ref('int_quote_events'), 'messages': ref('int_messages'),
    'support_tickets': ref('int_support_tickets'), 'spam_flags': ref('int_spam_flags')} -%}
{%- set dated = {
    'requests': 'created_at', 'quotes': 'quoted_at', 'hires': 'hired_at', 'assignments': 'assigned_at',
    'quote_events': 'event_at', 'messages': 'sent_at', 'support_tickets': 'opened_at', 'spam_flags': 'flagged_at',
    'dashboards': 'as_of'} -%}
with facts as (
    {% for source in dated %}
    select
        {{ text_literal(source) }} as source_name,
        {% if source_mapping(source).get('freshness_seconds') and is_mapped(source, dated[source]) -%}
        cast({{ source_mapping(source).freshness_seconds }} as {{ sql_type('double') }})
        {%- else -%} {{ typed_null('double') }} {%- endif %} as freshness_seconds,
        {% if is_mapped(source) -%}
        (select count(*) from {{ source_mapping(source).relation }} as raw_source)
        {%- else -%} 0 {%- endif %} as rows_in,
        (select sum(case when is_filtered then 1 else 0 end) from {{ staged[source] }}) as rows_filtered,
        count(*) as rows_total,
        sum(case when quarantine_reason is not null then 1 else 0 end) as rows_quarantined,
        sum(case when is_duplicate then 1 else 0 end) as rows_duplicate,
        sum(case when is_conflict then 1 else 0 end) as rows_conflicting,
        sum(case when is_kept then 1 else 0 end) as rows_kept,
        sum(case when {{ dated[source] }} > {{ as_of() }} then 1 else 0 end) as rows_after_as_of,
        max(case when {{ dated[source] }} <= {{ as_of() }} then {{ dated[source] }} end) as newest_at
    {% if source in flagged -%}
    from {{ flagged[source] }}
    {%- else -%}
    {# Nothing repairs a figure that a dashboard shows: it is usable or it is not. -#}
    from (
        select {{ dated[source] }}, quarantine_reason, false as is_duplicate, false as is_conflict, quarantine_reason is null as is_kept
        from {{ staged[source] }}
        where not is_filtered
    ) as unrepaired
    {%- endif %}
    {%- if not loop.last %} union all {% endif %}
    {% endfor %}
),

aged as (

    select
        facts.*,
        {{ seconds_between('newest_at', as_of()) }} as age_seconds
    from facts

),

judged as (

    select
        aged.*,
        freshness_seconds is not null and (newest_at is null or age_seconds > freshness_seconds) as is_stale
    from aged

),

final as (

    select
        source_name,
        cast(rows_in as {{ sql_type('bigint') }}) as rows_in,
        cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
        cast(coalesce(rows_filtered, 0) as {{ sql_type('bigint') }}) as rows_filtered,
        cast(coalesce(rows_quarantined, 0) as {{ sql_type('bigint') }}) as rows_quarantined,
        cast(coalesce(rows_duplicate, 0) as {{ sql_type('bigint') }}) as rows_duplicate,
        cast(coalesce(rows_conflicting, 0) as {{ sql_type('bigint') }}) as rows_conflicting,
        cast(coalesce(rows_kept, 0) as {{ sql_type('bigint') }}) as rows_kept,
        cast(coalesce(rows_after_as_of, 0) as {{ sql_type('bigint') }}) as rows_after_as_of,
        newest_at,
        age_seconds,
        freshness_seconds,
        is_stale,
        case when is_stale then newest_at else {{ as_of() }} end as cutoff_at
    from judged

)

select * from final
