rule linear_key {
  meta:
    id = "linear-key"
    title = "Linear API key"
    kind = "linear-token"
    severity = "high"
    confidence = "validated"
    anchor = "lin_api_|lin_oauth_"
    longest = 74
    validator = "random"
    reference = "https://linear.app/developers/graphql"
    example = "lin_api_<base62:40>"
    counterexample = "lin_api_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /lin_(api|oauth)_[0-9A-Za-z]{40,64}/
  condition:
    $a
}

rule notion_token {
  meta:
    id = "notion-token"
    title = "Notion integration token"
    kind = "notion-token"
    severity = "high"
    confidence = "validated"
    anchor = "ntn_"
    longest = 52
    validator = "random"
    reference = "https://developers.notion.com/docs/authorization"
    example = "ntn_<digits:11><base62:35>"
    counterexample = "ntn_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ntn_[0-9]{10,12}[0-9A-Za-z]{35,36}/
  condition:
    $a
}

rule figma_token {
  meta:
    id = "figma-token"
    title = "Figma personal access token"
    kind = "figma-token"
    severity = "high"
    confidence = "validated"
    anchor = "figd_|figo_"
    longest = 45
    validator = "random"
    boundary = "token"
    reference = "https://www.figma.com/developers/api#authentication"
    example = "figd_<base64url:40>"
    counterexample = "figd_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /fig[do]_[0-9A-Za-z_-]{40}/
  condition:
    $a
}

rule postman_key {
  meta:
    id = "postman-key"
    title = "Postman API key"
    kind = "postman-token"
    severity = "high"
    confidence = "validated"
    anchor = "PMAK-"
    longest = 64
    validator = "random"
    reference = "https://learning.postman.com/docs/developer/postman-api/authentication/"
    example = "PMAK-<hex:24>-<hex:34>"
    counterexample = "PMAK-000000000000000000000000-0000000000000000000000000000000000"
  strings:
    $a = /PMAK-[0-9a-f]{24}-[0-9a-f]{34}/
  condition:
    $a
}

rule airtable_token {
  meta:
    id = "airtable-token"
    title = "Airtable personal access token"
    kind = "airtable-token"
    severity = "high"
    confidence = "validated"
    anchor = "airtable"
    anchor_nocase = true
    longest = 171
    validator = "random"
    value = "(pat[0-9A-Za-z]{14}\\.[0-9a-f]{64})\\Z"
    reference = "https://airtable.com/developers/web/guides/personal-access-tokens"
    example = "AIRTABLE_TOKEN=pat<base62:14>.<hex:64>"
    counterexample = "AIRTABLE_TOKEN=patxxxxxxxxxxxxxx.0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /airtable[ -~]{0,80}[^0-9A-Za-z]pat[0-9A-Za-z]{14}\.[0-9a-f]{64}/ nocase
  condition:
    $a
}

rule asana_token {
  meta:
    id = "asana-token"
    title = "Asana personal access token"
    kind = "asana-token"
    severity = "high"
    confidence = "validated"
    anchor = "1/12|2/12"
    longest = 74
    validator = "random"
    reference = "https://developers.asana.com/docs/personal-access-token"
    example = "1/12<digits:14>:<hex:32>"
    counterexample = "1/12xxxxxxxxxxxxxx:00000000000000000000000000000000"
  strings:
    $a = /[12]\/12[0-9]{10,17}(\/[0-9]{13,19})?:[0-9a-f]{32}/
  condition:
    $a
}

rule hubspot_token {
  meta:
    id = "hubspot-token"
    title = "HubSpot private app token"
    kind = "hubspot-token"
    severity = "high"
    confidence = "validated"
    anchor = "pat-na|pat-eu|pat-ap"
    longest = 44
    validator = "random"
    reference = "https://developers.hubspot.com/docs/guides/apps/private-apps/overview"
    example = "pat-na1-<uuid4>"
    counterexample = "pat-na1-xxxxxxxxxxxx"
  strings:
    $a = /pat-(na|eu|ap)[0-9]-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule contentful_token {
  meta:
    id = "contentful-token"
    title = "Contentful personal access token"
    kind = "contentful-token"
    severity = "high"
    confidence = "validated"
    anchor = "CFPAT-"
    longest = 49
    validator = "random"
    boundary = "token"
    reference = "https://www.contentful.com/developers/docs/references/authentication/"
    example = "CFPAT-<base64url:43>"
    counterexample = "CFPAT-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /CFPAT-[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule typeform_token {
  meta:
    id = "typeform-token"
    title = "Typeform token"
    kind = "typeform-token"
    severity = "high"
    confidence = "validated"
    anchor = "tfp_"
    longest = 65
    validator = "random"
    reference = "https://www.typeform.com/developers/get-started/personal-access-token/"
    example = "tfp_<base62:44>_<base62:14>"
    counterexample = "tfp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxxxx"
  strings:
    $a = /tfp_[0-9A-Za-z]{40,44}_[0-9A-Za-z]{10,16}/
  condition:
    $a
}

rule readme_key {
  meta:
    id = "readme-key"
    title = "ReadMe API key"
    kind = "readme-token"
    severity = "high"
    confidence = "validated"
    anchor = "rdme_"
    longest = 75
    validator = "random"
    reference = "https://docs.readme.com/main/reference/authentication"
    example = "rdme_<lownum:70>"
    counterexample = "rdme_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /rdme_[0-9a-z]{70}/
  condition:
    $a
}

rule frameio_token {
  meta:
    id = "frameio-token"
    title = "Frame.io token"
    kind = "frameio-token"
    severity = "high"
    confidence = "validated"
    anchor = "fio-u-"
    longest = 70
    validator = "random"
    boundary = "token"
    reference = "https://developer.frame.io/docs/getting-started/authentication"
    example = "fio-u-<base64url:64>"
    counterexample = "fio-u-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /fio-u-[0-9A-Za-z_-]{64}/
  condition:
    $a
}

rule duffel_token {
  meta:
    id = "duffel-token"
    title = "Duffel token"
    kind = "duffel-token"
    severity = "high"
    confidence = "validated"
    anchor = "duffel_live_|duffel_test_"
    longest = 55
    validator = "random"
    boundary = "token"
    reference = "https://duffel.com/docs/api/overview/making-requests/authentication"
    example = "duffel_live_<base64url:43>"
    counterexample = "duffel_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /duffel_(live|test)_[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule easypost_key {
  meta:
    id = "easypost-key"
    title = "EasyPost API key"
    kind = "easypost-token"
    severity = "high"
    confidence = "validated"
    anchor = "EZAK|EZTK"
    longest = 58
    validator = "random"
    reference = "https://docs.easypost.com/docs/authentication"
    example = "EZAK<base62:54>"
    counterexample = "EZAKxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /EZ[AT]K[0-9A-Za-z]{54}/
  condition:
    $a
}

rule shippo_token {
  meta:
    id = "shippo-token"
    title = "Shippo token"
    kind = "shippo-token"
    severity = "high"
    confidence = "validated"
    anchor = "shippo_live_|shippo_test_"
    longest = 52
    validator = "hex-random"
    reference = "https://docs.goshippo.com/docs/guides_general/authentication/"
    example = "shippo_live_<hex:40>"
    counterexample = "shippo_live_0000000000000000000000000000000000000000"
  strings:
    $a = /shippo_(live|test)_[0-9a-f]{40}/
  condition:
    $a
}

rule mapbox_secret {
  meta:
    id = "mapbox-secret"
    title = "Mapbox secret token"
    kind = "mapbox-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk.eyJ1"
    longest = 230
    validator = "random"
    boundary = "token"
    reference = "https://docs.mapbox.com/help/getting-started/access-tokens/"
    example = "sk.eyJ1<base64url:60>.<base64url:22>"
    counterexample = "sk.eyJ1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sk\.eyJ1[0-9A-Za-z_-]{40,200}\.[0-9A-Za-z_-]{22}/
  condition:
    $a
}

rule facebook_token {
  meta:
    id = "facebook-token"
    title = "Facebook access token"
    kind = "facebook-token"
    severity = "high"
    confidence = "validated"
    anchor = "EAAC|EAAB|EAAD|EAAE|EAAG|EAAI"
    longest = 304
    validator = "mixed"
    reference = "https://developers.facebook.com/docs/facebook-login/guides/access-tokens/"
    example = "EAAC<base62:180>"
    counterexample = "EAACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /EAA[BCDEGI][0-9A-Za-z]{90,300}/
  condition:
    $a
}

rule okta_token {
  meta:
    id = "okta-token"
    title = "Okta API token"
    kind = "okta-token"
    severity = "high"
    confidence = "validated"
    anchor = "SSWS "
    longest = 47
    validator = "random"
    value = "SSWS (.+)"
    boundary = "token"
    reference = "https://developer.okta.com/docs/reference/core-okta-api/#authentication"
    example = "Authorization: SSWS 00<base64url:40>"
    counterexample = "Authorization: SSWS 00xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SSWS 00[0-9A-Za-z_-]{40}/
  condition:
    $a
}

rule adafruit_key {
  meta:
    id = "adafruit-key"
    title = "Adafruit IO key"
    kind = "adafruit-token"
    severity = "high"
    confidence = "validated"
    anchor = "aio_"
    longest = 32
    validator = "random"
    reference = "https://io.adafruit.com/api/docs/"
    example = "aio_<base62:28>"
    counterexample = "aio_xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /aio_[0-9A-Za-z]{28}/
  condition:
    $a
}

rule zuplo_key {
  meta:
    id = "zuplo-key"
    title = "Zuplo API key"
    kind = "zuplo-token"
    severity = "high"
    confidence = "validated"
    anchor = "zpka_"
    longest = 46
    validator = "random"
    reference = "https://zuplo.com/docs/articles/api-key-leak-detection"
    example = "zpka_<lownum:32>_<hex:8>"
    counterexample = "zpka_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_00000000"
  strings:
    $a = /zpka_[0-9a-z]{32}_[0-9a-f]{8}/
  condition:
    $a
}

rule rootly_key {
  meta:
    id = "rootly-key"
    title = "Rootly API key"
    kind = "rootly-token"
    severity = "high"
    confidence = "validated"
    anchor = "rootly_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.rootly.com/api-reference/overview"
    example = "rootly_<hex:64>"
    counterexample = "rootly_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /rootly_[0-9a-f]{64}/
  condition:
    $a
}

rule sourcegraph_token {
  meta:
    id = "sourcegraph-token"
    title = "Sourcegraph access token"
    kind = "sourcegraph-token"
    severity = "high"
    confidence = "validated"
    anchor = "sgp_"
    longest = 61
    validator = "random"
    reference = "https://sourcegraph.com/docs/cli/how-tos/creating-an-access-token"
    example = "sgp_<hex:16>_<hex:40>"
    counterexample = "sgp_0000000000000000_0000000000000000000000000000000000000000"
  strings:
    $a = /sgp_([0-9a-f]{16}_|local_)?[0-9a-f]{40}/
  condition:
    $a
}

rule ubidots_key {
  meta:
    id = "ubidots-key"
    title = "Ubidots token"
    kind = "ubidots-token"
    severity = "high"
    confidence = "validated"
    anchor = "BBFF-|BBUS-"
    longest = 35
    validator = "random"
    reference = "https://docs.ubidots.com/reference/authentication"
    example = "BBFF-<base62:30>"
    counterexample = "BBFF-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /BB(FF|US)-[0-9A-Za-z]{30}/
  condition:
    $a
}
