{{ stage('spam_flags') }}
