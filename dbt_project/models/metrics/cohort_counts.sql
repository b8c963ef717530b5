{#- How many requests of the window a brief's cohort holds, and how many might be of it: what they are told by is missing. -#}
with final as (

    select
        experiment_id,
        {%- for name, holds in {
            'in_window': 'is_in_window', 'in_cohort': 'is_in_cohort', 'undecided': 'may_be_in_cohort'}.items() %}
        cast(sum(case when {{ holds }} then 1 else 0 end) as {{ sql_type('bigint') }}) as n_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_request_variants') }}
    group by experiment_id

)

select * from final
