{{ countable_gap('missing_values', ref('defect_counts')) }}
