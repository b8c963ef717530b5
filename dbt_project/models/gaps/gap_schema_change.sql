{{ inspection_findings('schema_change') }}
