{{ countable_gap_with_own('missing_values', ref('defect_counts'), ref('own_metric_rows') if not execute or own_metrics() else none) }}
