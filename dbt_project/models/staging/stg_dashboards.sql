{{ stage('dashboards') }}
