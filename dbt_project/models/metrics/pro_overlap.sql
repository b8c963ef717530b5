{#- Pros who serve both the treatment and its control: what they give one arm they can't give the other, so that the two are not
    apart from each other. Every kept quote on a cohort request of either arm counts, whenever it came. -#}
{%- set quotes = ref('int_quotes') -%}
{%- set requests = ref('experiment_requests') -%}
with pairs as (
    {{ treatments() }}
),

{# Pros of each arm; the quotes that name no pro are a row of their own. -#}
served as (

    select requests.experiment_id, requests.variant, quotes.pro_id, count(*) as n_quotes
    from {{ quotes }} as quotes
    inner join {{ requests }} as requests on quotes.request_id = requests.request_id
    where quotes.is_kept and {{ is_not_later('quotes.reconciled_at') }}
    group by requests.experiment_id, requests.variant, quotes.pro_id

),

pros as (

    select
        pairs.experiment_id,
        pairs.treatment,
        served.pro_id,
        sum(served.n_quotes) as n_quotes,
        count(*) = 2 as is_in_both
    from pairs
    inner join served
        on pairs.experiment_id = served.experiment_id and served.variant in (pairs.treatment, pairs.control)
    group by pairs.experiment_id, pairs.treatment, served.pro_id

),

final as (

    select
        pairs.experiment_id,
        pairs.treatment as variant,
        {%- for name, holds in {
            'pros': 'pros.pro_id is not null', 'pros_in_both': 'pros.pro_id is not null and pros.is_in_both'}.items() %}
        cast(sum(case when {{ holds }} then 1 else 0 end) as {{ sql_type('bigint') }}) as n_{{ name }},
        {%- endfor %}
        {%- for name, holds in {
            'quotes': 'pros.pro_id is not null', 'quotes_of_both': 'pros.pro_id is not null and pros.is_in_both',
            'quotes_without_pro': 'pros.pro_id is null'}.items() %}
        cast(coalesce(sum(case when {{ holds }} then pros.n_quotes end), 0) as {{ sql_type('bigint') }}) as n_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from pairs
    left join pros on pairs.experiment_id = pros.experiment_id and pairs.treatment = pros.treatment
    group by pairs.experiment_id, pairs.treatment

)

select * from final
