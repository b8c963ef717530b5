{#- Requests known only by what points at them up to the clock, or whose own row can't be used. Their arm is the assignment's where there is one; those assigned outside the
    window are no loss to the cohort, those never assigned may be. -#}
{%- set children = {
    'quotes': ref('int_quotes'), 'hires': ref('int_hires'), 'quote_events': ref('int_quote_events'),
    'messages': ref('int_messages'), 'support_tickets': ref('int_support_tickets'), 'assignments': ref('int_assignments')} -%}
{%- set dated = {
    'quotes': 'reconciled_at', 'hires': 'hired_at', 'quote_events': 'event_at', 'messages': 'sent_at',
    'support_tickets': 'opened_at', 'assignments': 'assigned_at'} -%}
{%- set units = ref('int_unit_assignments') -%}
{%- set flags = ref('int_spam_flags') -%}
{%- set requests = ref('int_requests') -%}
with experiments as (
    {{ experiments() }}
),

unusable as (

    select distinct request_id as unusable_request_id
    from {{ requests }}
    where quarantine_reason is not null and request_id is not null
        and request_id not in (select request_id from {{ requests }} where is_kept)

),

orphans as (
    select
        'requests' as source_name, unusable_request_id as request_id, 0 as n_quotes, 0 as n_hires, 0 as n_refunded_hires,
        0 as gmv, 0 as n_support_tickets, 0 as n_any_quotes, 0 as n_any_hires, 0 as gmv_any,
        0 as n_any_hires_of_unknown_amount
    from unusable
    {%- for source in children %}
    union all
    select
        {{ text_literal(source) }} as source_name,
        request_id,
        {{ "case when is_kept and " ~ is_counted('quotes', 'quoted_at', 'reconciled_at') ~ " then 1 else 0 end" if source == 'quotes' else '0' }} as n_quotes,
        {{ "case when is_kept and " ~ is_counted('hires', 'hired_at') ~ " then 1 else 0 end" if source == 'hires' else '0' }} as n_hires,
        {{ "case when is_kept and " ~ is_counted('hires', 'hired_at') ~ " and lower(outcome) in ('refunded', 'disputed') then 1 else 0 end" if source == 'hires' else '0' }} as n_refunded_hires,
        {{ "case when is_kept and " ~ is_counted('hires', 'hired_at') ~ " then coalesce(amount, 0) else 0 end" if source == 'hires' else '0' }} as gmv,
        {{ "case when is_kept and " ~ is_counted('support_tickets', 'opened_at') ~ " then 1 else 0 end" if source == 'support_tickets' else '0' }} as n_support_tickets,
        {{ 'case when is_duplicate then 0 else 1 end' if source == 'quotes' else '0' }} as n_any_quotes,
        {{ 'case when is_duplicate then 0 else 1 end' if source == 'hires' else '0' }} as n_any_hires,
        {{ 'case when is_duplicate then 0 else coalesce(amount, 0) end' if source == 'hires' else '0' }} as gmv_any,
        {{ 'case when is_duplicate or amount is not null then 0 else 1 end' if source == 'hires' else '0' }} as n_any_hires_of_unknown_amount
    from {{ children[source] }}
    left join unusable on request_id = unusable.unusable_request_id
    where quarantine_reason is null and {{ is_not_later(dated[source]) }}
        and (is_orphan or unusable.unusable_request_id is not null)
    {%- endfor %}
),

flagged as (

    select flags.request_id, count(*) as n_spam_flags
    from {{ flags }} as flags
    inner join (select distinct request_id from orphans) as lost on flags.request_id = lost.request_id
    where flags.is_kept and {{ is_counted('spam_flags', 'flagged_at', 'flags.flagged_at') }}
    group by flags.request_id

),

lost as (

    select
        request_id,
        {%- for source in ['requests'] + (children | list) %}
        max(case when source_name = {{ text_literal(source) }} then 1 else 0 end) as is_in_{{ source }},
        {%- endfor %}
        sum(n_quotes) as n_quotes,
        sum(n_hires) as n_hires,
        sum(n_refunded_hires) as n_refunded_hires,
        sum(gmv) as gmv,
        sum(n_support_tickets) as n_support_tickets,
        sum(n_any_quotes) as n_any_quotes,
        sum(n_any_hires) as n_any_hires,
        sum(gmv_any) as gmv_any,
        sum(n_any_hires_of_unknown_amount) as n_any_hires_of_unknown_amount
    from orphans
    group by request_id

),

final as (

    select
        experiments.experiment_id,
        lost.*,
        coalesce(flagged.n_spam_flags, 0) as n_spam_flags,
        case
            when experiments.unit = 'request' and units.unit_id is not null then coalesce(units.variant, 'unknown')
            else 'unknown'
        end as variant
    from lost
    cross join experiments
    left join {{ units }} as units
        on experiments.experiment_id = units.experiment_id and lost.request_id = units.unit_id
    left join flagged on lost.request_id = flagged.request_id
    where experiments.unit <> 'request'
        or units.unit_id is null
        or units.first_assigned_at = {{ undated() }}
        or (units.first_assigned_at >= experiments.window_start and units.first_assigned_at < experiments.window_end)

)

select * from final
