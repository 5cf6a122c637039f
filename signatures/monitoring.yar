rule newrelic_user_key {
  meta:
    id = "newrelic-user-key"
    title = "New Relic user key"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "NRAK-"
    longest = 32
    validator = "random"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "NRAK-<upnum:27>"
    counterexample = "NRAK-xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /NRAK-[A-Z0-9]{27}/
  condition:
    $a
}

rule newrelic_insert_key {
  meta:
    id = "newrelic-insert-key"
    title = "New Relic insert key"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "NRII-"
    longest = 37
    validator = "random"
    boundary = "token"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "NRII-<base64url:32>"
    counterexample = "NRII-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /NRII-[0-9A-Za-z_-]{32}/
  condition:
    $a
}

rule newrelic_license_key {
  meta:
    id = "newrelic-license-key"
    title = "New Relic license key"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "NRAL"
    longest = 40
    validator = "hex-random"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "<hex:36>NRAL"
    example2 = "eu01xx<hex:30>NRAL"
    counterexample = "000000000000000000000000000000000000NRAL"
  strings:
    $a = /([0-9a-f]{32}|[a-z]{2}[0-9]{2}xx[0-9a-f]{26})([0-9a-f]{4}|FFFF)NRAL/
  condition:
    $a
}

rule grafana_service_account {
  meta:
    id = "grafana-service-account"
    title = "Grafana service account token"
    kind = "grafana-token"
    severity = "high"
    confidence = "validated"
    anchor = "glsa_"
    longest = 46
    validator = "grafana-crc32"
    reference = "https://grafana.com/docs/grafana/latest/administration/service-accounts/"
    example = "glsa_<base62:32>_<crc32hex>"
    counterexample = "glsa_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxx"
  strings:
    $a = /glsa_[0-9A-Za-z]{32}_[0-9a-f]{8}/
  condition:
    $a
}

rule grafana_cloud {
  meta:
    id = "grafana-cloud"
    title = "Grafana Cloud access policy token"
    kind = "grafana-token"
    severity = "high"
    confidence = "validated"
    anchor = "glc_"
    longest = 409
    validator = "base64-json"
    boundary = "base64"
    reference = "https://grafana.com/docs/grafana-cloud/security-and-account-management/authentication-and-permissions/access-policies/"
    example = "glc_<b64:{\"o\":\"123456\",\"n\":\"stack-agent\",\"m\":{\"r\":\"eu\"},\"k\":\">"
    counterexample = "glc_eyJ<base62:40>"
  strings:
    $a = /glc_eyJ[0-9A-Za-z+\/_-]{40,400}={0,2}/
  condition:
    $a
}

rule sentry_org_token {
  meta:
    id = "sentry-org-token"
    title = "Sentry organization token"
    kind = "sentry-token"
    severity = "high"
    confidence = "validated"
    anchor = "sntrys_"
    longest = 410
    validator = "base64-json"
    boundary = "none"
    tail = "base64"
    reference = "https://docs.sentry.io/account/auth-tokens/"
    example = "sntrys_<b64:{\"iat\":1690000000.0,\"url\":\"https://sentry.io\",\"region_url\":\"https://us.sentry.io\",\"org\":\">_<base62:43>"
    counterexample = "sntrys_eyJ<base62:90>"
  strings:
    $a = /sntrys_eyJ[0-9A-Za-z+\/=_-]{80,400}/
  condition:
    $a
}

rule sentry_user_token {
  meta:
    id = "sentry-user-token"
    title = "Sentry user token"
    kind = "sentry-token"
    severity = "high"
    confidence = "validated"
    anchor = "sntryu_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.sentry.io/account/auth-tokens/"
    example = "sntryu_<hex:64>"
    counterexample = "sntryu_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /sntryu_[0-9a-f]{64}/
  condition:
    $a
}

rule dynatrace_token {
  meta:
    id = "dynatrace-token"
    title = "Dynatrace token"
    kind = "dynatrace-token"
    severity = "high"
    confidence = "validated"
    anchor = "dt0c01.|dt0s01.|dt0s16.|dt0s02.|dt0s08.|dt0e01."
    longest = 96
    validator = "random"
    reference = "https://docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients/access-tokens"
    example = "dt0c01.<upnum:24>.<upnum:64>"
    counterexample = "dt0c01.xxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /dt0[a-z][0-9]{2}\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}/
  condition:
    $a
}

rule honeycomb_key {
  meta:
    id = "honeycomb-key"
    title = "Honeycomb key"
    kind = "honeycomb-token"
    severity = "high"
    confidence = "validated"
    anchor = "hcaik_|hcbik_|hccik_|hcdik_|hceik_|hcfik_|hcgik_|hchik_|hciik_|hcjik_|hckik_|hclik_|hcmik_|hcnik_|hcoik_|hcpik_|hcqik_|hcrik_|hcsik_|hctik_|hcuik_|hcvik_|hcwik_|hcxik_|hcyik_|hczik_|hcamk_|hcbmk_|hccmk_|hcdmk_|hcemk_|hcfmk_|hcgmk_|hchmk_|hcimk_|hcjmk_|hckmk_|hclmk_|hcmmk_|hcnmk_|hcomk_|hcpmk_|hcqmk_|hcrmk_|hcsmk_|hctmk_|hcumk_|hcvmk_|hcwmk_|hcxmk_|hcymk_|hczmk_"
    longest = 65
    validator = "random"
    reference = "https://docs.honeycomb.io/api/authentication"
    example = "hcaik_<lownum:58>"
    example2 = "hcxmk_<lownum:26>:<base62:32>"
    counterexample = "hcaik_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /hc[a-z](ik_[0-9a-z]{58}|mk_[0-9a-z]{26}:[0-9A-Za-z]{32})/
  condition:
    $a
}

rule posthog_personal {
  meta:
    id = "posthog-personal"
    title = "PostHog personal API key"
    kind = "posthog-token"
    severity = "high"
    confidence = "validated"
    anchor = "phx_"
    longest = 52
    validator = "random"
    reference = "https://posthog.com/docs/api"
    example = "phx_<base62:43>"
    counterexample = "phx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /phx_[0-9A-Za-z_-]{43,48}/
  condition:
    $a
}

rule datadog_key {
  meta:
    id = "datadog-key"
    title = "Datadog key"
    kind = "datadog-token"
    severity = "high"
    confidence = "validated"
    anchor = "DD_API_KEY|DD_APP_KEY|DD-API-KEY|DD-APPLICATION-KEY"
    anchor_nocase = true
    longest = 67
    validator = "hex-random"
    value = "([0-9a-f]+)\\Z"
    reference = "https://docs.datadoghq.com/account_management/api-app-keys/"
    example = "DD_API_KEY=<hex:32>"
    counterexample = "DD_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /DD[_-](API|APP|APPLICATION)[_-]KEY[\"']?\s{0,3}[:=]\s{0,3}[\"']?[0-9a-f]{32,40}/ nocase
  condition:
    $a
}

rule axiom_token {
  meta:
    id = "axiom-token"
    title = "Axiom token"
    kind = "axiom-token"
    severity = "high"
    confidence = "validated"
    anchor = "xaat-|xapt-"
    longest = 41
    validator = "random"
    reference = "https://axiom.co/docs/reference/tokens"
    example = "xaat-<uuid4>"
    counterexample = "xaat-00000000-0000-0000-0000-000000000000"
  strings:
    $a = /xa(at|pt)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule newrelic_other {
  meta:
    id = "newrelic-other"
    title = "New Relic query or browser key"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "NRIQ-|NRJS-|NRRA-|NRAA-|NRSP-"
    longest = 47
    validator = "random"
    boundary = "token"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "NRIQ-<base62:32>"
    counterexample = "NRIQ-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /NR(IQ|RA|AA|SP)-[0-9A-Za-z_-]{27,42}/
  condition:
    $a
}

rule posthog_feature {
  meta:
    id = "posthog-feature"
    title = "PostHog secret key"
    kind = "posthog-token"
    severity = "high"
    confidence = "validated"
    anchor = "phs_"
    longest = 56
    validator = "random"
    reference = "https://posthog.com/docs/api"
    example = "phs_<base62:46>"
    counterexample = "phs_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /phs_[0-9A-Za-z]{43,52}/
  condition:
    $a
}

rule sentry_user_auth {
  meta:
    id = "sentry-user-auth"
    title = "Sentry integration token"
    kind = "sentry-token"
    severity = "high"
    confidence = "validated"
    anchor = "sntryi_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.sentry.io/account/auth-tokens/"
    example = "sntryi_<hex:64>"
    counterexample = "sntryi_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /sntryi_[0-9a-f]{64}/
  condition:
    $a
}

rule sentry_dsn_secret {
  meta:
    id = "sentry-dsn-secret"
    title = "Sentry DSN with secret"
    kind = "sentry-token"
    severity = "high"
    confidence = "validated"
    anchor = "ingest.sentry.io|.sentry.io/|ingest.us.sentry.io|ingest.de.sentry.io"
    longest = 144
    validator = "hex-random"
    value = "([0-9a-f]{32})@"
    reference = "https://docs.sentry.io/concepts/key-terms/dsn-explainer/"
    example = "https://<hex:32>:<hex:32>@o1.ingest.sentry.io/42"
    counterexample = "https://00000000000000000000000000000000:00000000000000000000000000000000@o1.ingest.sentry.io/42"
  strings:
    $a = /https:\/\/[0-9a-f]{32}:[0-9a-f]{32}@[0-9a-z.]{1,40}sentry\.io\/[0-9]{1,20}/
  condition:
    $a
}

rule elastic_cloud_key {
  meta:
    id = "elastic-cloud-key"
    title = "Elastic Cloud key"
    kind = "elastic-token"
    severity = "high"
    confidence = "validated"
    anchor = "essu_"
    longest = 127
    validator = "random"
    boundary = "base64"
    reference = "https://www.elastic.co/docs/deploy-manage/api-keys/elastic-cloud-api-keys"
    example = "essu_<base64url:80>"
    counterexample = "essu_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /essu_[0-9A-Za-z_-]{60,120}={0,2}/
  condition:
    $a
}

rule elastic_api_key {
  meta:
    id = "elastic-api-key"
    title = "Elasticsearch API key in a header"
    kind = "elastic-token"
    severity = "high"
    confidence = "validated"
    anchor = "ApiKey "
    longest = 73
    validator = "basic-auth"
    value = "ApiKey (.+)"
    boundary = "base64"
    reference = "https://www.elastic.co/docs/deploy-manage/api-keys/elasticsearch-api-keys"
    example = "Authorization: ApiKey <elastic>"
    counterexample = "Authorization: ApiKey xxxxxxxxxxxx"
  strings:
    $a = /ApiKey [0-9A-Za-z+\/_-]{56,64}={0,2}/
  condition:
    $a
}

rule splunk_hec {
  meta:
    id = "splunk-hec"
    title = "Splunk HTTP event collector token"
    kind = "splunk-token"
    severity = "high"
    confidence = "validated"
    anchor = "Splunk "
    longest = 43
    validator = "random"
    value = "Splunk (.+)"
    reference = "https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector"
    example = "Authorization: Splunk <uuid4>"
    counterexample = "Authorization: Splunk 00000000-0000-0000-0000-000000000000"
  strings:
    $a = /Splunk [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule opsgenie_key {
  meta:
    id = "opsgenie-key"
    title = "Opsgenie API key"
    kind = "opsgenie-token"
    severity = "high"
    confidence = "validated"
    anchor = "GenieKey "
    longest = 45
    validator = "random"
    value = "GenieKey (.+)"
    reference = "https://docs.opsgenie.com/docs/authentication"
    example = "Authorization: GenieKey <uuid4>"
    counterexample = "Authorization: GenieKey 00000000-0000-0000-0000-000000000000"
  strings:
    $a = /GenieKey [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule checkly_key {
  meta:
    id = "checkly-key"
    title = "Checkly API key"
    kind = "checkly-token"
    severity = "high"
    confidence = "validated"
    anchor = "cu_0|cu_1|cu_2|cu_3|cu_4|cu_5|cu_6|cu_7|cu_8|cu_9|cu_a|cu_b|cu_c|cu_d|cu_e|cu_f"
    longest = 35
    validator = "hex-random"
    reference = "https://www.checklyhq.com/docs/accounts-and-users/creating-api-key/"
    example = "cu_<hex:32>"
    counterexample = "cu_00000000000000000000000000000000"
  strings:
    $a = /cu_[0-9a-f]{32}/
  condition:
    $a
}

rule coralogix_key {
  meta:
    id = "coralogix-key"
    title = "Coralogix API key"
    kind = "coralogix-token"
    severity = "high"
    confidence = "validated"
    anchor = "cxtp_|cxup_"
    longest = 45
    validator = "random"
    reference = "https://coralogix.com/docs/user-guides/account-management/api-keys/api-keys/"
    example = "cxtp_<base62:30>"
    counterexample = "cxtp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /cx[tu]p_[0-9A-Za-z]{26,40}/
  condition:
    $a
}

rule healthchecks_key {
  meta:
    id = "healthchecks-key"
    title = "Healthchecks API key"
    kind = "healthchecks-token"
    severity = "high"
    confidence = "validated"
    anchor = "hcr_|hcw_"
    longest = 32
    validator = "random"
    reference = "https://healthchecks.io/docs/api/"
    example = "hcw_<base62:28>"
    counterexample = "hcw_xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /hc[rw]_[0-9A-Za-z]{28}/
  condition:
    $a
}

rule grafana_legacy_key {
  meta:
    id = "grafana-legacy-key"
    title = "Grafana API key, old form"
    kind = "grafana-token"
    severity = "high"
    confidence = "validated"
    anchor = "eyJrIjoi"
    longest = 390
    validator = "json-text"
    boundary = "base64"
    reference = "https://grafana.com/docs/grafana/latest/administration/service-accounts/"
    example = "<b64:{\"k\":\"AAAABBBBCCCC>"
    counterexample = "eyJrIjoi<base62:80>"
  strings:
    $a = /eyJrIjoi[0-9A-Za-z+\/]{50,380}={0,2}/
  condition:
    $a
}

rule datadog_context {
  meta:
    id = "datadog-context"
    title = "Datadog key"
    kind = "datadog-token"
    severity = "high"
    confidence = "validated"
    anchor = "datadog|dd_client"
    anchor_nocase = true
    longest = 83
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{40}|[0-9a-f]{32}|[0-9a-z]{40}))\\Z"
    boundary = "token"
    reference = "https://docs.datadoghq.com/account_management/api-app-keys/"
    example = "DATADOG_API_KEY=<hex:32>"
    example2 = "\"DATADOG_API_KEY\": \"<hex:32>\""
    counterexample = "DATADOG_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(datadog|dd_client)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{40}|[0-9a-f]{32}|[0-9a-z]{40})/ nocase
  condition:
    $a
}

rule sentry_context {
  meta:
    id = "sentry-context"
    title = "Sentry auth token"
    kind = "sentry-token"
    severity = "high"
    confidence = "validated"
    anchor = "sentry"
    anchor_nocase = true
    longest = 104
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{64})\\Z"
    boundary = "token"
    reference = "https://docs.sentry.io/account/auth-tokens/"
    example = "SENTRY_AUTH_TOKEN=<hex:64>"
    example2 = "\"SENTRY_AUTH_TOKEN\": \"<hex:64>\""
    counterexample = "SENTRY_AUTH_TOKEN=0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(sentry)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{64}/ nocase
  condition:
    $a
}

rule newrelic_context {
  meta:
    id = "newrelic-context"
    title = "New Relic key"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "newrelic|new_relic|new-relic"
    anchor_nocase = true
    longest = 83
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{40}|NRAK-[0-9A-Z]{27}|[0-9a-f]{32}))\\Z"
    boundary = "token"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "NEW_RELIC_LICENSE_KEY=<hex:40>"
    example2 = "\"NEW_RELIC_LICENSE_KEY\": \"<hex:40>\""
    counterexample = "NEW_RELIC_LICENSE_KEY=0000000000000000000000000000000000000000"
  strings:
    $a = /(newrelic|new_relic|new-relic)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{40}|NRAK-[0-9A-Z]{27}|[0-9a-f]{32})/ nocase
  condition:
    $a
}

rule honeycomb_context {
  meta:
    id = "honeycomb-context"
    title = "Honeycomb key"
    kind = "honeycomb-token"
    severity = "high"
    confidence = "validated"
    anchor = "honeycomb"
    anchor_nocase = true
    longest = 77
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{32}|[0-9A-Za-z]{22}))\\Z"
    boundary = "token"
    reference = "https://docs.honeycomb.io/configure/environments/manage-api-keys/"
    example = "HONEYCOMB_API_KEY=<hex:32>"
    example2 = "\"HONEYCOMB_API_KEY\": \"<hex:32>\""
    counterexample = "HONEYCOMB_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(honeycomb|x-honeycomb)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{32}|[0-9A-Za-z]{22})/ nocase
  condition:
    $a
}

rule sumologic_context {
  meta:
    id = "sumologic-context"
    title = "Sumo Logic access key"
    kind = "sumologic-token"
    severity = "high"
    confidence = "validated"
    anchor = "sumologic|sumo_|sumo-"
    anchor_nocase = true
    longest = 102
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{64})\\Z"
    boundary = "token"
    reference = "https://help.sumologic.com/docs/manage/security/access-keys/"
    example = "SUMO_ACCESS_KEY=<base62:64>"
    example2 = "\"SUMO_ACCESS_KEY\": \"<base62:64>\""
    counterexample = "SUMO_ACCESS_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(sumo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{64}/ nocase
  condition:
    $a
}

rule logzio_context {
  meta:
    id = "logzio-context"
    title = "Logz.io token"
    kind = "logzio-token"
    severity = "high"
    confidence = "validated"
    anchor = "logzio|logz_|logz.io"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://docs.logz.io/docs/user-guide/admin/authentication-tokens/"
    example = "LOGZIO_TOKEN=<base62:32>"
    example2 = "\"LOGZIO_TOKEN\": \"<base62:32>\""
    counterexample = "LOGZIO_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(logz)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule rollbar_context {
  meta:
    id = "rollbar-context"
    title = "Rollbar access token"
    kind = "rollbar-token"
    severity = "high"
    confidence = "validated"
    anchor = "rollbar"
    anchor_nocase = true
    longest = 73
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://docs.rollbar.com/docs/access-tokens"
    example = "ROLLBAR_ACCESS_TOKEN=<hex:32>"
    example2 = "\"ROLLBAR_ACCESS_TOKEN\": \"<hex:32>\""
    counterexample = "ROLLBAR_ACCESS_TOKEN=00000000000000000000000000000000"
  strings:
    $a = /(rollbar)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule bugsnag_context {
  meta:
    id = "bugsnag-context"
    title = "Bugsnag key"
    kind = "bugsnag-token"
    severity = "high"
    confidence = "validated"
    anchor = "bugsnag"
    anchor_nocase = true
    longest = 77
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}))\\Z"
    boundary = "token"
    reference = "https://docs.bugsnag.com/api/data-access/"
    example = "BUGSNAG_API_KEY=<hex:32>"
    example2 = "\"BUGSNAG_API_KEY\": \"<hex:32>\""
    counterexample = "BUGSNAG_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(bugsnag)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/ nocase
  condition:
    $a
}

rule pagerduty_context {
  meta:
    id = "pagerduty-context"
    title = "PagerDuty key"
    kind = "pagerduty-token"
    severity = "high"
    confidence = "validated"
    anchor = "pagerduty|pd_key|pd_token"
    anchor_nocase = true
    longest = 75
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([uy][+_][0-9A-Za-z_+-]{18}|[0-9a-f]{32}|R[0-9A-Z]{31}))\\Z"
    boundary = "token"
    reference = "https://support.pagerduty.com/main/docs/api-access-keys"
    example = "PAGERDUTY_API_KEY=u+<base62:18>"
    example2 = "\"PAGERDUTY_API_KEY\": \"u+<base62:18>\""
    counterexample = "PAGERDUTY_API_KEY=u+xxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(pagerduty|pd_key|pd_token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([uy][+_][0-9A-Za-z_+-]{18}|[0-9a-f]{32}|R[0-9A-Z]{31})/ nocase
  condition:
    $a
}

rule mixpanel_context {
  meta:
    id = "mixpanel-context"
    title = "Mixpanel secret"
    kind = "mixpanel-token"
    severity = "high"
    confidence = "validated"
    anchor = "mixpanel"
    anchor_nocase = true
    longest = 74
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{32}|[0-9A-Za-z]{32}))\\Z"
    boundary = "token"
    reference = "https://developer.mixpanel.com/reference/service-accounts"
    example = "MIXPANEL_SECRET=<hex:32>"
    example2 = "\"MIXPANEL_SECRET\": \"<hex:32>\""
    counterexample = "MIXPANEL_SECRET=00000000000000000000000000000000"
  strings:
    $a = /(mixpanel)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{32}|[0-9A-Za-z]{32})/ nocase
  condition:
    $a
}

rule amplitude_context {
  meta:
    id = "amplitude-context"
    title = "Amplitude secret key"
    kind = "amplitude-token"
    severity = "high"
    confidence = "validated"
    anchor = "amplitude"
    anchor_nocase = true
    longest = 75
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://amplitude.com/docs/apis/authentication"
    example = "AMPLITUDE_SECRET_KEY=<hex:32>"
    example2 = "\"AMPLITUDE_SECRET_KEY\": \"<hex:32>\""
    counterexample = "AMPLITUDE_SECRET_KEY=00000000000000000000000000000000"
  strings:
    $a = /(amplitude)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule segment_context {
  meta:
    id = "segment-context"
    title = "Segment write key"
    kind = "segment-token"
    severity = "high"
    confidence = "validated"
    anchor = "segment_|segmentwrite"
    anchor_nocase = true
    longest = 109
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9A-Za-z]{32}|sgp_[0-9A-Za-z]{64}))\\Z"
    boundary = "token"
    reference = "https://segment.com/docs/connections/find-writekey/"
    example = "SEGMENT_WRITE_KEY=<base62:32>"
    example2 = "\"SEGMENT_WRITE_KEY\": \"<base62:32>\""
    counterexample = "SEGMENT_WRITE_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(segment)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9A-Za-z]{32}|sgp_[0-9A-Za-z]{64})/ nocase
  condition:
    $a
}

rule uptimerobot_context {
  meta:
    id = "uptimerobot-context"
    title = "UptimeRobot API key"
    kind = "uptimerobot-token"
    severity = "high"
    confidence = "validated"
    anchor = "uptimerobot|uptime_robot"
    anchor_nocase = true
    longest = 81
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([um][0-9]{6,9}-[0-9a-f]{24})\\Z"
    boundary = "token"
    reference = "https://uptimerobot.com/api/"
    example = "UPTIMEROBOT_API_KEY=u<digits:7>-<hex:24>"
    example2 = "\"UPTIMEROBOT_API_KEY\": \"u<digits:7>-<hex:24>\""
    counterexample = "UPTIMEROBOT_API_KEY=u0000000-000000000000000000000000"
  strings:
    $a = /(uptimerobot|uptime_robot)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[um][0-9]{6,9}-[0-9a-f]{24}/ nocase
  condition:
    $a
}

rule influx_context {
  meta:
    id = "influx-context"
    title = "InfluxDB token"
    kind = "influxdb-token"
    severity = "high"
    confidence = "validated"
    anchor = "influx_token|influxdb|influx.token|influx_"
    anchor_nocase = true
    longest = 128
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{86}==)\\Z"
    boundary = "token"
    reference = "https://docs.influxdata.com/influxdb/v2/admin/tokens/"
    example = "INFLUX_TOKEN=<base64url:86>=="
    example2 = "\"INFLUX_TOKEN\": \"<base64url:86>==\""
    counterexample = "INFLUX_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=="
  strings:
    $a = /(influx)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{86}==/ nocase
  condition:
    $a
}

rule logtail_context {
  meta:
    id = "logtail-context"
    title = "Better Stack source token"
    kind = "betterstack-token"
    severity = "high"
    confidence = "validated"
    anchor = "logtail|betterstack|better_stack"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{24})\\Z"
    boundary = "token"
    reference = "https://betterstack.com/docs/logs/"
    example = "LOGTAIL_SOURCE_TOKEN=<base62:24>"
    example2 = "\"LOGTAIL_SOURCE_TOKEN\": \"<base62:24>\""
    counterexample = "LOGTAIL_SOURCE_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(logtail|betterstack|better_stack)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{24}/ nocase
  condition:
    $a
}

rule newrelic_mobile_token {
  meta:
    id = "newrelic-mobile-token"
    title = "New Relic mobile application token"
    kind = "newrelic-token"
    severity = "high"
    confidence = "validated"
    anchor = "-NRMA"
    longest = 47
    validator = "hex-random"
    reference = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
    example = "AA<hex:40>-NRMA"
    example2 = "eu01xx<hex:36>-NRMA"
    counterexample = "AA0000000000000000000000000000000000000000-NRMA"
  strings:
    $a = /([A-Z]{2}[0-9a-f]{40}|[a-z]{2}[0-9]{2}xx[0-9a-f]{36})-NRMA/
  condition:
    $a
}
