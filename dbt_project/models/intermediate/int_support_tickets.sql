{{ child_of_requests('support_tickets', ref('stg_support_tickets'), ref('int_requests'), ref('stg_requests'),
    key='ticket_id', anchors=[['ticket_id']], order_at='opened_at') }}
