rule password_assignment {
  meta:
    id = "password-assignment"
    title = "Password in a key and value"
    kind = "password"
    severity = "medium"
    confidence = "possible"
    anchor = "password|passwd|passphrase"
    anchor_nocase = true
    longest = 110
    validator = "plausible-password"
    value = "(?i)(?:password|passwd|passphrase)[\\\"']?\\s*(?:=>|=|:)\\s*[\\\"']?(.+)\\Z"
    boundary = "none"
    reference = "https://12factor.net/config"
    example = "DB_PASSWORD=<base62:14>"
    example2 = "\"password\": \"<base62:14>\""
    example3 = ":password       => 'Zq4$<lownum:9>',"
    counterexample = "password=changeme"
  strings:
    $a = /(password|passwd|passphrase)[\"']?\s{0,8}(=|:|=>)\s{0,8}[\"']?[^\s\"'<>,;&\x00-\x1f\x7f-\xff]{6,80}/ nocase
  condition:
    $a
}

rule secret_assignment {
  meta:
    id = "secret-assignment"
    title = "Secret in a key and value"
    kind = "api-key"
    severity = "medium"
    confidence = "possible"
    anchor = "api_key|apikey|api-key|secret_key|client_secret|access_token|auth_token|refresh_token|ecretKey|lientSecret|ccessToken|uthToken|efreshToken|apiKey|ApiKey"
    anchor_nocase = true
    longest = 223
    reach = 300
    validator = "client-secret"
    value = "(?:=>|=|:)\\s*[\\\"']?(.+)\\Z"
    boundary = "none"
    reference = "https://12factor.net/config"
    example = "API_KEY=<base62:32>"
    example2 = "clientSecret: '<base62:32>'"
    example3 = "\"accessToken\" : \"<base62:32>\""
    example4 = "apiKey => <base62:32>"
    counterexample = "api_key=your-api-key-goes-here"
  strings:
    $a = /(api[_-]?key|secret_?key|client_?secret|access_?token|auth_?token|refresh_?token)[\"']?\s{0,3}(=|:|=>)\s{0,3}[\"']?[0-9A-Za-z._~+\/=-]{16,200}/ nocase
  condition:
    $a
}

rule env_secret {
  meta:
    id = "env-secret"
    title = "Secret in an environment variable"
    kind = "api-key"
    severity = "medium"
    confidence = "possible"
    anchor = "_TOKEN=|_SECRET=|_KEY=|_PASS=|_PWD=|_PASSWD=|_CREDENTIALS=|_AUTH=|_PASSWORD="
    longest = 262
    validator = "named-token"
    value = "=[\\\"']?(.+)\\Z"
    boundary = "none"
    reference = "https://12factor.net/config"
    example = "ACME_SERVICE_TOKEN=<base62:32>"
    counterexample = "ACME_SERVICE_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    counterexample2 = "ACME_PUBLIC_KEY=<base62:32>"
  strings:
    $a = /[0-9A-Z_]{2,48}_(TOKEN|SECRET|KEY|PASS|PWD|PASSWD|CREDENTIALS|AUTH|PASSWORD)=[\"\']?[^\s\"\'\x00-\x1f\x7f-\xff]{8,200}/
  condition:
    $a
}

rule named_secret {
  meta:
    id = "named-secret"
    title = "Secret in a key and value"
    kind = "api-key"
    severity = "medium"
    confidence = "possible"
    anchor = "_token\":|_token':|_token =|_token=|_token: |_secret\":|_secret =|_secret=|_secret: |_key\":|_key =|_key=|_key: |Token\":|Token = |Token=|Token: |Secret\":|Secret = |Secret=|Key\":|Key = \"|Key=|ApiKey=|apiKey: |\"token\":|\"secret\":|\"key\":|_key': |_token': |token = \"|token = '|token: |TOKEN: |TOKEN = |secret: |secret = \"|secret = '|SECRET: |SECRET = |Secret: |Secret := |Token := |Key := |Secret' : | key = '| key = \"|KEY=|KEY: |KEY = "
    longest = 214
    validator = "named-token"
    value = "(?:=>|:=|=|:)[ ]*[\\\"'`]?(.+)\\Z"
    boundary = "none"
    reference = "https://12factor.net/config"
    example = "acme_token = \"<base62:32>\""
    example2 = "[DEBUG] using Key=<lownum:32>"
    example3 = "token: s.<base62:24>"
    counterexample = "acme_token = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""
    counterexample2 = "\"cache_key\":\"<hex:32>\""
  strings:
    $a = /(token|secret|[a-z0-9_ -]key)[\"\']?[ ]{0,2}(=|:|=>|:=)[ ]{0,2}[\"\'`]?[0-9A-Za-z_.+\/~=-]{16,200}/ nocase
  condition:
    $a
}
