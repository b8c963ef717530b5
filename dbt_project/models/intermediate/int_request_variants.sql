{#- A request's variant: its unit's first assignment; without one, the arm its quotes and quote events agree on; else unknown. -#}
{%- set requests = ref('int_requests') -%}
{%- set unit_assignments = ref('int_unit_assignments') -%}
{%- set request_quotes = ref('int_request_quotes') -%}
{%- set events = ref('int_quote_events') -%}
with experiments as (
    {{ experiments() }}
),

arms as (
    {{ experiment_arms() }}
),

event_variants as (

    select events.request_id, min(events.variant) as lowest_variant, max(events.variant) as highest_variant
    from {{ events }} as events
    where events.quarantine_reason is null and events.variant is not null
        and {{ is_not_later('events.event_at') }}
    group by events.request_id

),

in_experiment as (

    select
        experiments.experiment_id,
        requests.request_id,
        requests.created_at,
        case experiments.unit
            when 'customer' then requests.customer_id
            when 'session' then requests.session_id
            else requests.request_id
        end as unit_id,
        requests.created_at >= experiments.window_start
            and requests.created_at < experiments.window_end
            and requests.created_at <= {{ as_of() }} as is_in_window,
        {{ has_cohort_values() }} as has_cohort_values,
        coalesce(requests.is_contested, false) as is_contested
    from {{ requests }} as requests
    cross join experiments
    where requests.is_kept

),

logged as (

    select
        in_experiment.*,
        unit_assignments.unit_id is not null as is_assigned,
        unit_assignments.is_tie,
        unit_assignments.first_assigned_at,
        unit_assignments.variant as assigned_variant,
        case when request_quotes.lowest_variant = request_quotes.highest_variant
            then request_quotes.lowest_variant end as quoted_variant,
        coalesce(request_quotes.lowest_variant, event_variants.lowest_variant) as any_logged_variant,
        request_quotes.highest_variant as highest_quoted_variant,
        event_variants.lowest_variant as lowest_event_variant,
        event_variants.highest_variant as highest_event_variant
    from in_experiment
    left join {{ unit_assignments }} as unit_assignments
        on in_experiment.experiment_id = unit_assignments.experiment_id
        and in_experiment.unit_id = unit_assignments.unit_id
    left join {{ request_quotes }} as request_quotes on in_experiment.request_id = request_quotes.request_id
    left join event_variants on in_experiment.request_id = event_variants.request_id

),

final as (

    select
        logged.experiment_id,
        logged.request_id,
        logged.created_at,
        logged.unit_id,
        logged.is_in_window,
        logged.is_in_window and coalesce(logged.has_cohort_values, false) as is_in_cohort,
        logged.is_in_window and (
            logged.has_cohort_values is null or (logged.is_contested and not logged.has_cohort_values)
        ) as may_be_in_cohort,
        logged.is_assigned,
        logged.assigned_variant,
        logged.first_assigned_at,
        {% if mapping().get('everyone') -%} 'all' {%- else -%}
        case
            when logged.is_assigned then coalesce(logged.assigned_variant, 'unknown')
            else coalesce(logged_arms.variant, 'unknown')
        end
        {%- endif %} as variant,
        case
            when logged.assigned_variant is not null then 'assignment'
            when logged.is_tie then 'tie'
            when logged.is_assigned then 'undeclared_arm'
            when logged_arms.variant is not null then 'exposure_log'
            else 'none'
        end as variant_source,
        coalesce(quoted_arms.variant, 'unknown') as variant_from_quotes
    from logged
    left join arms as logged_arms
        on logged.experiment_id = logged_arms.experiment_id
        and logged.any_logged_variant = logged_arms.variant
        and coalesce(logged.highest_quoted_variant, logged.any_logged_variant) = logged.any_logged_variant
        and coalesce(logged.lowest_event_variant, logged.any_logged_variant) = logged.any_logged_variant
        and coalesce(logged.highest_event_variant, logged.any_logged_variant) = logged.any_logged_variant
    left join arms as quoted_arms
        on logged.experiment_id = quoted_arms.experiment_id and logged.quoted_variant = quoted_arms.variant

)

select * from final
