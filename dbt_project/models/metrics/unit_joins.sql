{#- How many requests of each cohort could be joined to their randomization unit's assignment, and where the others' arm comes
    from. Without experiments there is nothing to join. -#}
with experiments as (
    {{ experiments() }}
),

final as (

    select
        variants.experiment_id,
        experiments.unit,
        variants.variant_source,
        cast(count(*) as {{ sql_type('bigint') }}) as n_requests,
        cast(sum(case when variants.unit_id is not null then 1 else 0 end) as {{ sql_type('bigint') }}) as n_with_key,
        cast(sum(case when variants.is_assigned then 1 else 0 end) as {{ sql_type('bigint') }}) as n_assigned
    from {{ ref('int_request_variants') }} as variants
    inner join experiments on variants.experiment_id = experiments.experiment_id
    where variants.is_in_cohort {%- if mapping().get('everyone') %} and 1 = 0 {%- endif %}
    group by variants.experiment_id, experiments.unit, variants.variant_source

)

select * from final
