{{ countable_gap('invalid_values', ref('defect_counts')) }}
