{{ stage('quote_events') }}
