{# Segments that are no columns of requests are computed for the requests of each experiment's cohort, once, in
   experiment_requests; everything later knows them by name. What each means: docs/metrics.md. #}
{% macro computed_segments() %}{{ return(mapping().get('computed_segments') or []) }}{% endmacro %}

{# Segments that are columns of requests as they came. #}
{% macro attribute_segments() %}
  {{ return(segments_mapping() | reject('in', computed_segments() | map(attribute='name') | list) | list) }}
{% endmacro %}

{# The CTEs that the computed segments need, each with a comma behind. #}
{% macro segment_ctes(requests, variants, quotes) %}
{%- for s in computed_segments() %}
{%- if s.kind == 'customer_kind' %}

customers as (

    select customer_id, min(created_at) as first_request_at
    from {{ requests }}
    where customer_id is not null
    group by customer_id

),
{%- elif s.kind == 'pro_kind' %}

histories as (

    select
        request_id, pro_id, reconciled_at, request_created_at,
        min(reconciled_at) over (partition by pro_id) as began_at
    from {{ quotes }}
    where is_kept and reconciled_at <= {{ as_of() }}

),

ranked_quotes as (

    select
        request_id, pro_id, began_at < reconciled_at as has_quoted_before,
        row_number() over (
            partition by request_id order by reconciled_at, case when pro_id is null then 1 else 0 end, pro_id
        ) as place
    from histories
    where reconciled_at >= request_created_at

),

first_quotes as (

    select request_id, pro_id, has_quoted_before
    from ranked_quotes
    where place = 1

),
{%- elif s.kind == 'peak_hour' %}

hours as (

    select variants.experiment_id, {{ hour_of_request('requests.created_at') }} as hour, count(*) as n_requests
    from {{ variants }} as variants
    inner join {{ requests }} as requests on variants.request_id = requests.request_id
    where variants.is_in_cohort
    group by variants.experiment_id, {{ hour_of_request('requests.created_at') }}

),

ranked_hours as (

    select
        experiment_id,
        hour,
        sum(n_requests) over (
            partition by experiment_id order by n_requests desc, hour rows between unbounded preceding and current row
        ) - n_requests as n_in_busier_hours,
        sum(n_requests) over (partition by experiment_id) as n_in_all
    from hours

),

peak_hours as (

    select experiment_id, hour
    from ranked_hours
    where n_in_busier_hours * 2 < n_in_all

),
{%- else %}

{{ s.name }}_sizes as (

    select variants.experiment_id, requests.{{ s.column }} as value, count(*) as n_requests
    from {{ variants }} as variants
    inner join {{ requests }} as requests on variants.request_id = requests.request_id
    where variants.is_in_cohort and requests.{{ s.column }} <> 'other'
    group by variants.experiment_id, requests.{{ s.column }}

),

{{ s.name }}_places as (

    select experiment_id, value, row_number() over (partition by experiment_id order by n_requests desc, value) as place
    from {{ s.name }}_sizes

),

{{ s.name }}_largest as (

    select experiment_id, value
    from {{ s.name }}_places
    where place <= {{ s.n | int }}

),
{%- endif %}
{%- endfor %}
{% endmacro %}

{# One column for each computed segment, over `variants`, `requests` and what segment_joins brings. #}
{% macro segment_values() %}
  {%- for s in computed_segments() %}
        {% if s.kind == 'customer_kind' -%}
        case when requests.customer_id is null then null when customers.first_request_at < requests.created_at then 'returning' else 'new' end
        {%- elif s.kind == 'pro_kind' -%}
        case
            when first_quotes.request_id is null then 'none'
            when first_quotes.pro_id is null then null
            when first_quotes.has_quoted_before then 'returning'
            else 'new'
        end
        {%- elif s.kind == 'peak_hour' -%}
        case when peak_hours.hour is null then 'off_peak' else 'peak' end
        {%- else -%}
        case when requests.{{ s.column }} is null then null when {{ s.name }}_largest.value is null then 'other' else requests.{{ s.column }} end
        {%- endif %} as {{ s.name }},
  {%- endfor %}
{%- endmacro %}

{% macro segment_joins() %}
  {%- for s in computed_segments() %}
    {% if s.kind == 'customer_kind' -%}
    left join customers on requests.customer_id = customers.customer_id
    {%- elif s.kind == 'pro_kind' -%}
    left join first_quotes on requests.request_id = first_quotes.request_id
    {%- elif s.kind == 'peak_hour' -%}
    left join peak_hours
        on variants.experiment_id = peak_hours.experiment_id and {{ hour_of_request('requests.created_at') }} = peak_hours.hour
    {%- else -%}
    left join {{ s.name }}_largest
        on variants.experiment_id = {{ s.name }}_largest.experiment_id and requests.{{ s.column }} = {{ s.name }}_largest.value
    {%- endif %}
  {%- endfor %}
{%- endmacro %}

{# The hour of the day in the time zone that the requests are told in. #}
{% macro hour_of_request(moment) %}{{ hour_in_zone(moment, source_mapping('requests').get('timezone') or 'UTC') }}{% endmacro %}
