-- Rows in = kept + quarantined + removed (+ filtered), per source. A row here means a model lost or invented rows.
select source_name, rows_in, rows_total, rows_kept, rows_quarantined, rows_duplicate, rows_conflicting
from {{ ref('int_source_facts') }}
where rows_in <> rows_filtered + rows_kept + rows_quarantined + rows_duplicate + rows_conflicting
