{{ stage('quotes') }}
