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
    $a = /shippo_(live|test)_[0-9a-fA-F]{40}/
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
    $a = /sgp_([0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}/
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

rule lichess_token {
  meta:
    id = "lichess-token"
    title = "Lichess token"
    kind = "lichess-token"
    severity = "high"
    confidence = "validated"
    anchor = "lip_|lio_"
    longest = 32
    validator = "mixed"
    reference = "https://lichess.org/api"
    example = "lip_<base62:24>"
    counterexample = "lip_xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /li[po]_[0-9A-Za-z]{20,28}/
  condition:
    $a
}

rule canva_secret {
  meta:
    id = "canva-secret"
    title = "Canva client secret"
    kind = "canva-token"
    severity = "high"
    confidence = "validated"
    anchor = "cnvca"
    longest = 65
    validator = "random"
    boundary = "token"
    reference = "https://www.canva.dev/docs/connect/authentication/"
    example = "cnvca<base64url:51>"
    counterexample = "cnvcaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /cnvca[0-9A-Za-z_-]{40,60}/
  condition:
    $a
}

rule teamwork_token {
  meta:
    id = "teamwork-token"
    title = "Teamwork token"
    kind = "teamwork-token"
    severity = "high"
    confidence = "validated"
    anchor = "tkn.v1_"
    longest = 99
    validator = "random"
    boundary = "base64"
    reference = "https://apidocs.teamwork.com/guides/teamwork/authentication"
    example = "tkn.v1_<base62:70>="
    counterexample = "tkn.v1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx="
  strings:
    $a = /tkn\.v1_[0-9A-Za-z]{60,90}={0,2}/
  condition:
    $a
}

rule maxmind_key {
  meta:
    id = "maxmind-key"
    title = "MaxMind license key"
    kind = "maxmind-token"
    severity = "high"
    confidence = "validated"
    anchor = "_mmk"
    longest = 40
    validator = "mixed"
    reference = "https://dev.maxmind.com/license-key-validation-api/"
    example = "<base62:6>_<base62:29>_mmk"
    counterexample = "xxxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxx_mmk"
  strings:
    $a = /[0-9A-Za-z]{6}_[0-9A-Za-z]{29}_mmk/
  condition:
    $a
}

rule samsara_token {
  meta:
    id = "samsara-token"
    title = "Samsara API token"
    kind = "samsara-token"
    severity = "high"
    confidence = "validated"
    anchor = "samsara_api_"
    longest = 42
    validator = "random"
    reference = "https://developers.samsara.com/docs/authentication"
    example = "samsara_api_<base62:30>"
    counterexample = "samsara_api_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /samsara_api_[0-9A-Za-z]{30}/
  condition:
    $a
}

rule zoho_token {
  meta:
    id = "zoho-token"
    title = "Zoho OAuth token"
    kind = "zoho-token"
    severity = "high"
    confidence = "validated"
    anchor = "1000."
    longest = 70
    validator = "random"
    reference = "https://www.zoho.com/accounts/protocol/oauth.html"
    example = "1000.<hex:32>.<hex:32>"
    counterexample = "1000.00000000000000000000000000000000.00000000000000000000000000000000"
  strings:
    $a = /1000\.[0-9a-f]{32}\.[0-9a-f]{32}/
  condition:
    $a
}

rule notion_old_token {
  meta:
    id = "notion-old-token"
    title = "Notion integration secret, old form"
    kind = "notion-token"
    severity = "high"
    confidence = "validated"
    anchor = "secret_"
    longest = 50
    validator = "mixed"
    reference = "https://developers.notion.com/docs/authorization"
    example = "secret_<base62:43>"
    counterexample = "secret_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /secret_[0-9A-Za-z]{43}/
  condition:
    $a
}

rule clickup_token {
  meta:
    id = "clickup-token"
    title = "ClickUp personal token"
    kind = "clickup-token"
    severity = "high"
    confidence = "validated"
    anchor = "pk_1|pk_2|pk_3|pk_4|pk_5|pk_6|pk_7|pk_8|pk_9|pk_0"
    longest = 45
    validator = "random"
    reference = "https://developer.clickup.com/docs/authentication"
    example = "pk_<digits:8>_<upnum:32>"
    counterexample = "pk_00000000_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /pk_[0-9]{5,9}_[0-9A-Z]{32}/
  condition:
    $a
}

rule voiceflow_key {
  meta:
    id = "voiceflow-key"
    title = "Voiceflow API key"
    kind = "voiceflow-token"
    severity = "high"
    confidence = "validated"
    anchor = "VF.DM.|VF.WS."
    longest = 47
    validator = "random"
    boundary = "token"
    reference = "https://docs.voiceflow.com/reference/authentication"
    example = "VF.DM.<hex:24>.<base62:16>"
    counterexample = "VF.DM.000000000000000000000000.xxxxxxxxxxxxxxxx"
  strings:
    $a = /VF\.(DM|WS)\.[0-9a-f]{24}\.[0-9A-Za-z]{16}/
  condition:
    $a
}

rule pubnub_secret {
  meta:
    id = "pubnub-secret"
    title = "PubNub secret key"
    kind = "pubnub-token"
    severity = "high"
    confidence = "validated"
    anchor = "sec-c-"
    longest = 68
    validator = "random"
    boundary = "base64"
    reference = "https://www.pubnub.com/docs/general/setup/account-setup"
    example = "sec-c-<base62:48>"
    counterexample = "sec-c-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sec-c-[0-9A-Za-z+\/]{40,60}={0,2}/
  condition:
    $a
}

rule scrapfly_key {
  meta:
    id = "scrapfly-key"
    title = "Scrapfly key"
    kind = "scrapfly-token"
    severity = "high"
    confidence = "validated"
    anchor = "scp-live-|scp-test-"
    longest = 41
    validator = "random"
    reference = "https://scrapfly.io/docs/scrape-api/getting-started"
    example = "scp-live-<hex:32>"
    counterexample = "scp-live-00000000000000000000000000000000"
  strings:
    $a = /scp-(live|test)-[0-9a-f]{32}/
  condition:
    $a
}

rule imagekit_key {
  meta:
    id = "imagekit-key"
    title = "ImageKit private key"
    kind = "imagekit-token"
    severity = "high"
    confidence = "validated"
    anchor = "private_"
    longest = 36
    validator = "mixed"
    boundary = "base64"
    reference = "https://imagekit.io/docs/api-keys"
    example = "private_<base62:27>="
    counterexample = "private_xxxxxxxxxxxxxxxxxxxxxxxxxxx="
  strings:
    $a = /private_[0-9A-Za-z+\/]{27}=/
  condition:
    $a
}

rule cloudinary_url {
  meta:
    id = "cloudinary-url"
    title = "Cloudinary secret in a URL"
    kind = "cloudinary-token"
    severity = "high"
    confidence = "validated"
    anchor = "cloudinary://"
    longest = 125
    validator = "mixed"
    value = ":([0-9A-Za-z_-]+)@"
    boundary = "none"
    reference = "https://cloudinary.com/documentation/how_to_integrate_cloudinary"
    example = "cloudinary://<digits:15>:<base64url:27>@demo"
    counterexample = "cloudinary://000000000000000:xxxxxxxxxxxxxxxxxxxxxxxxxxx@demo"
  strings:
    $a = /cloudinary:\/\/[0-9]{10,20}:[0-9A-Za-z_-]{24,30}@[0-9a-z-]{2,60}/
  condition:
    $a
}

rule salesforce_context {
  meta:
    id = "salesforce-context"
    title = "Salesforce access token"
    kind = "salesforce-token"
    severity = "high"
    confidence = "validated"
    anchor = "salesforce|sfdx|sf_access"
    anchor_nocase = true
    longest = 183
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(00D[0-9A-Za-z]{12,15}![0-9A-Za-z._]{90,120})\\Z"
    boundary = "token"
    reference = "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_oauth_and_connected_apps.htm"
    example = "SALESFORCE_ACCESS_TOKEN=00D<base62:12>!<base62:96>"
    example2 = "\"SALESFORCE_ACCESS_TOKEN\": \"00D<base62:12>!<base62:96>\""
    counterexample = "SALESFORCE_ACCESS_TOKEN=00Dxxxxxxxxxxxx!xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(salesforce|sfdx|sf_access)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?00D[0-9A-Za-z]{12,15}![0-9A-Za-z._]{90,120}/ nocase
  condition:
    $a
}

rule openweather_context {
  meta:
    id = "openweather-context"
    title = "OpenWeather API key"
    kind = "openweather-token"
    severity = "high"
    confidence = "validated"
    anchor = "openweather|owm_api|pyowm|owm_"
    anchor_nocase = true
    longest = 77
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://openweathermap.org/appid"
    example = "OPENWEATHER_API_KEY=<hex:32>"
    example2 = "\"OPENWEATHER_API_KEY\": \"<hex:32>\""
    counterexample = "OPENWEATHER_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(openweather|owm_|pyowm)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule rapidapi_context {
  meta:
    id = "rapidapi-context"
    title = "RapidAPI key"
    kind = "rapidapi-token"
    severity = "high"
    confidence = "validated"
    anchor = "rapidapi|RapidAPI"
    anchor_nocase = true
    longest = 92
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-z]{10}msh[0-9a-z]{15}p[0-9a-z]{6}jsn[0-9a-z]{12})\\Z"
    boundary = "token"
    reference = "https://docs.rapidapi.com/docs/keys"
    example = "X-RapidAPI-Key=<lownum:10>msh<lownum:15>p<lownum:6>jsn<lownum:12>"
    example2 = "\"X-RapidAPI-Key\": \"<lownum:10>msh<lownum:15>p<lownum:6>jsn<lownum:12>\""
    counterexample = "X-RapidAPI-Key=xxxxxxxxxxmshxxxxxxxxxxxxxxxpxxxxxxjsnxxxxxxxxxxxx"
  strings:
    $a = /(rapidapi)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-z]{10}msh[0-9a-z]{15}p[0-9a-z]{6}jsn[0-9a-z]{12}/ nocase
  condition:
    $a
}

rule trello_context {
  meta:
    id = "trello-context"
    title = "Trello token"
    kind = "trello-token"
    severity = "high"
    confidence = "validated"
    anchor = "trello"
    anchor_nocase = true
    longest = 116
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((ATTA[0-9A-Za-z]{72}|[0-9a-f]{64}|[0-9a-f]{32}))\\Z"
    boundary = "token"
    reference = "https://developer.atlassian.com/cloud/trello/guides/rest-api/api-introduction/"
    example = "TRELLO_TOKEN=ATTA<hex:64><HEX:8>"
    example2 = "\"TRELLO_TOKEN\": \"ATTA<hex:64><HEX:8>\""
    counterexample = "TRELLO_TOKEN=ATTA000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(trello)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(ATTA[0-9A-Za-z]{72}|[0-9a-f]{64}|[0-9a-f]{32})/ nocase
  condition:
    $a
}

rule asana_context {
  meta:
    id = "asana-context"
    title = "Asana client secret"
    kind = "asana-token"
    severity = "high"
    confidence = "validated"
    anchor = "asana"
    anchor_nocase = true
    longest = 71
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://developers.asana.com/docs/oauth"
    example = "ASANA_CLIENT_SECRET=<hex:32>"
    example2 = "\"ASANA_CLIENT_SECRET\": \"<hex:32>\""
    counterexample = "ASANA_CLIENT_SECRET=00000000000000000000000000000000"
  strings:
    $a = /(asana)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule dropbox_context {
  meta:
    id = "dropbox-context"
    title = "Dropbox token"
    kind = "dropbox-token"
    severity = "high"
    confidence = "validated"
    anchor = "dropbox"
    anchor_nocase = true
    longest = 196
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((sl\\.[0-9A-Za-z_-]{130,152}|[0-9a-z]{11}AAAAAAAAAA[0-9A-Za-z_-]{43}|[0-9a-z]{15}))\\Z"
    boundary = "token"
    reference = "https://www.dropbox.com/developers/documentation/http/documentation"
    example = "DROPBOX_APP_SECRET=<lownum:15>"
    example2 = "\"DROPBOX_APP_SECRET\": \"<lownum:15>\""
    counterexample = "DROPBOX_APP_SECRET=xxxxxxxxxxxxxxx"
  strings:
    $a = /(dropbox)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(sl\.[0-9A-Za-z_-]{130,152}|[0-9a-z]{11}AAAAAAAAAA[0-9A-Za-z_-]{43}|[0-9a-z]{15})/ nocase
  condition:
    $a
}

rule box_context {
  meta:
    id = "box-context"
    title = "Box token"
    kind = "box-token"
    severity = "high"
    confidence = "validated"
    anchor = "box_client|box_secret|box_developer|box_token"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://developer.box.com/guides/authentication/"
    example = "BOX_CLIENT_SECRET=<base62:32>"
    example2 = "\"BOX_CLIENT_SECRET\": \"<base62:32>\""
    counterexample = "BOX_CLIENT_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(box_)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule cloudinary_context {
  meta:
    id = "cloudinary-context"
    title = "Cloudinary API secret"
    kind = "cloudinary-token"
    severity = "high"
    confidence = "validated"
    anchor = "cloudinary"
    anchor_nocase = true
    longest = 71
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{27})\\Z"
    boundary = "token"
    reference = "https://cloudinary.com/documentation/how_to_integrate_cloudinary"
    example = "CLOUDINARY_API_SECRET=<base64url:27>"
    example2 = "\"CLOUDINARY_API_SECRET\": \"<base64url:27>\""
    counterexample = "CLOUDINARY_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(cloudinary)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{27}/ nocase
  condition:
    $a
}

rule mapbox_context {
  meta:
    id = "mapbox-context"
    title = "Mapbox token"
    kind = "mapbox-token"
    severity = "high"
    confidence = "validated"
    anchor = "mapbox"
    anchor_nocase = true
    longest = 126
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(sk\\.[0-9A-Za-z]{60}\\.[0-9A-Za-z]{22})\\Z"
    boundary = "token"
    reference = "https://docs.mapbox.com/api/accounts/tokens/"
    example = "MAPBOX_TOKEN=sk.<base62:60>.<base62:22>"
    example2 = "\"MAPBOX_TOKEN\": \"sk.<base62:60>.<base62:22>\""
    counterexample = "MAPBOX_TOKEN=sk.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(mapbox)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?sk\.[0-9A-Za-z]{60}\.[0-9A-Za-z]{22}/ nocase
  condition:
    $a
}

rule shopify_context {
  meta:
    id = "shopify-context"
    title = "Shopify shared secret"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shopify"
    anchor_nocase = true
    longest = 73
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization"
    example = "SHOPIFY_API_SECRET=<hex:32>"
    example2 = "\"SHOPIFY_API_SECRET\": \"<hex:32>\""
    counterexample = "SHOPIFY_API_SECRET=00000000000000000000000000000000"
  strings:
    $a = /(shopify)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule hubspot_context {
  meta:
    id = "hubspot-context"
    title = "HubSpot API key"
    kind = "hubspot-token"
    severity = "high"
    confidence = "validated"
    anchor = "hubspot|hapikey"
    anchor_nocase = true
    longest = 77
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://developers.hubspot.com/docs/guides/apps/authentication/intro-to-auth"
    example = "HUBSPOT_API_KEY=<uuid4>"
    example2 = "\"HUBSPOT_API_KEY\": \"<uuid4>\""
    counterexample = "HUBSPOT_API_KEY=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(hubspot|hapikey)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule contentful_context {
  meta:
    id = "contentful-context"
    title = "Contentful delivery token"
    kind = "contentful-token"
    severity = "high"
    confidence = "validated"
    anchor = "contentful"
    anchor_nocase = true
    longest = 87
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{43})\\Z"
    boundary = "token"
    reference = "https://www.contentful.com/developers/docs/references/authentication/"
    example = "CONTENTFUL_ACCESS_TOKEN=<base64url:43>"
    example2 = "\"CONTENTFUL_ACCESS_TOKEN\": \"<base64url:43>\""
    counterexample = "CONTENTFUL_ACCESS_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(contentful)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{43}/ nocase
  condition:
    $a
}

rule meraki_context {
  meta:
    id = "meraki-context"
    title = "Cisco Meraki API key"
    kind = "meraki-token"
    severity = "high"
    confidence = "validated"
    anchor = "meraki"
    anchor_nocase = true
    longest = 80
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://developer.cisco.com/meraki/api-v1/authorization/"
    example = "MERAKI_DASHBOARD_API_KEY=<hex:40>"
    example2 = "\"MERAKI_DASHBOARD_API_KEY\": \"<hex:40>\""
    counterexample = "MERAKI_DASHBOARD_API_KEY=0000000000000000000000000000000000000000"
  strings:
    $a = /(meraki)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule etsy_context {
  meta:
    id = "etsy-context"
    title = "Etsy keystring"
    kind = "etsy-token"
    severity = "high"
    confidence = "validated"
    anchor = "etsy"
    anchor_nocase = true
    longest = 73
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-z]{24}(:[0-9a-z]{10})?)\\Z"
    boundary = "token"
    reference = "https://developers.etsy.com/documentation/essentials/authentication/"
    example = "ETSY_API_KEY=<lownum:24>"
    example2 = "\"ETSY_API_KEY\": \"<lownum:24>\""
    counterexample = "ETSY_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(etsy)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-z]{24}(:[0-9a-z]{10})?/ nocase
  condition:
    $a
}

rule onesignal_context {
  meta:
    id = "onesignal-context"
    title = "OneSignal API key"
    kind = "onesignal-token"
    severity = "high"
    confidence = "validated"
    anchor = "onesignal|one_signal"
    anchor_nocase = true
    longest = 164
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((os_v2_(app|org)_[0-9a-z]{100,110}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-Za-z]{48}))\\Z"
    boundary = "token"
    reference = "https://documentation.onesignal.com/docs/en/keys-and-ids"
    example = "ONESIGNAL_API_KEY=os_v2_app_<lownum:103>"
    example2 = "\"ONESIGNAL_API_KEY\": \"os_v2_app_<lownum:103>\""
    counterexample = "ONESIGNAL_API_KEY=os_v2_app_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(onesignal|one_signal)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(os_v2_(app|org)_[0-9a-z]{100,110}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-Za-z]{48})/ nocase
  condition:
    $a
}

rule todoist_context {
  meta:
    id = "todoist-context"
    title = "Todoist token"
    kind = "todoist-token"
    severity = "high"
    confidence = "validated"
    anchor = "todoist"
    anchor_nocase = true
    longest = 81
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://developer.todoist.com/api/v1/"
    example = "TODOIST_API_TOKEN=<hex:40>"
    example2 = "\"TODOIST_API_TOKEN\": \"<hex:40>\""
    counterexample = "TODOIST_API_TOKEN=0000000000000000000000000000000000000000"
  strings:
    $a = /(todoist)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule newsapi_context {
  meta:
    id = "newsapi-context"
    title = "NewsAPI key"
    kind = "newsapi-token"
    severity = "high"
    confidence = "validated"
    anchor = "newsapi|news_api"
    anchor_nocase = true
    longest = 74
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://newsapi.org/docs/authentication"
    example = "NEWSAPI_KEY=<hex:32>"
    example2 = "\"NEWSAPI_KEY\": \"<hex:32>\""
    counterexample = "NEWSAPI_KEY=00000000000000000000000000000000"
  strings:
    $a = /(newsapi|news_api)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule ipinfo_context {
  meta:
    id = "ipinfo-context"
    title = "ipinfo token"
    kind = "ipinfo-token"
    severity = "high"
    confidence = "validated"
    anchor = "ipinfo"
    anchor_nocase = true
    longest = 54
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{14})\\Z"
    boundary = "token"
    reference = "https://ipinfo.io/developers"
    example = "IPINFO_TOKEN=<hex:14>"
    example2 = "\"IPINFO_TOKEN\": \"<hex:14>\""
    counterexample = "IPINFO_TOKEN=00000000000000"
  strings:
    $a = /(ipinfo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{14}/ nocase
  condition:
    $a
}

rule forty_two_secret {
  meta:
    id = "forty-two-secret"
    title = "42 Intra application secret"
    kind = "intra42-token"
    severity = "high"
    confidence = "validated"
    anchor = "s-s4t2"
    longest = 75
    validator = "hex-random"
    reference = "https://api.intra.42.fr/apidoc/guides/getting_started"
    example = "s-s4t2ud-<hex:64>"
    example2 = "s-s4t2af-<hex:64>"
    counterexample = "s-s4t2ud-0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /s-s4t2(ud|af)-[0-9a-f]{64}/
  condition:
    $a
}

rule settlemint_token {
  meta:
    id = "settlemint-token"
    title = "SettleMint access token"
    kind = "settlemint-token"
    severity = "high"
    confidence = "validated"
    anchor = "sm_pat_|sm_aat_|sm_sat_"
    longest = 23
    validator = "random"
    reference = "https://console.settlemint.com/documentation/platform-components/security-and-authentication/personal-access-tokens"
    example = "sm_pat_<lownum:16>"
    example2 = "sm_aat_<lownum:16>"
    counterexample = "sm_pat_xxxxxxxxxxxxxxxx"
  strings:
    $a = /sm_[pas]at_[0-9A-Za-z]{16}/
  condition:
    $a
}
