{#- Quote time: the event log's earliest for that request and pro where it has one, else the transactional row's;
    of several quotes by one pro only the earliest takes the log's. -#}
{%- set staged = ref('stg_quotes') -%}
{%- set requests = ref('int_requests') -%}
{%- set staged_requests = ref('stg_requests') -%}
{%- set events = ref('int_quote_events') -%}
with {{ flag_rows('quotes', staged, key='quote_id', anchors=[['quote_id'], ['request_id', 'pro_id']],
    resend=['request_id', 'pro_id', 'quoted_at'], order_at='quoted_at') }},

{{ parent_requests(requests, staged_requests) }},

first_events as (

    select request_id, pro_id, min(event_at) as first_event_at
    from {{ events }}
    where quarantine_reason is null and pro_id is not null and {{ is_not_later('event_at') }}
    group by request_id, pro_id

),

paired as (

    select
        flagged.*,
        row_number() over (
            partition by request_id, pro_id, is_kept
            order by case when quoted_at is null then 1 else 0 end, quoted_at, quote_id
        ) = 1 as is_first_of_pro
    from flagged
    where is_repeated
    union all
    select flagged.*, true as is_first_of_pro
    from flagged
    where not is_repeated

),

timed as (

    select
        paired.*,
        case when is_kept and is_first_of_pro then first_events.first_event_at end as logged_at,
        first_events.request_id is not null as is_logged,
        parents.request_created_at,
        {{ is_off_arm('quotes', 'paired') }} as is_off_arm,
        {{ is_orphan('paired.request_id') }} as is_orphan
    from paired
    left join first_events
        on paired.request_id = first_events.request_id and paired.pro_id = first_events.pro_id
    left join parents on paired.request_id = parents.request_id
    left join unused_parents on paired.request_id = unused_parents.unused_request_id

),

final as (

    select
        timed.*,
        coalesce(logged_at, quoted_at) as reconciled_at,
        {# Both sources date it, and not alike: which of them is right, nobody knows. -#}
        quoted_at <= {{ as_of() }} and abs({{ seconds_between('quoted_at', 'logged_at') }}) > 1 as is_disputed,
        case
            when logged_at is not null then 'event_log'
            when quoted_at is not null then 'transaction'
        end as quoted_at_source
    from timed

)

select * from final
