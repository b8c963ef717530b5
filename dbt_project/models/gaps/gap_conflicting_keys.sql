{{ countable_gap('conflicting_keys', ref('defect_counts')) }}
