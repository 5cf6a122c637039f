rule url_password {
  meta:
    id = "url-password"
    title = "Password in a URL"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "http://|https://|ftp://|ftps://|ssh://|git://|gres://|resql://|sql://|iadb://|odb://|+srv://|edis://|diss://|amqp://|mqps://|mqtt://|qtts://|nats://|ldap://|daps://|smtp://|mtps://|imap://|ouse://|afka://|cks5://|rver://|acle://|ched://|arch://|vnc://|rtsp://|smb://|uxdb://|ndra://|chdb://|eo4j://|bolt://|lake://|opg2://|opg://|cpg://|odbc://"
    longest = 339
    validator = "url-password"
    value = "://[^:@/]*:([^@/]+)@"
    boundary = "none"
    placeholders = "keep"
    reference = "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1"
    example = "postgres://app:<base62:16>@db.internal:5432/app"
    example2 = "amqp://guest:s3cr<base62:6>@mq:5672/"
    counterexample = "https://user:password@example.com/"
  strings:
    $a = /[a-zA-Z][a-zA-Z0-9+.-]{1,20}:\/\/[^\s:\/@\"'<>?#\x00-\x1f\x7f-\xff]{0,64}:[^\s:\/@\"'<>?#\x00-\x1f\x7f-\xff]{1,128}@[A-Za-z0-9\[][A-Za-z0-9._:-]{0,120}/
  condition:
    $a
}

rule adonet_password {
  meta:
    id = "adonet-password"
    title = "Password in a connection string"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "password=|pwd="
    anchor_nocase = true
    longest = 438
    validator = "plausible-password"
    value = "(?i)(?:password|pwd)\\s*=\\s*([^;\\\"']+)\\Z"
    boundary = "none"
    reference = "https://learn.microsoft.com/dotnet/framework/data/adonet/connection-string-syntax"
    example = "Server=db;User Id=app;Password=<base62:14>;"
    counterexample = "Server=db;User Id=app;Password=changeme;"
  strings:
    $a = /(server|data source|host|database|initial catalog|user id|uid|user|username)\s{0,2}=[^;\"'\x00-\x1f\x7f-\xff]{1,80};([^;\"'\x00-\x1f\x7f-\xff]{0,60};){0,4}\s{0,2}(password|pwd)\s{0,2}=\s{0,2}[^;\"'\s\x00-\x1f\x7f-\xff]{3,80}/ nocase
  condition:
    $a
}

rule odbc_pwd {
  meta:
    id = "odbc-pwd"
    title = "Password in an ODBC connection string"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "}};UID=|;UID=|;Uid=|;uid="
    longest = 154
    validator = "plausible-password"
    value = "=([^=;]+)\\Z"
    boundary = "none"
    reference = "https://learn.microsoft.com/dotnet/framework/data/adonet/connection-string-syntax"
    example = "Driver={SQL};UID=sa;PWD=<base62:14>;"
    counterexample = ";UID=sa;PWD=changeme;"
  strings:
    $a = /;UID=[^;\x00-\x1f\x7f-\xff]{1,64};PWD=[^;\"'\s\x00-\x1f\x7f-\xff]{3,80}/
  condition:
    $a
}

rule jdbc_password {
  meta:
    id = "jdbc-password"
    title = "Password in a JDBC URL"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "jdbc:"
    longest = 325
    validator = "plausible-password"
    value = "password=([^&;]+)\\Z"
    boundary = "none"
    reference = "https://jdbc.postgresql.org/documentation/use/"
    example = "jdbc:postgresql://db/app?user=app&password=<base62:14>"
    counterexample = "jdbc:postgresql://db/app?user=app&password=${PASS}"
  strings:
    $a = /jdbc:[a-z0-9:]{2,30}[^\s\"'<>\x00-\x1f\x7f-\xff]{1,200}[?&;]password=[^\s&;\"'<>\x00-\x1f\x7f-\xff]{3,80}/
  condition:
    $a
}
