{{ stage('hires') }}
