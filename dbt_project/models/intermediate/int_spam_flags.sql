{#- A flag names a quote id; re-sent quotes keep theirs, so flags on them still reach the request. -#}
{%- set staged = ref('stg_spam_flags') -%}
{%- set quotes = ref('int_quotes') -%}
{%- set staged_quotes = ref('stg_quotes') -%}
with {{ flag_rows('spam_flags', staged, anchors=[['quote_id', 'flagged_at']], order_at='flagged_at') }},

quoted as (

    {# An id that was re-sent and also used for another quote has two rows: the kept one comes first. -#}
    select
        quote_id as parent_quote_id,
        coalesce(max(case when is_kept then request_id end), min(request_id)) as request_id
    from {{ quotes }}
    where quarantine_reason is null and not is_copy and not is_conflict and quote_id is not null
    group by quote_id

),

unused_quotes as (

    select distinct quote_id as unused_quote_id
    from {{ staged_quotes }}
    where (is_filtered or quarantine_reason is not null) and quote_id is not null

),

final as (

    select
        flagged.*,
        quoted.request_id,
        {% if is_mapped('quotes', 'quote_id') -%}
        (flagged.quote_id is not null and quoted.parent_quote_id is null and unused_quotes.unused_quote_id is null)
        {%- else -%} {{ typed_null('boolean') }} {%- endif %} as is_orphan
    from flagged
    left join quoted on flagged.quote_id = quoted.parent_quote_id
    left join unused_quotes on flagged.quote_id = unused_quotes.unused_quote_id

)

select * from final
