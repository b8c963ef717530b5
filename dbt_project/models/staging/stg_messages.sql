{{ stage('messages') }}
