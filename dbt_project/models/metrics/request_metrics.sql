{#- One wide row per request: the facts every metric is an expression of, and the same with removed duplicates left in. -#}
{%- set requests = ref('requests') -%}
{%- set flagged_requests = ref('int_requests') -%}
{%- set request_quotes = ref('int_request_quotes') -%}
{%- set hires = ref('int_hires') -%}
{%- set tickets = ref('int_support_tickets') -%}
{%- set flags = ref('int_spam_flags') -%}
{#- A reference in a plain run would ask unit tests for rows. -#}
{%- set own = ref('int_own_metrics') if not execute or own_tables() else none -%}
{#- Windows over all hires are looked at only where a metric asks for them. -#}
{%- set has_rehires = metrics_mapping() | selectattr('name', 'equalto', 'rehire_rate_30d') | list | length > 0 -%}
{%- set month_us = 30 * 86400 * 1000000 -%}
with repeats as (

    select
        request_id,
        sum(case when is_copy then 1 else 0 end) as n_copies,
        sum(case when is_conflict then 1 else 0 end) as n_other_readings
    from {{ flagged_requests }}
    where quarantine_reason is null and (is_copy or is_conflict)
    group by request_id

),

{# A hire that is told in several ways: what each of them would make of it. #}
contested_hires as (

    select
        hire_id,
        min(hired_at) as soonest_at,
        max(hired_at) as latest_at,
        count(hired_at) < count(*) as is_undated_in_one,
        min(request_id) <> max(request_id) as is_of_two_requests,
        min(amount) as least_amount,
        max(amount) as most_amount,
        min(case when lower(outcome) in ('refunded', 'disputed') then 1 else 0 end) as least_refunded,
        max(case when outcome is null or lower(outcome) in ('refunded', 'disputed') then 1 else 0 end) as most_refunded
    from {{ hires }}
    where is_contested and quarantine_reason is null
    group by hire_id

),

told_hires as (

    select
        hires.*,
        {{ seconds_between('hires.request_created_at', 'hires.hired_at') }} as seconds_after_request,
        case
            when contested_hires.hire_id is null then {{ seconds_between('hires.request_created_at', 'hires.hired_at') }}
            when contested_hires.is_undated_in_one then 0
            when hires.is_conflict then {{ seconds_between('hires.request_created_at', 'hires.hired_at') }}
            else {{ seconds_between('hires.request_created_at', 'contested_hires.soonest_at') }}
        end as sooner_seconds,
        case
            when contested_hires.hire_id is null then {{ seconds_between('hires.request_created_at', 'hires.hired_at') }}
            when not contested_hires.is_undated_in_one and not contested_hires.is_of_two_requests and contested_hires.latest_at <= {{ as_of() }}
                then {{ seconds_between('hires.request_created_at', 'contested_hires.latest_at') }}
        end as later_seconds,
        coalesce(contested_hires.is_of_two_requests, false) as is_of_two_requests,
        contested_hires.least_amount,
        contested_hires.most_amount,
        contested_hires.least_refunded,
        contested_hires.most_refunded
    from {{ hires }} as hires
    left join contested_hires on hires.is_contested and hires.hire_id = contested_hires.hire_id
    where hires.quarantine_reason is null and hires.request_created_at is not null

),

dated_hires as (

    select
        request_id,
        sooner_seconds,
        later_seconds,
        is_of_two_requests,
        least_amount,
        most_amount,
        least_refunded,
        most_refunded,
        amount,
        is_duplicate,
        is_conflict,
        is_contested,
        not is_duplicate and not is_conflict as is_single,
        {{ is_counted('hires', 'hired_at') }} as is_counted,
        {{ 'hired_at is null' if is_mapped('hires', 'hired_at') else 'false' }} as is_undated,
        {{ 'outcome is null' if is_mapped('hires', 'outcome') else 'false' }} as is_of_unknown_outcome,
        {{ 'amount is null' if is_mapped('hires', 'amount') else 'false' }} as is_of_unknown_amount,
        lower(outcome) in ('refunded', 'disputed') as is_refunded,
        seconds_after_request
    from told_hires

),

request_hires as (

    select
        request_id,
        min(case when is_counted and not is_conflict then seconds_after_request end) as first_hire_seconds,
        sum(case when is_counted and is_single then 1 else 0 end) as n_hires,
        sum(case when is_counted and not is_conflict then 1 else 0 end) as n_hires_with_duplicates,
        sum(case when is_counted and is_single and is_refunded then 1 else 0 end) as n_refunded_hires,
        sum(case when is_counted and not is_conflict and is_refunded then 1 else 0 end) as n_refunded_hires_with_duplicates,
        sum(case when is_counted and is_single then amount else 0 end) as gmv,
        sum(case when is_counted and not is_conflict then amount else 0 end) as gmv_with_duplicates,
        sum(case when is_counted and is_single and seconds_after_request < 0 then 1 else 0 end) as n_early_hires,
        sum(case when is_undated and is_single then 1 else 0 end) as n_undated_hires,
        sum(case when is_undated and is_single then amount else 0 end) as gmv_undated,
        sum(case when is_undated and is_single and (is_refunded or is_of_unknown_outcome) then 1 else 0 end) as n_undated_refunds,
        sum(case when is_counted and is_single and is_of_unknown_outcome then 1 else 0 end) as n_hires_of_unknown_outcome,
        sum(case when is_single and is_of_unknown_amount then 1 else 0 end) as n_hires_of_unknown_amount,
        min(case when is_counted then sooner_seconds end) as first_hire_seconds_if_sooner,
        min(case when is_counted and not is_conflict then later_seconds end) as first_hire_seconds_if_later,
        sum(case when not is_counted or not is_single then 0 when is_contested then least_refunded when is_refunded then 1 else 0 end) as n_refunded_hires_if_fewer,
        sum(case
            when not is_counted or not is_single or is_of_unknown_outcome then 0
            when is_contested then most_refunded when is_refunded then 1 else 0 end) as n_refunded_hires_if_more,
        sum(case
            when not is_counted or not is_single or is_of_two_requests then 0
            when is_contested then least_amount else amount end) as gmv_if_less,
        sum(case
            when not is_counted or is_duplicate or (is_conflict and not is_of_two_requests) then 0
            when is_contested then most_amount else amount end) as gmv_if_more
    from dated_hires
    group by request_id

),

{%- if has_rehires %}
{# Hires of customers who are known, in their order: of the other requests' those within 30 days are all less the request's own. -#}
hires_of_customers as (

    select
        told_hires.request_id,
        told_hires.seconds_after_request,
        requests.customer_id,
        {{ microseconds('told_hires.hired_at') }} as hired_us
    from told_hires
    inner join {{ requests }} as requests on told_hires.request_id = requests.request_id
    where not told_hires.is_duplicate and not told_hires.is_conflict and told_hires.hired_at <= {{ as_of() }}
        and requests.customer_id is not null

),

followed_hires as (

    select
        request_id,
        seconds_after_request,
        count(*) over (partition by customer_id order by hired_us range between 1 following and {{ month_us }} following)
            - count(*) over (
                partition by customer_id, request_id order by hired_us range between 1 following and {{ month_us }} following
            ) as n_hires_elsewhere,
        row_number() over (partition by request_id order by hired_us) as place
    from hires_of_customers

),

request_rehires as (

    select
        request_id,
        1 as n_first_hires,
        case when n_hires_elsewhere > 0 then 1 else 0 end as n_rehires
    from followed_hires
    where place = 1 and seconds_after_request <= 604800

),
{%- endif %}

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
        cast(coalesce(repeats.n_other_readings, 0) as {{ sql_type('bigint') }}) as n_other_readings,
        cast(request_quotes.first_quote_seconds as {{ sql_type('double') }}) as first_quote_seconds,
        {%- for reading in ['without_log', 'if_sooner', 'if_later', 'by_transaction', 'as_dated'] %}
        cast(request_quotes.first_quote_seconds_{{ reading }} as {{ sql_type('double') }}) as first_quote_seconds_{{ reading }},
        {%- endfor %}
        {%- for column in ['n_quotes', 'n_quotes_with_duplicates', 'n_quotes_24h', 'n_quotes_24h_with_duplicates', 'n_undated_quotes', 'n_contested_quotes',
            'n_quotes_without_log', 'n_quotes_24h_without_log', 'n_quotes_24h_if_sooner', 'n_quotes_24h_if_later',
            'n_quotes_24h_by_transaction', 'n_early_quotes', 'n_quotes_as_dated', 'n_quotes_24h_as_dated'] %}
        cast(coalesce(request_quotes.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        {%- for reading in ['', '_if_sooner', '_if_later'] %}
        cast(request_hires.first_hire_seconds{{ reading }} as {{ sql_type('double') }}) as first_hire_seconds{{ reading }},
        {%- endfor %}
        {%- for column in ['n_hires', 'n_hires_with_duplicates', 'n_refunded_hires', 'n_refunded_hires_with_duplicates',
            'n_early_hires', 'n_undated_hires', 'n_undated_refunds', 'n_hires_of_unknown_outcome', 'n_hires_of_unknown_amount',
            'n_refunded_hires_if_fewer', 'n_refunded_hires_if_more'] %}
        cast(coalesce(request_hires.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        {%- for column in ['gmv', 'gmv_with_duplicates', 'gmv_undated', 'gmv_if_less', 'gmv_if_more'] %}
        cast(coalesce(request_hires.{{ column }}, 0) as {{ sql_type('double') }}) as {{ column }},
        {%- endfor %}
        {%- for column in ['n_first_hires', 'n_rehires'] %}
        cast({{ 'coalesce(request_rehires.' ~ column ~ ', 0)' if has_rehires else '0' }} as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        {%- for column in ['n_support_tickets', 'n_support_tickets_with_duplicates'] %}
        cast(coalesce(request_tickets.{{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }},
        {%- endfor %}
        cast(coalesce(request_flags.n_spam_flags, 0) as {{ sql_type('bigint') }}) as n_spam_flags,
        cast(coalesce(request_flags.n_spam_flags_with_duplicates, 0) as {{ sql_type('bigint') }}) as n_spam_flags_with_duplicates
        {{- own_values() }}
    from {{ requests }} as requests
    left join repeats on requests.request_id = repeats.request_id
    left join {{ request_quotes }} as request_quotes on requests.request_id = request_quotes.request_id
    left join request_hires on requests.request_id = request_hires.request_id
    {%- if has_rehires %}
    left join request_rehires on requests.request_id = request_rehires.request_id
    {%- endif %}
    left join request_tickets on requests.request_id = request_tickets.request_id
    left join request_flags on requests.request_id = request_flags.request_id
    {{- own_joins(own) }}

)

select * from final
