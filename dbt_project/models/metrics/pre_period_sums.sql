{#- What customers did before the experiment, by the arm their randomization units drew: sums of covariates no treatment can
    have moved. Customers who are the unit count whether or not they came back (that may be the treatment's doing), and only
    with what they did before their own assignment; for requests and sessions a unit has its customer's past. -#}
{%- set requests = ref('request_metrics') -%}
{%- set cohort = ref('experiment_requests') -%}
{%- set assignments = ref('int_unit_assignments') -%}
{%- set designed = experiments_mapping() if has_pasts() else [] -%}
{%- set has_assignments = is_mapped('assignments', 'entity_id') -%}
{%- set customers = designed | selectattr('unit', 'equalto', 'customer') | list if has_assignments else [] -%}
{%- set others = designed | reject('in', customers) | list -%}
{%- set covariates = past_covariates() -%}
with experiments as (
    {{ experiments() }}
),
{% if customers %}
assigned_customers as (

    select
        units.experiment_id,
        units.unit_id as customer_id,
        units.variant,
        case when units.first_assigned_at < experiments.window_start then units.first_assigned_at else experiments.window_start end as ends_at
    from {{ assignments }} as units
    inner join experiments on units.experiment_id = experiments.experiment_id and experiments.unit = 'customer'
    where units.variant is not null and not units.is_tie
        and (units.first_assigned_at < experiments.window_end or units.first_assigned_at = {{ undated() }})

),

customer_pasts as (

    select
        units.experiment_id, units.variant, units.customer_id,
        {{ past_sums('requests', 'units.ends_at') }}
    from assigned_customers as units
    left join {{ requests }} as requests
        on units.customer_id = requests.customer_id and requests.created_at < units.ends_at
    group by units.experiment_id, units.variant, units.customer_id

),
{% endif %}
{%- if others %}
pasts as (

    select
        experiments.experiment_id, requests.customer_id,
        {{ past_sums('requests', 'experiments.window_start') }}
    from {{ requests }} as requests
    inner join experiments on requests.created_at < experiments.window_start
    where requests.customer_id is not null
        {%- if customers %} and experiments.unit <> 'customer'{% endif %}
    group by experiments.experiment_id, requests.customer_id

),

units as (

    select
        cohort.experiment_id, cohort.unit_id,
        min(cohort.variant) as variant,
        min(cohort.customer_id) as customer_id
    from {{ cohort }} as cohort
    inner join experiments on cohort.experiment_id = experiments.experiment_id
    where cohort.customer_id is not null
        {%- if has_assignments %} and cohort.variant_source = 'assignment'{% endif %}
        {%- if customers %} and experiments.unit <> 'customer'{% endif %}
    group by cohort.experiment_id, cohort.unit_id
    having min(cohort.variant) = max(cohort.variant) and min(cohort.customer_id) = max(cohort.customer_id)

),

{% endif %}
unit_pasts as (

    {%- if customers %}
    select experiment_id, variant, n_requests, n_old_for_hires, n_hired, n_old_for_quotes, n_quoted from customer_pasts
    union all
    {%- endif %}
    {%- if others %}
    select
        units.experiment_id, units.variant,
        {%- for c in ['n_requests', 'n_old_for_hires', 'n_hired', 'n_old_for_quotes', 'n_quoted'] %}
        coalesce(pasts.{{ c }}, 0) as {{ c }}{{ ',' if not loop.last }}
        {%- endfor %}
    from units
    left join pasts on units.experiment_id = pasts.experiment_id and units.customer_id = pasts.customer_id
    union all
    {%- endif %}
    select
        {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as variant, {{ typed_null('bigint') }} as n_requests,
        {{ typed_null('bigint') }} as n_old_for_hires, {{ typed_null('bigint') }} as n_hired,
        {{ typed_null('bigint') }} as n_old_for_quotes, {{ typed_null('bigint') }} as n_quoted
    where 1 = 0

),

declared as (

    select unit_pasts.*
    from unit_pasts
    inner join ({{ experiment_arms() }}) as arms
        on unit_pasts.experiment_id = arms.experiment_id and unit_pasts.variant = arms.variant

),

sums as (

    {%- for c in covariates %}
    select
        experiment_id, variant, {{ text_literal(c.name) }} as covariate,
        count(x) as n_units, sum(x) as x, sum(x * x) as xx, sum(x * x * x) as xxx, sum(plain) as total
    from (
        select experiment_id, variant, {{ c.x }} as x, {{ c.get('plain') or c.x }} as plain
        from declared
    ) as unit_values
    where x is not null
    group by experiment_id, variant
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

final as (

    select
        experiment_id, variant, covariate,
        cast(n_units as {{ sql_type('bigint') }}) as n_units
        {%- for column in ['x', 'xx', 'xxx', 'total'] %},
        cast({{ column }} as {{ sql_type('double') }}) as {{ column }}
        {%- endfor %}
    from sums

)

select * from final
