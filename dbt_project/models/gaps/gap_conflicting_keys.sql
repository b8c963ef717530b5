{{ countable_gap_with_own('conflicting_keys', ref('defect_counts'), ref('own_metric_rows') if not execute or own_metrics() else none) }}
