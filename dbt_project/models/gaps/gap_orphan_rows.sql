{{ countable_gap('orphan_rows', ref('defect_counts')) }}
