{{ stage('assignments') }}
