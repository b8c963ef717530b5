{{ child_of_requests('hires', ref('stg_hires'), ref('int_requests'), ref('stg_requests'),
    key='hire_id', anchors=[['hire_id']], order_at='hired_at') }}
