{#- Rows whose request is not known still tell what they would add to it, whoever's they are. Those that name a request which
    is nowhere and was never assigned may be a lost request's or, misspelt, one of those that are there: by experiment. -#}
{%- set quotes = ref('int_quotes') -%}
{%- set hires = ref('int_hires') -%}
{%- set flags = ref('int_spam_flags') -%}
{%- set lost = ref('int_lost_requests') -%}
{%- set figures = ['n_rows', 'n_refunded_hires', 'n_hires_of_unknown_outcome', 'n_hires_of_unknown_amount', 'n_flagged_quotes', 'n_spam_flags'] -%}
with unplaced_quotes as (

    select quote_id
    from {{ quotes }}
    where request_id is null and {{ is_not_later('reconciled_at') }}

),

flagged_quotes as (

    select flags.quote_id, count(*) as n_flags
    from {{ flags }} as flags
    inner join (select distinct quote_id from unplaced_quotes where quote_id is not null) as quotes
        on flags.quote_id = quotes.quote_id
    where flags.is_kept and {{ is_counted('spam_flags', 'flagged_at', 'flags.flagged_at') }}
    group by flags.quote_id

),

strays as (

    select
        experiment_id,
        sum(n_any_quotes) as n_quotes,
        sum(n_any_hires) as n_hires,
        sum(n_support_tickets) as n_support_tickets,
        sum(n_refunded_hires) as n_refunded_hires,
        sum(gmv_any) as gmv,
        sum(n_any_hires_of_unknown_amount) as n_hires_of_unknown_amount,
        sum(case when n_spam_flags > 0 then 1 else 0 end) as n_flagged,
        sum(n_spam_flags) as n_spam_flags
    from {{ lost }}
    where variant = 'unknown'
    group by experiment_id

),

counted as (

    select
        {{ typed_null('text') }} as experiment_id,
        'hires' as source_name,
        count(*) as n_rows,
        sum(case when lower(outcome) in ('refunded', 'disputed') then 1 else 0 end) as n_refunded_hires,
        sum(case when outcome is null then 1 else 0 end) as n_hires_of_unknown_outcome,
        sum(amount) as gmv,
        sum(case when amount is null then 1 else 0 end) as n_hires_of_unknown_amount,
        0 as n_flagged_quotes,
        0 as n_spam_flags
    from {{ hires }}
    where request_id is null and {{ is_not_later('hired_at') }}
    union all
    select
        {{ typed_null('text') }}, 'quotes', (select count(*) from unplaced_quotes), 0, 0, 0, 0,
        count(*), coalesce(sum(n_flags), 0)
    from flagged_quotes
    union all
    select experiment_id, 'quotes', n_quotes, 0, 0, 0, 0, n_flagged, n_spam_flags from strays
    union all
    select experiment_id, 'support_tickets', n_support_tickets, 0, 0, 0, 0, 0, 0 from strays
    union all
    {# Of a lost request's hires nobody keeps which are without an outcome. -#}
    select experiment_id, 'hires', n_hires, n_refunded_hires, n_hires - n_refunded_hires, gmv, n_hires_of_unknown_amount, 0, 0 from strays

),

final as (

    select
        experiment_id,
        source_name,
        cast(coalesce(gmv, 0) as {{ sql_type('double') }}) as gmv
        {%- for column in figures %},
        cast(coalesce({{ column }}, 0) as {{ sql_type('bigint') }}) as {{ column }}
        {%- endfor %}
    from counted

)

select * from final
