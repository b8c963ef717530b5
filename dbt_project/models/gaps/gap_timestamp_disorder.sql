{{ countable_gap('timestamp_disorder', ref('defect_counts')) }}
