{{ stage('support_tickets') }}
