{{ stage('requests') }}
