{{ inspection_findings('not_evaluated') }}
