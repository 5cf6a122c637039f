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
    counterexample = "000000000000000000000000000000000000NRAL"
  strings:
    $a = /[0-9a-f]{36}NRAL/
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
    anchor = "dt0c01.|dt0s01.|dt0s16."
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
    anchor = "hcaik_|hcamk_|hcxik_"
    longest = 64
    validator = "random"
    reference = "https://docs.honeycomb.io/configure/environments/manage-api-keys/"
    example = "hcaik_<lownum:58>"
    counterexample = "hcaik_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /hc[abcx][im]k_[0-9a-z]{58}/
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
    $a = /phx_[0-9A-Za-z]{43,48}/
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
