{#- How often each value of the watched columns occurs, by period and by arm: one scan a table. Categories come as their
    200 most frequent values, amounts in bins of relative width 5%. Against the baseline every row counts, and
    rows_per_cluster says how many rows of one customer or request are worth one; between arms a randomization unit counts
    once, by its first request, since how often it comes back may be the treatment's doing. -#}
{%- set requests = ref('requests') -%}
{%- set cohort = ref('experiment_requests') -%}
{%- set amounts = [
    {'source': 'quotes', 'column': 'price', 'relation': ref('int_quotes')},
    {'source': 'hires', 'column': 'amount', 'relation': ref('int_hires')}] -%}
{%- set designed = experiments_mapping() if not mapping().get('everyone') else [] -%}
{%- set attributes = ['category', 'geo'] | select('in', (source_mapping('requests').get('columns') or {}).keys() | list) | list -%}
{%- set attributes = attributes if designed else [] -%}
{%- set measured = [] -%}
{%- for a in amounts if designed and is_mapped(a.source, a.column) -%}{%- do measured.append(a) -%}{%- endfor -%}
{%- set is_single = designed | selectattr('unit', 'equalto', 'request') | list -%}
{%- set is_several = designed | rejectattr('unit', 'equalto', 'request') | list -%}
with experiments as (
    {{ experiments() }}
),
{% if attributes %}
request_rows as (

    select
        experiment_id, 'window' as period, variant, {{ attributes | join(', ') }},
        {{ distribution_cluster('request_id') }} as cluster_id
    from {{ cohort }}
    union all
    select
        experiments.experiment_id, 'baseline' as period, {{ typed_null('text') }} as variant, {{ attributes | join(', ') }},
        {{ distribution_cluster('request_id') }} as cluster_id
    from {{ requests }} as requests
    inner join experiments on requests.created_at < experiments.window_start and {{ has_cohort_values() }}

),

request_counts as (

    select
        experiment_id, period, variant, {{ attributes | join(', ') }}, cluster_id,
        {%- for a in attributes %}
        grouping({{ a }}) as is_without_{{ a }},
        {%- endfor %}
        grouping(cluster_id) as is_without_cluster,
        count(*) as n_rows
    from request_rows
    group by grouping sets (
        {%- for a in attributes %}
        (experiment_id, period, variant, {{ a }}),
        {%- endfor %}
        (experiment_id, period, cluster_id)
    )

),
{% endif %}
{%- if attributes and is_several %}
first_requests as (

    select cohort.experiment_id, cohort.variant, {{ attributes | join(', ') }},
        row_number() over (partition by cohort.experiment_id, cohort.unit_id order by cohort.created_at, cohort.request_id) as place
    from {{ cohort }} as cohort
    inner join experiments on cohort.experiment_id = experiments.experiment_id and experiments.unit <> 'request'

),

unit_counts as (

    select experiment_id, variant, {{ attributes | join(', ') }}, count(*) as n_rows
    from first_requests
    where place = 1
    group by experiment_id, variant, {{ attributes | join(', ') }}

),
{% endif %}
{%- for a in measured %}
{{ a.source }}_counts as (

    select
        experiment_id, period, bin, request_id,
        grouping(request_id) as is_without_cluster,
        count(*) as n_rows
    from (
        select
            experiments.experiment_id,
            case when rows_of.request_created_at < experiments.window_start then 'baseline' else 'window' end as period,
            {{ log_bin('rows_of.' ~ a.column) }} as bin,
            rows_of.request_id
        from {{ a.relation }} as rows_of
        inner join experiments
            on rows_of.request_created_at < experiments.window_end and rows_of.request_created_at <= {{ as_of() }}
        where rows_of.is_kept and rows_of.{{ a.column }} is not null
    ) as binned
    group by grouping sets ((experiment_id, period, bin), (experiment_id, period, request_id))

),
{% endfor %}
counted as (

    {%- for a in attributes %}
    select
        experiment_id, 'requests' as source_name, {{ text_literal(a) }} as column_name, period, {{ typed_null('text') }} as variant,
        coalesce({{ a }}, '(none)') as bin, {{ typed_null('bigint') }} as bin_index, sum(n_rows) as n_rows
    from request_counts
    where is_without_{{ a }} = 0
    group by experiment_id, period, coalesce({{ a }}, '(none)')
    union all
    {%- if is_single %}
    select
        request_counts.experiment_id, 'requests' as source_name, {{ text_literal(a) }} as column_name, period, variant,
        coalesce({{ a }}, '(none)') as bin, {{ typed_null('bigint') }} as bin_index, sum(n_rows) as n_rows
    from request_counts
    inner join experiments on request_counts.experiment_id = experiments.experiment_id and experiments.unit = 'request'
    where is_without_{{ a }} = 0 and period = 'window'
    group by request_counts.experiment_id, period, variant, coalesce({{ a }}, '(none)')
    union all
    {%- endif %}
    {%- if is_several %}
    select
        experiment_id, 'requests' as source_name, {{ text_literal(a) }} as column_name, 'window' as period, variant,
        coalesce({{ a }}, '(none)') as bin, {{ typed_null('bigint') }} as bin_index, sum(n_rows) as n_rows
    from unit_counts
    group by experiment_id, variant, coalesce({{ a }}, '(none)')
    union all
    {%- endif %}
    {%- endfor %}
    {%- for a in measured %}
    select
        experiment_id, {{ text_literal(a.source) }} as source_name, {{ text_literal(a.column) }} as column_name, period,
        {{ typed_null('text') }} as variant, cast(bin as {{ sql_type('text') }}) as bin, bin as bin_index, n_rows
    from {{ a.source }}_counts
    where is_without_cluster = 1
    union all
    {%- endfor %}
    select
        {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as column_name,
        {{ typed_null('text') }} as period, {{ typed_null('text') }} as variant, {{ typed_null('text') }} as bin,
        {{ typed_null('bigint') }} as bin_index, {{ typed_null('bigint') }} as n_rows
    where 1 = 0

),

clusters as (

    {%- if attributes %}
    select experiment_id, 'requests' as source_name, period, sum(n_rows * n_rows * 1.0) / sum(n_rows) as rows_per_cluster
    from request_counts
    where is_without_cluster = 0
    group by experiment_id, period
    union all
    {%- endif %}
    {%- for a in measured %}
    select experiment_id, {{ text_literal(a.source) }} as source_name, period, sum(n_rows * n_rows * 1.0) / sum(n_rows) as rows_per_cluster
    from {{ a.source }}_counts
    where is_without_cluster = 0
    group by experiment_id, period
    union all
    {%- endfor %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as period,
        {{ typed_null('double') }} as rows_per_cluster
    where 1 = 0

),

ranked as (

    select
        experiment_id, source_name, column_name, bin,
        row_number() over (partition by experiment_id, source_name, column_name order by sum(n_rows) desc, bin) as place
    from counted
    where variant is null
    group by experiment_id, source_name, column_name, bin

),

named as (

    select
        counted.experiment_id, counted.source_name, counted.column_name, counted.period, counted.variant, counted.bin_index, counted.n_rows,
        case when counted.bin_index is not null or coalesce(ranked.place, 201) <= 200 then counted.bin else '(other)' end as bin
    from counted
    left join ranked
        on counted.experiment_id = ranked.experiment_id and counted.source_name = ranked.source_name
        and counted.column_name = ranked.column_name and counted.bin = ranked.bin

),

final as (

    select
        named.experiment_id, named.source_name, named.column_name, named.period, named.variant, named.bin, named.bin_index,
        cast(sum(named.n_rows) as {{ sql_type('bigint') }}) as n_rows,
        cast(max(case when named.variant is null then clusters.rows_per_cluster else 1 end) as {{ sql_type('double') }}) as rows_per_cluster
    from named
    left join clusters
        on named.experiment_id = clusters.experiment_id and named.source_name = clusters.source_name and named.period = clusters.period
    group by
        named.experiment_id, named.source_name, named.column_name, named.period, named.variant, named.bin, named.bin_index

)

select * from final
