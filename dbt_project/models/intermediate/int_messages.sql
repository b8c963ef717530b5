{{ child_of_requests('messages', ref('stg_messages'), ref('int_requests'), ref('stg_requests'),
    key=none, anchors=[['request_id', 'pro_id', 'sent_at']], order_at='sent_at') }}
