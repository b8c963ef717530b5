{#- One wide row per request: the facts every metric is an expression of, and the same with removed duplicates left in. -#}
{%- set requests = ref('requests') -%}
{%- set flagged_requests = ref('int_requests') -%}
{%- set request_quotes = ref('int_request_quotes') -%}
{%- set hires = ref('int_hires') -%}
{%- set tickets = ref('int_support_tickets') -%}
{%- set flags = ref('int_spam_flags') -%}
with repeats as (

    select request_id, count(*) as n_copies
    from {{ flagged_requests }}
    where quarantine_reason is null and is_copy
    group by request_id

),

dated_hires as (

    select
        request_id,
        amount,
        is_duplicate,
        lower(outcome) in ('refunded', 'disputed') as is_refunded,
        {{ seconds_between('request_created_at', 'hired_at') }} as seconds_after_request
    from {{ hires }}
    where quarantine_reason is null and not is_conflict and request_created_at is not null
        and {{ is_counted('hires', 'hired_at') }}

),

request_hires as (

    select
        request_id,
        min(seconds_after_request) as first_hire_seconds,
        sum(case when is_duplicate then 0 else 1 end) as n_hires,
        count(*) as n_hires_with_duplicates,
        sum(case when is_refunded and not is_duplicate then 1 else 0 end) as n_refunded_hires,
        sum(case when is_refunded then 1 else 0 end) as n_refunded_hires_with_duplicates,
        sum(case when is_duplicate then 0 else amount end) as gmv,
        sum(amount) as gmv_with_duplicates
    from dated_hires
    group by request_id

),

request_tickets as (

    select
        request_id,
        sum(case when is_duplicate then 0 else 1 end) as n_support_tickets,
        count(*) as n_support_tickets_with_duplicates
    from {{ tickets }}
    where quarantine_reason is null and not is_conflict and {{ is_counted('support_tickets', 'opened_at') }}
    group by request_id

),

request_flags as (

    select
        request_id,
        sum(case when is_duplicate then 0 else 1 end) as n_spam_flags,
        count(*) as n_spam_flags_with_duplicates
    from {{ flags }}
    where quarantine_reason is null and request_id is not null and {{ is_counted('spam_flags', 'flagged_at') }}
    group by request_id

),

final as (

    select
        requests.request_id,
        requests.created_at,
        requests.customer_id,
        requests.session_id,
        requests.category,
        requests.geo,
        cast(coalesce(repeats.n_copies, 0) + 1 as {{ sql_type('bigint') }}) as n_copies,
        cast(request_quotes.first_quote_seconds as {{ sql_type('double') }}) as first_quote_seconds,
        {%- for column in ['n_quotes', 'n_quotes_with_duplicates', 'n_quotes_24h', 'n_quotes_24h_with_duplicates', 'n_undated_quotes'] %}
        cast(coalesce(request_quotes.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        cast(request_hires.first_hire_seconds as {{ sql_type('double') }}) as first_hire_seconds,
        {%- for column in ['n_hires', 'n_hires_with_duplicates', 'n_refunded_hires', 'n_refunded_hires_with_duplicates'] %}
        cast(coalesce(request_hires.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        cast(coalesce(request_hires.gmv, 0) as {{ sql_type('double') }}) as gmv,
        cast(coalesce(request_hires.gmv_with_duplicates, 0) as {{ sql_type('double') }}) as gmv_with_duplicates,
        {%- for column in ['n_support_tickets', 'n_support_tickets_with_duplicates'] %}
        cast(coalesce(request_tickets.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        cast(coalesce(request_flags.n_spam_flags, 0) as {{ sql_type('bigint') }}) as n_spam_flags,
        cast(coalesce(request_flags.n_spam_flags_with_duplicates, 0) as {{ sql_type('bigint') }}) as n_spam_flags_with_duplicates
    from {{ requests }} as requests
    left join repeats on requests.request_id = repeats.request_id
    left join {{ request_quotes }} as request_quotes on requests.request_id = request_quotes.request_id
    left join request_hires on requests.request_id = request_hires.request_id
    left join request_tickets on requests.request_id = request_tickets.request_id
    left join request_flags on requests.request_id = request_flags.request_id

)

select * from final
