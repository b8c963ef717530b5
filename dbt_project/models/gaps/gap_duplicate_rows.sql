{{ countable_gap('duplicate_rows', ref('defect_counts')) }}
