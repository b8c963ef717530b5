{{ child_of_requests('quote_events', ref('stg_quote_events'), ref('int_requests'), ref('stg_requests'),
    key=none, anchors=[['request_id', 'pro_id']], order_at='event_at') }}
