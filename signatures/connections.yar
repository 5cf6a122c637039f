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
    counterexample2 = "http://foo:bar@myhost."
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
    anchor = "password=|pwd=|password =|pwd ="
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

rule astra_token {
  meta:
    id = "astra-token"
    title = "DataStax Astra token"
    kind = "astra-token"
    severity = "high"
    confidence = "validated"
    anchor = "AstraCS:"
    longest = 97
    validator = "random"
    reference = "https://docs.datastax.com/en/astra-db-serverless/administration/manage-application-tokens.html"
    example = "AstraCS:<letters:24>:<hex:64>"
    counterexample = "AstraCS:xxxxxxxxxxxxxxxxxxxxxxxx:0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /AstraCS:[A-Za-z]{24}:[0-9a-f]{64}/
  condition:
    $a
}

rule mongodb_service_account {
  meta:
    id = "mongodb-service-account"
    title = "MongoDB Atlas service account secret"
    kind = "mongodb-token"
    severity = "high"
    confidence = "validated"
    anchor = "mdb_sa_sk_"
    longest = 50
    validator = "random"
    boundary = "token"
    reference = "https://www.mongodb.com/docs/atlas/api/service-accounts-overview/"
    example = "mdb_sa_sk_<base64url:40>"
    counterexample = "mdb_sa_sk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /mdb_sa_sk_[0-9A-Za-z_-]{40}/
  condition:
    $a
}

rule cockroach_key {
  meta:
    id = "cockroach-key"
    title = "CockroachDB Cloud key"
    kind = "cockroach-token"
    severity = "high"
    confidence = "validated"
    anchor = "CCDB1_"
    longest = 69
    validator = "random"
    reference = "https://www.cockroachlabs.com/docs/cockroachcloud/managing-access"
    example = "CCDB1_<base62:22>_<base62:40>"
    counterexample = "CCDB1_xxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /CCDB1_[0-9A-Za-z]{22}_[0-9A-Za-z]{40}/
  condition:
    $a
}

rule xata_key {
  meta:
    id = "xata-key"
    title = "Xata API key"
    kind = "xata-token"
    severity = "high"
    confidence = "validated"
    anchor = "xau_"
    longest = 44
    validator = "mixed"
    reference = "https://xata.io/docs/concepts/api-keys"
    example = "xau_<base62:36>"
    counterexample = "xau_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xau_[0-9A-Za-z]{32,40}/
  condition:
    $a
}

rule confluent_secret {
  meta:
    id = "confluent-secret"
    title = "Confluent Cloud API secret"
    kind = "confluent-token"
    severity = "high"
    confidence = "validated"
    anchor = "cflt"
    longest = 64
    validator = "mixed"
    boundary = "base64"
    reference = "https://docs.confluent.io/cloud/current/security/authenticate/workload-identities/service-accounts/api-keys/overview.html"
    example = "cflt<base62:60>"
    counterexample = "cfltxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /cflt[0-9A-Za-z+\/]{60}/
  condition:
    $a
}

rule clickhouse_cloud_key {
  meta:
    id = "clickhouse-cloud-key"
    title = "ClickHouse Cloud key secret"
    kind = "clickhouse-token"
    severity = "high"
    confidence = "validated"
    anchor = "4b1d"
    longest = 42
    validator = "mixed"
    reference = "https://clickhouse.com/docs/cloud/manage/openapi"
    example = "4b1d<base62:38>"
    counterexample = "4b1dxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /4b1d[0-9A-Za-z]{38}/
  condition:
    $a
}

rule nats_seed {
  meta:
    id = "nats-seed"
    title = "NATS nkey seed"
    kind = "nats-nkey-seed"
    severity = "critical"
    confidence = "validated"
    anchor = "SUAA|SUAB|SUAC|SUAD|SUAE|SUAF|SUAG|SUAH|SUAI|SUAJ|SUAK|SUAL|SUAM|SUAN|SUAO|SUAP|SAAA|SAAB|SAAC|SAAD|SAAE|SAAF|SAAG|SAAH|SAAI|SAAJ|SAAK|SAAL|SAAM|SAAN|SAAO|SAAP|SOAA|SOAB|SOAC|SOAD|SOAE|SOAF|SOAG|SOAH|SOAI|SOAJ|SOAK|SOAL|SOAM|SOAN|SOAO|SOAP|SNAA|SNAB|SNAC|SNAD|SNAE|SNAF|SNAG|SNAH|SNAI|SNAJ|SNAK|SNAL|SNAM|SNAN|SNAO|SNAP"
    longest = 58
    validator = "nkey"
    reference = "https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth"
    example = "<nkey:U>"
    counterexample = "SUAA<base32:54>"
  strings:
    $a = /(SUA|SAA|SOA|SNA)[A-P][A-Z2-7]{54}/
  condition:
    $a
}

rule kafka_jaas {
  meta:
    id = "kafka-jaas"
    title = "Password in a Kafka JAAS configuration"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "LoginModule required"
    longest = 497
    validator = "random"
    value = "password=\\\\?\\\"([^\\\"\\\\]+)"
    boundary = "none"
    reference = "https://kafka.apache.org/documentation/#security_sasl"
    example = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"app\" password=\"Zq8<base62:14>\";"
    counterexample = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"app\" password=\"Zq8xxxxxxxxxxxxxx\";"
  strings:
    $a = /LoginModule required[ \t\r\n\\]{1,8}([a-z.]{3,20}=\\?\"[^\"\x00-\x1f\x7f-\xff]{0,80}\"[ \t\r\n\\]{1,8}){0,3}password=\\?\"[^\"\x00-\x1f\x7f-\xff]{4,120}\\?\"/
  condition:
    $a
}

rule pgpass_line {
  meta:
    id = "pgpass-line"
    title = "Password in a .pgpass file"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = ":5432:"
    longest = 314
    validator = "plausible-password"
    value = ":([^:]+)\\Z"
    boundary = "none"
    reference = "https://www.postgresql.org/docs/current/libpq-pgpass.html"
    example = "db.internal:5432:app:app:Zq8<base62:14>"
    counterexample = "db.internal:5432:app:app:Zq8xxxxxxxxxxxxxx"
  strings:
    $a = /[0-9A-Za-z.*-]{1,80}:5432:[0-9A-Za-z_*-]{1,63}:[0-9A-Za-z_*-]{1,63}:[^\s:\x00-\x1f\x7f-\xff]{6,100}/
  condition:
    $a
}

rule oracle_connect {
  meta:
    id = "oracle-connect"
    title = "Password in an Oracle connection"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "jdbc:oracle:thin:|jdbc:oracle:oci:"
    longest = 139
    validator = "plausible-password"
    value = "\\/(.+)@"
    boundary = "none"
    reference = "https://docs.oracle.com/en/database/oracle/oracle-database/19/jjdbc/data-sources-and-URLs.html"
    example = "jdbc:oracle:thin:app/Zq8<base62:12>@//db:1521/orcl"
    counterexample = "jdbc:oracle:thin:app/Zq8xxxxxxxxxxxx@//db:1521/orcl"
  strings:
    $a = /jdbc:oracle:(thin|oci):[0-9A-Za-z_$#]{1,40}\/[^\s@\/\x00-\x1f\x7f-\xff]{4,80}@/
  condition:
    $a
}

rule redis_requirepass {
  meta:
    id = "redis-requirepass"
    title = "Redis password"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "requirepass |masterauth "
    longest = 113
    validator = "plausible-password"
    value = "(?:requirepass|masterauth) \\\"?(.+)"
    boundary = "none"
    reference = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
    example = "requirepass Zq8<base62:24>"
    counterexample = "requirepass Zq8xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(requirepass|masterauth) \"?[^\s\"\x00-\x1f\x7f-\xff]{6,100}/
  condition:
    $a
}

rule database_env {
  meta:
    id = "database-env"
    title = "Database password in the environment"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "PGPASSWORD=|MYSQL_PWD=|REDISCLI_AUTH=|MYSQL_ROOT_PASSWORD=|MONGO_INITDB_ROOT_PASSWORD=|MSSQL_SA_PASSWORD=|SQLCMDPASSWORD=|SNOWFLAKE_PASSWORD=|RABBITMQ_DEFAULT_PASS="
    longest = 128
    validator = "plausible-password"
    value = "=[\\\"']?(.+)"
    boundary = "none"
    reference = "https://www.postgresql.org/docs/current/libpq-envars.html"
    example = "PGPASSWORD=Zq8<base62:14>"
    counterexample = "PGPASSWORD=Zq8xxxxxxxxxxxxxx"
  strings:
    $a = /(PGPASSWORD|MYSQL_PWD|REDISCLI_AUTH|MYSQL_ROOT_PASSWORD|MONGO_INITDB_ROOT_PASSWORD|MSSQL_SA_PASSWORD|SQLCMDPASSWORD|SNOWFLAKE_PASSWORD|RABBITMQ_DEFAULT_PASS)=[\"\']?[^\s\"\'\x00-\x1f\x7f-\xff]{5,100}/
  condition:
    $a
}

rule sql_identified_by {
  meta:
    id = "sql-identified-by"
    title = "Password in an SQL statement"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "DENTIFIED BY '|PASSWORD '|assword '|dentified by '"
    longest = 157
    validator = "plausible-password"
    value = "'([^']+)'"
    boundary = "none"
    reference = "https://dev.mysql.com/doc/refman/8.4/en/create-user.html"
    example = "CREATE USER app IDENTIFIED BY 'Zq8<base62:12>'"
    counterexample = "CREATE USER app IDENTIFIED BY 'Zq8xxxxxxxxxxxx'"
  strings:
    $a = /(identified by|with (encrypted )?password|with (login )?password|user [0-9a-z_]{1,40} password) '[^'\x00-\x1f\x7f-\xff]{6,100}'/ nocase
  condition:
    $a
}

rule algolia_context {
  meta:
    id = "algolia-context"
    title = "Algolia API key"
    kind = "algolia-token"
    severity = "high"
    confidence = "validated"
    anchor = "algolia"
    anchor_nocase = true
    longest = 73
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://www.algolia.com/doc/guides/security/api-keys/"
    example = "ALGOLIA_API_KEY=<hex:32>"
    example2 = "\"ALGOLIA_API_KEY\": \"<hex:32>\""
    counterexample = "ALGOLIA_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(algolia)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule confluent_context {
  meta:
    id = "confluent-context"
    title = "Confluent API secret"
    kind = "confluent-token"
    severity = "high"
    confidence = "validated"
    anchor = "confluent|kafka_api"
    anchor_nocase = true
    longest = 107
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{64})\\Z"
    boundary = "token"
    reference = "https://docs.confluent.io/cloud/current/security/authenticate/workload-identities/service-accounts/api-keys/overview.html"
    example = "CONFLUENT_API_SECRET=<base62:64>"
    example2 = "\"CONFLUENT_API_SECRET\": \"<base62:64>\""
    counterexample = "CONFLUENT_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(confluent|kafka_api)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{64}/ nocase
  condition:
    $a
}

rule upstash_context {
  meta:
    id = "upstash-context"
    title = "Upstash REST token"
    kind = "upstash-token"
    severity = "high"
    confidence = "validated"
    anchor = "upstash"
    anchor_nocase = true
    longest = 173
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{48,130}={0,2})\\Z"
    boundary = "token"
    reference = "https://upstash.com/docs/redis/features/restapi"
    example = "UPSTASH_REDIS_REST_TOKEN=<base62:54>"
    example2 = "\"UPSTASH_REDIS_REST_TOKEN\": \"<base62:54>\""
    counterexample = "UPSTASH_REDIS_REST_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(upstash)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{48,130}={0,2}/ nocase
  condition:
    $a
}

rule meilisearch_context {
  meta:
    id = "meilisearch-context"
    title = "Meilisearch key"
    kind = "meilisearch-token"
    severity = "high"
    confidence = "validated"
    anchor = "meili"
    anchor_nocase = true
    longest = 103
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{64}|[0-9A-Za-z_-]{43}))\\Z"
    boundary = "token"
    reference = "https://www.meilisearch.com/docs/learn/security/basic_security"
    example = "MEILI_MASTER_KEY=<base64url:43>"
    example2 = "\"MEILI_MASTER_KEY\": \"<base64url:43>\""
    counterexample = "MEILI_MASTER_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(meili)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{64}|[0-9A-Za-z_-]{43})/ nocase
  condition:
    $a
}

rule typesense_context {
  meta:
    id = "typesense-context"
    title = "Typesense key"
    kind = "typesense-token"
    severity = "high"
    confidence = "validated"
    anchor = "typesense"
    anchor_nocase = true
    longest = 91
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32,48})\\Z"
    boundary = "token"
    reference = "https://typesense.org/docs/latest/api/api-keys.html"
    example = "TYPESENSE_API_KEY=<base62:32>"
    example2 = "\"TYPESENSE_API_KEY\": \"<base62:32>\""
    counterexample = "TYPESENSE_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(typesense)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32,48}/ nocase
  condition:
    $a
}

rule couchbase_context {
  meta:
    id = "couchbase-context"
    title = "Couchbase Capella secret"
    kind = "couchbase-token"
    severity = "high"
    confidence = "validated"
    anchor = "couchbase|capella"
    anchor_nocase = true
    longest = 145
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/%!@]{60,100}={0,2})\\Z"
    boundary = "token"
    reference = "https://docs.couchbase.com/cloud/management-api-guide/management-api-start.html"
    example = "CAPELLA_API_SECRET=<base62:64>"
    example2 = "\"CAPELLA_API_SECRET\": \"<base62:64>\""
    counterexample = "CAPELLA_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(couchbase|capella)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/%!@]{60,100}={0,2}/ nocase
  condition:
    $a
}

rule mongodb_atlas_context {
  meta:
    id = "mongodb-atlas-context"
    title = "MongoDB Atlas private key"
    kind = "mongodb-token"
    severity = "high"
    confidence = "validated"
    anchor = "atlas_private|mongodb_atlas|mcli_private"
    anchor_nocase = true
    longest = 83
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://www.mongodb.com/docs/atlas/configure-api-access/"
    example = "MONGODB_ATLAS_PRIVATE_KEY=<uuid4>"
    example2 = "\"MONGODB_ATLAS_PRIVATE_KEY\": \"<uuid4>\""
    counterexample = "MONGODB_ATLAS_PRIVATE_KEY=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(atlas_private|mongodb_atlas|mcli_private)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule aiven_context {
  meta:
    id = "aiven-context"
    title = "Aiven token"
    kind = "aiven-token"
    severity = "high"
    confidence = "validated"
    anchor = "aiven"
    anchor_nocase = true
    longest = 413
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{300,372}={0,2})\\Z"
    boundary = "token"
    reference = "https://aiven.io/docs/platform/howto/create_authentication_token"
    example = "AIVEN_TOKEN=<base62:340>"
    example2 = "\"AIVEN_TOKEN\": \"<base62:340>\""
    counterexample = "AIVEN_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(aiven)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{300,372}={0,2}/ nocase
  condition:
    $a
}

rule snowflake_context {
  meta:
    id = "snowflake-context"
    title = "Snowflake password"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "snowflake_pass|snowsql_pwd"
    anchor_nocase = true
    longest = 112
    validator = "plausible-password"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z!@#%^*_+=.~-]{8,64})\\Z"
    boundary = "none"
    reference = "https://docs.snowflake.com/en/user-guide/snowsql-start"
    example = "SNOWSQL_PWD=Zq8!<base62:12>"
    example2 = "\"SNOWSQL_PWD\": \"Zq8!<base62:12>\""
    counterexample = "SNOWSQL_PWD=Zq8!xxxxxxxxxxxx"
  strings:
    $a = /(snowflake_pass|snowsql_pwd)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z!@#%^*_+=.~-]{8,64}/ nocase
  condition:
    $a
}
