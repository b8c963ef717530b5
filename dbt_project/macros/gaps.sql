{# The one row shape of every gap model. `variant` null is the whole table; each other row is one arm of one experiment. #}
{% macro gap_rows(relation) %}
select
    experiment_id,
    source_name,
    column_name,
    segment,
    variant,
    cast(rows_total as {{ sql_type('bigint') }}) as rows_total,
    cast(rows_affected as {{ sql_type('bigint') }}) as rows_affected,
    cast(rows_residual as {{ sql_type('bigint') }}) as rows_residual,
    cast(is_gap as {{ sql_type('boolean') }}) as is_gap,
    cast(note as {{ sql_type('text') }}) as note
from {{ relation }}
{% endmacro %}

{# A countable defect of the sources, and of the tables of a team's own metrics where there are any. #}
{% macro countable_gap_with_own(kind, counts, own) %}
{%- if not own_metrics() -%}
{{ countable_gap(kind, counts) }}
{%- else -%}
with of_sources as (
    {{ countable_gap(kind, counts) }}
),

final as (

    select * from of_sources
    union all
    {{ own_gaps(kind, own) }}

)

{{ gap_rows('final') }}
{%- endif -%}
{% endmacro %}

{# A countable defect: the whole table once, and each arm. About an experiment only where `per_experiment` says so. #}
{% macro countable_gap(kind, counts, per_experiment=false) %}
with counts as (

    select * from {{ counts }} where kind = {{ text_literal(kind) }}

),

first_experiment as (

    select min(coalesce(experiment_id, '')) as experiment_id from counts

),

whole_table as (

    select
        {{ 'counts.experiment_id' if per_experiment else typed_null('text') }} as experiment_id,
        counts.source_name, counts.column_name, {{ typed_null('text') }} as segment, {{ typed_null('text') }} as variant,
        sum(counts.rows_total) as rows_total, sum(counts.rows_affected) as rows_affected, sum(counts.rows_residual) as rows_residual,
        sum(counts.rows_affected) > 0 as is_gap, {{ column_note(kind) }} as note
    from counts
    {% if not per_experiment -%}
    inner join first_experiment on coalesce(counts.experiment_id, '') = first_experiment.experiment_id
    {%- endif %}
    group by {{ 'counts.experiment_id, ' if per_experiment }}counts.source_name, counts.column_name

),

by_arm as (

    select
        counts.experiment_id, counts.source_name, counts.column_name, {{ typed_null('text') }} as segment, counts.variant,
        counts.rows_total, counts.rows_affected, counts.rows_residual,
        counts.rows_affected > 0 as is_gap, {{ typed_null('text') }} as note
    from counts
    where counts.variant is not null

),

final as (

    select * from whole_table
    union all
    select * from by_arm

)

{{ gap_rows('final') }}
{% endmacro %}
