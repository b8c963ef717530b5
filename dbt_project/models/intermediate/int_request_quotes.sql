{#- One pass over the quotes: what the metrics need per request, and the same with the removed duplicates left in. -#}
{%- set quotes = ref('int_quotes') -%}
{%- set requests = ref('int_requests') -%}
with contested as (

    {# Quotes that are told in several ways as to whose they are or when: other contradictions move nothing here. -#}
    select quote_id
    from {{ quotes }}
    where is_contested and quarantine_reason is null
    group by quote_id
    having min(request_id) <> max(request_id) or min(quoted_at) <> max(quoted_at) or count(quoted_at) not in (0, count(*))

),

dated as (

    select
        quotes.request_id,
        quotes.variant,
        quotes.is_duplicate,
        quotes.is_conflict,
        contested.quote_id is not null as is_contested,
        {{ seconds_between('request_created_at', 'reconciled_at') }} as seconds_after_request,
        {{ seconds_between('request_created_at', 'quoted_at') }} as transaction_seconds,
        coalesce(is_disputed, false) as is_disputed,
        coalesce(quoted_at > {{ as_of() }} or quoted_at < request_created_at, false) as is_disordered,
        {{ is_counted('quotes', 'quoted_at', 'reconciled_at') }} as is_counted,
        {{ 'reconciled_at is null' if is_mapped('quotes', 'quoted_at') else 'false' }} as is_undated,
        {{ is_not_later('reconciled_at') }} and not is_conflict as is_carrier,
        not is_duplicate and not is_conflict as is_single,
        quoted_at is null as is_repaired_from_log
    from {{ quotes }} as quotes
    left join contested on quotes.is_contested and quotes.quote_id = contested.quote_id
    where quotes.quarantine_reason is null and quotes.request_created_at is not null

),

{# Where the two sources differ, either may be right: the sooner time, and the later one, of those after the request. -#}
disputed as (

    select
        dated.*,
        case
            when is_disputed and transaction_seconds >= 0 and (seconds_after_request < 0 or transaction_seconds < seconds_after_request)
                then transaction_seconds
            else seconds_after_request
        end as sooner_seconds,
        case
            when is_disputed and (transaction_seconds < 0 or transaction_seconds > seconds_after_request) and seconds_after_request >= 0
                then transaction_seconds
            else seconds_after_request
        end as later_seconds,
        case when is_disputed then transaction_seconds else seconds_after_request end as untangled_seconds
    from dated

),

final as (

    select
        request_id,
        cast(sum(case when is_counted and is_single then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes,
        cast(sum(case when is_counted and not is_conflict then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_with_duplicates,
        cast(sum(case when is_counted and is_single and seconds_after_request between 0 and 86400 then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_24h,
        cast(sum(case when is_counted and not is_conflict and seconds_after_request between 0 and 86400 then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_24h_with_duplicates,
        min(case when is_counted and is_single and seconds_after_request >= 0 then seconds_after_request end) as first_quote_seconds,
        cast(sum(case when is_undated and is_single then 1 else 0 end) as {{ sql_type('bigint') }}) as n_undated_quotes,
        cast(sum(case when is_contested and not is_conflict then 1 else 0 end) as {{ sql_type('bigint') }}) as n_contested_quotes,
        min(case when is_counted and is_single and not is_repaired_from_log and seconds_after_request >= 0
            then seconds_after_request end) as first_quote_seconds_without_log,
        cast(sum(case when is_counted and is_single and not is_repaired_from_log then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_without_log,
        cast(sum(case when is_counted and is_single and not is_repaired_from_log and seconds_after_request between 0 and 86400
            then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_24h_without_log,
        {% for name, seconds in [('if_sooner', 'sooner_seconds'), ('if_later', 'later_seconds'), ('by_transaction', 'untangled_seconds')] -%}
        min(case when is_counted and is_single and {{ seconds }} >= 0 then {{ seconds }} end) as first_quote_seconds_{{ name }},
        cast(sum(case when is_counted and is_single and {{ seconds }} between 0 and 86400 then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_24h_{{ name }},
        {% endfor -%}
        cast(sum(case when is_counted and is_single and seconds_after_request < 0 then 1 else 0 end) as {{ sql_type('bigint') }}) as n_early_quotes,
        min(case when is_counted and is_single and not is_disordered and seconds_after_request >= 0
            then seconds_after_request end) as first_quote_seconds_as_dated,
        cast(sum(case when is_counted and is_single and not (is_disordered and transaction_seconds >= 0) then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_as_dated,
        cast(sum(case when is_counted and is_single and not is_disordered and seconds_after_request between 0 and 86400
            then 1 else 0 end) as {{ sql_type('bigint') }}) as n_quotes_24h_as_dated,
        min(case when is_carrier then variant end) as lowest_variant,
        max(case when is_carrier then variant end) as highest_variant
    from disputed
    group by request_id

)

select * from final
