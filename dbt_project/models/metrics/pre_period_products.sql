{#- Each arm's unit totals against what the units' customers did before the experiment: what an adjustment for it needs.
    Requests are first summed by the past of their customer, of which there are few different ones; products are formed of
    those sums. Covariates are centred on the mean of the units that have them, so that a unit without one adds nothing.
    Histograms are kept only where an arm's past is 3 standard errors off: below that no imbalance is ever found. -#}
{%- set requests = ref('request_metrics') -%}
{%- set cohort = ref('experiment_requests') -%}
{%- set assignments = ref('int_unit_assignments') -%}
{%- set tested = ref('pre_period_sums') -%}
{%- set metrics = metrics_mapping() if has_pasts() else [] -%}
{%- set histograms = metrics | selectattr('kind', 'equalto', 'quantile') | list -%}
{%- set names = ['requests', 'hired_within_7d', 'quoted_within_30m'] -%}
{%- set known = {} -%}
{%- for c in past_covariates() %}{% do known.update({c.name: c.x}) %}{% endfor -%}
{%- set pairs = [] -%}
{%- for a in names %}{% for b in names[loop.index0:] %}{% do pairs.append([a, b]) %}{% endfor %}{% endfor -%}
{%- set repaired = readings()[0] -%}
{%- set sums = ['units', 'n', 'y', 'd', 'yy', 'dd', 'yd'] -%}
with experiments as (
    {{ experiments() }}
),
{% if metrics %}
earlier_requests as (

    select
        experiments.experiment_id, requests.customer_id, requests.request_id, requests.created_at,
        requests.first_hire_seconds, requests.first_quote_seconds,
        {% if assigns_customers() -%}
        case when units.first_assigned_at < experiments.window_start then units.first_assigned_at else experiments.window_start end as ends_at
        {%- else -%}
        experiments.window_start as ends_at
        {%- endif %}
    from {{ requests }} as requests
    inner join experiments on requests.created_at < experiments.window_start
    {% if assigns_customers() -%}
    left join {{ assignments }} as units
        on experiments.experiment_id = units.experiment_id and experiments.unit = 'customer' and requests.customer_id = units.unit_id
    {% endif -%}
    where requests.customer_id is not null

),

past_counts as (

    select experiment_id, customer_id, {{ past_sums('earlier', 'earlier.ends_at') }}
    from earlier_requests as earlier
    where created_at < ends_at
    group by experiment_id, customer_id

),

pasts as (

    select
        experiment_id, customer_id,
        {% for c in ['n_requests', 'n_old_for_hires', 'n_hired', 'n_old_for_quotes', 'n_quoted'] -%}
        cast({{ c }} as {{ sql_type('text') }}){{ " || ' ' || " if not loop.last }}
        {%- endfor %} as past
        {%- for c in names %},
        cast({{ known.get(c, 'null') }} as {{ sql_type('double') }}) as {{ c }}
        {%- endfor %}
    from past_counts

),

distinct_pasts as (

    select distinct past{% for c in names %}, {{ c }}{% endfor %} from pasts
    union all
    {#- A customer who made no request. #}
    select '0' as past{% for c in names %}, {{ 'cast(0 as ' ~ sql_type('double') ~ ')' if c == 'requests' else typed_null('double') }} as {{ c }}{% endfor %}

),

cohort as (

    select
        cohort.*,
        case when cohort.customer_id is not null then coalesce(pasts.past, '0') end as past
    from {{ cohort }} as cohort
    left join pasts on cohort.experiment_id = pasts.experiment_id and cohort.customer_id = pasts.customer_id

),

sums as (
    {{ metric_sums(repaired, 'past', 'cohort', summed_metrics(repaired)) }}
),

metric_names as (
    {%- for m in metrics %}
    select {{ text_literal(m.name) }} as metric{{ ' union all' if not loop.last }}
    {%- endfor %}
),

measured as (

    select
        sums.experiment_id, sums.variant, metric_names.metric
        {%- for c in names %}, distinct_pasts.{{ c }}{% endfor %}
        {%- for column in sums %},
        case metric_names.metric{% for m in metrics %} when {{ text_literal(m.name) }} then sums.{{ column }}__{{ m.name }}{% endfor %} end as {{ column }}
        {%- endfor %}
    from sums
    inner join ({{ experiment_arms() }}) as arms on sums.experiment_id = arms.experiment_id and sums.variant = arms.variant
    left join distinct_pasts on sums.segment = 'past=' || distinct_pasts.past
    cross join metric_names

),

means as (

    select
        experiment_id, metric
        {%- for c in names %},
        sum(units * {{ c }}) / nullif(sum(case when {{ c }} is not null then units else 0 end), 0) as {{ c }}
        {%- endfor %}
    from measured
    group by experiment_id, metric

),

centred as (

    select
        measured.experiment_id, measured.variant, measured.metric
        {%- for column in sums %}, measured.{{ column }}{% endfor %}
        {%- for c in names %},
        coalesce(measured.{{ c }} - means.{{ c }}, 0) as {{ c }}
        {%- endfor %}
    from measured
    inner join means on measured.experiment_id = means.experiment_id and measured.metric = means.metric

),

whole as (

    select
        experiment_id, metric, variant, {{ typed_null('double') }} as low, {{ typed_null('double') }} as high
        {%- for column in sums %}, sum({{ column }}) as {{ column }}{% endfor %}
        {%- for c in names %}, sum(units * {{ c }}) as x__{{ c }}, sum(y * {{ c }}) as y__{{ c }}, sum(d * {{ c }}) as d__{{ c }}{% endfor %}
        {%- for a, b in pairs %}, sum(units * {{ a }} * {{ b }}) as x__{{ a }}__{{ b }}{% endfor %}
    from centred
    group by experiment_id, metric, variant

),
{% if histograms %}
unequal as (

    select distinct one.experiment_id
    from {{ tested }} as one
    inner join {{ tested }} as other
        on one.experiment_id = other.experiment_id and one.covariate = other.covariate and one.variant < other.variant
    where power(one.x / one.n_units - other.x / other.n_units, 2)
        > 9 * ((one.xx + other.xx) / (one.n_units + other.n_units) - power((one.x + other.x) / (one.n_units + other.n_units), 2))
        * (1.0 / one.n_units + 1.0 / other.n_units)

),
{% endif %}
{%- for m in histograms %}
bins__{{ m.name }} as (

    select
        experiment_id, {{ text_literal(m.name) }} as metric, variant, min(seconds) as low, max(seconds) as high, count(*) as n
        {%- for c in names %}, sum({{ c }}) as {{ c }}, count({{ c }}) as n__{{ c }}{% endfor %}
    from (
        select
            cohort.experiment_id, cohort.variant{% for c in names %}, distinct_pasts.{{ c }}{% endfor %},
            cast(coalesce(({{ at_reading(m.y, repaired) }}), {{ infinite() }}) as {{ sql_type('double') }}) as seconds
        from cohort
        inner join unequal on cohort.experiment_id = unequal.experiment_id
        left join distinct_pasts on cohort.past = distinct_pasts.past
        where cohort.is_mature__{{ m.name }}
    ) as outcomes
    group by experiment_id, variant, {{ bin_of('nullif(seconds, ' ~ infinite() ~ ')', 0.000498) }}

),
{% endfor %}
parts as (

    select * from whole
    {%- for m in histograms %}
    union all
    select
        bins.experiment_id, bins.metric, bins.variant, bins.low, bins.high
        {%- for column in sums %}, {{ 'bins.n' if column == 'n' else 'null' }} as {{ column }}{% endfor %}
        {%- for c in names %}, coalesce(bins.{{ c }} - bins.n__{{ c }} * means.{{ c }}, 0) as x__{{ c }}, null as y__{{ c }}, null as d__{{ c }}{% endfor %}
        {%- for a, b in pairs %}, null as x__{{ a }}__{{ b }}{% endfor %}
    from bins__{{ m.name }} as bins
    inner join ({{ experiment_arms() }}) as arms on bins.experiment_id = arms.experiment_id and bins.variant = arms.variant
    inner join means on bins.experiment_id = means.experiment_id and bins.metric = means.metric
    {%- endfor %}

),
{% else %}
parts as (

    select
        experiment_id, {{ typed_null('text') }} as metric, {{ typed_null('text') }} as variant,
        {{ typed_null('double') }} as low, {{ typed_null('double') }} as high
        {%- for column in sums %}, {{ typed_null('double') }} as {{ column }}{% endfor %}
        {%- for c in names %}{% for side in ['x', 'y', 'd'] %}, {{ typed_null('double') }} as {{ side }}__{{ c }}{% endfor %}{% endfor %}
        {%- for a, b in pairs %}, {{ typed_null('double') }} as x__{{ a }}__{{ b }}{% endfor %}
    from experiments
    where 1 = 0

),
{% endif %}
final as (

    select
        experiment_id, metric, variant,
        cast(low as {{ sql_type('double') }}) as low,
        cast(nullif(high, {{ infinite() }}) as {{ sql_type('double') }}) as high
        {%- for column in ['units', 'n'] %},
        cast({{ column }} as {{ sql_type('bigint') }}) as {{ column }}
        {%- endfor %}
        {%- for column in ['y', 'd', 'yy', 'dd', 'yd'] %},
        cast({{ column }} as {{ sql_type('double') }}) as {{ column }}
        {%- endfor %}
        {%- for c in names %}{% for side in ['x', 'y', 'd'] %},
        cast({{ side }}__{{ c }} as {{ sql_type('double') }}) as {{ side }}__{{ c }}
        {%- endfor %}{% endfor %}
        {%- for a, b in pairs %},
        cast(x__{{ a }}__{{ b }} as {{ sql_type('double') }}) as x__{{ a }}__{{ b }}
        {%- endfor %}
    from parts
    where n > 0

)

select * from final
