-- Rows in = kept + quarantined + removed + filtered, per source, and a canonical table holds every kept row.
-- A row here means that a model lost or invented rows, or that a source changed while it was read.
with canonical as (

    select 'requests' as source_name, count(*) as rows_canonical from {{ ref('requests') }}
    union all
    select 'quotes' as source_name, count(*) as rows_canonical from {{ ref('quotes') }}
    union all
    select 'hires' as source_name, count(*) as rows_canonical from {{ ref('hires') }}
    union all
    select 'assignments' as source_name, count(*) as rows_canonical from {{ ref('experiment_assignments') }}

)

select
    facts.source_name, facts.rows_in, facts.rows_total, facts.rows_filtered, facts.rows_kept, facts.rows_quarantined,
    facts.rows_duplicate, facts.rows_conflicting, canonical.rows_canonical
from {{ ref('int_source_facts') }} as facts
left join canonical on facts.source_name = canonical.source_name
where facts.rows_in <> facts.rows_filtered + facts.rows_kept + facts.rows_quarantined + facts.rows_duplicate + facts.rows_conflicting
    or facts.rows_total <> facts.rows_kept + facts.rows_quarantined + facts.rows_duplicate + facts.rows_conflicting
    or canonical.rows_canonical <> facts.rows_kept
