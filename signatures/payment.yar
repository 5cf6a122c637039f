rule stripe_secret_live {
  meta:
    id = "stripe-secret-live"
    title = "Stripe secret key"
    kind = "stripe-key"
    severity = "high"
    confidence = "validated"
    anchor = "sk_live_|rk_live_"
    longest = 255
    validator = "random"
    reference = "https://docs.stripe.com/keys"
    example = "sk_live_<base62:99>"
    counterexample = "sk_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[sr]k_live_[0-9A-Za-z]{24,247}/
  condition:
    $a
}

rule stripe_secret_test {
  meta:
    id = "stripe-secret-test"
    title = "Stripe test key"
    kind = "stripe-key"
    severity = "low"
    confidence = "validated"
    anchor = "sk_test_|rk_test_"
    longest = 255
    validator = "random"
    reference = "https://docs.stripe.com/keys"
    example = "sk_test_<base62:99>"
    counterexample = "sk_test_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[sr]k_test_[0-9A-Za-z]{24,247}/
  condition:
    $a
}

rule stripe_webhook_secret {
  meta:
    id = "stripe-webhook-secret"
    title = "Stripe webhook signing secret"
    kind = "stripe-key"
    severity = "high"
    confidence = "validated"
    anchor = "whsec_"
    longest = 70
    validator = "mixed"
    reference = "https://docs.stripe.com/webhooks"
    example = "whsec_<base62:32>"
    counterexample = "whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /whsec_[0-9A-Za-z+\/]{32,64}/
  condition:
    $a
}

rule square_access_token {
  meta:
    id = "square-access-token"
    title = "Square access token"
    kind = "square-token"
    severity = "high"
    confidence = "validated"
    anchor = "EAAA"
    longest = 64
    validator = "mixed"
    boundary = "token"
    reference = "https://developer.squareup.com/docs/build-basics/access-tokens"
    example = "EAAA<base64url:60>"
    counterexample = "EAAAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /EAAA[0-9A-Za-z_-]{60}/
  condition:
    $a
}

rule square_oauth_secret {
  meta:
    id = "square-oauth-secret"
    title = "Square OAuth secret"
    kind = "square-token"
    severity = "high"
    confidence = "validated"
    anchor = "sq0csp-|sq0atp-|sq0idp-"
    longest = 50
    validator = "random"
    boundary = "token"
    reference = "https://developer.squareup.com/docs/build-basics/access-tokens"
    example = "sq0csp-<base64url:43>"
    counterexample = "sq0csp-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sq0(csp-[0-9A-Za-z_-]{43}|atp-[0-9A-Za-z_-]{22})/
  condition:
    $a
}

rule braintree_access_token {
  meta:
    id = "braintree-access-token"
    title = "Braintree access token"
    kind = "braintree-token"
    severity = "high"
    confidence = "validated"
    anchor = "access_token$production$"
    longest = 73
    validator = "random"
    reference = "https://developer.paypal.com/braintree/docs/guides/extend/oauth/access-tokens"
    example = "access_token$production$<lownum:16>$<hex:32>"
    counterexample = "access_token$production$xxxxxxxxxxxxxxxx$00000000000000000000000000000000"
  strings:
    $a = /access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}/
  condition:
    $a
}

rule shopify_shpat {
  meta:
    id = "shopify-shpat"
    title = "Shopify access token"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shpat_"
    longest = 38
    validator = "hex-random"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"
    example = "shpat_<hex:32>"
    counterexample = "shpat_00000000000000000000000000000000"
  strings:
    $a = /shpat_[0-9a-fA-F]{32}/
  condition:
    $a
}

rule shopify_shpca {
  meta:
    id = "shopify-shpca"
    title = "Shopify custom app token"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shpca_"
    longest = 38
    validator = "hex-random"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"
    example = "shpca_<hex:32>"
    counterexample = "shpca_00000000000000000000000000000000"
  strings:
    $a = /shpca_[0-9a-fA-F]{32}/
  condition:
    $a
}

rule shopify_shppa {
  meta:
    id = "shopify-shppa"
    title = "Shopify private app token"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shppa_"
    longest = 38
    validator = "hex-random"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"
    example = "shppa_<hex:32>"
    counterexample = "shppa_00000000000000000000000000000000"
  strings:
    $a = /shppa_[0-9a-fA-F]{32}/
  condition:
    $a
}

rule shopify_shpss {
  meta:
    id = "shopify-shpss"
    title = "Shopify shared secret"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shpss_"
    longest = 38
    validator = "hex-random"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"
    example = "shpss_<hex:32>"
    counterexample = "shpss_00000000000000000000000000000000"
  strings:
    $a = /shpss_[0-9a-fA-F]{32}/
  condition:
    $a
}

rule shopify_shpua {
  meta:
    id = "shopify-shpua"
    title = "Shopify user access token"
    kind = "shopify-token"
    severity = "high"
    confidence = "validated"
    anchor = "shpua_"
    longest = 38
    validator = "hex-random"
    reference = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"
    example = "shpua_<hex:32>"
    counterexample = "shpua_00000000000000000000000000000000"
  strings:
    $a = /shpua_[0-9a-fA-F]{32}/
  condition:
    $a
}

rule flutterwave_secret {
  meta:
    id = "flutterwave-secret"
    title = "Flutterwave secret key"
    kind = "flutterwave-token"
    severity = "high"
    confidence = "validated"
    anchor = "FLWSECK-"
    longest = 57
    validator = "random"
    reference = "https://developer.flutterwave.com/docs/api-keys"
    example = "FLWSECK-<hex:32>-<lownum:12>-X"
    counterexample = "FLWSECK-00000000000000000000000000000000-xxxxxxxxxxxx-X"
  strings:
    $a = /FLWSECK-[0-9a-f]{32}-[0-9a-zA-Z]{10,14}-X/
  condition:
    $a
}

rule razorpay_key {
  meta:
    id = "razorpay-key"
    title = "Razorpay live key id"
    kind = "razorpay-key-id"
    severity = "info"
    confidence = "validated"
    anchor = "rzp_live_"
    longest = 23
    validator = "random"
    reference = "https://razorpay.com/docs/payments/dashboard/account-settings/api-keys/"
    example = "rzp_live_<base62:14>"
    counterexample = "rzp_live_xxxxxxxxxxxxxx"
  strings:
    $a = /rzp_live_[0-9A-Za-z]{14}/
  condition:
    $a
}

rule mollie_key {
  meta:
    id = "mollie-key"
    title = "Mollie API key"
    kind = "mollie-token"
    severity = "high"
    confidence = "validated"
    anchor = "live_"
    longest = 35
    validator = "mixed"
    reference = "https://docs.mollie.com/reference/authentication"
    example = "live_<base62:30>"
    counterexample = "live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /live_[0-9A-Za-z]{30}/
  condition:
    $a
}

rule plaid_token {
  meta:
    id = "plaid-token"
    title = "Plaid access token"
    kind = "plaid-token"
    severity = "high"
    confidence = "validated"
    anchor = "access-production-|access-sandbox-"
    longest = 54
    validator = "random"
    reference = "https://plaid.com/docs/api/items/"
    example = "access-production-<uuid4>"
    counterexample = "access-production-xxxxxxxxxxxx"
  strings:
    $a = /access-(production|sandbox)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule paypal_access_token {
  meta:
    id = "paypal-access-token"
    title = "PayPal access token"
    kind = "paypal-token"
    severity = "high"
    confidence = "validated"
    anchor = "A21AA"
    longest = 125
    validator = "random"
    boundary = "token"
    reference = "https://developer.paypal.com/api/rest/authentication/"
    example = "A21AA<base64url:92>"
    counterexample = "A21AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /A21AA[0-9A-Za-z_-]{80,120}/
  condition:
    $a
}

rule braintree_sandbox {
  meta:
    id = "braintree-sandbox"
    title = "Braintree sandbox access token"
    kind = "braintree-token"
    severity = "low"
    confidence = "validated"
    anchor = "access_token$sandbox$"
    longest = 70
    validator = "random"
    reference = "https://developer.paypal.com/braintree/docs/start/overview"
    example = "access_token$sandbox$<lownum:16>$<hex:32>"
    counterexample = "access_token$sandbox$xxxxxxxxxxxxxxxx$00000000000000000000000000000000"
  strings:
    $a = /access_token\$sandbox\$[0-9a-z]{16}\$[0-9a-f]{32}/
  condition:
    $a
}

rule mercadopago_token {
  meta:
    id = "mercadopago-token"
    title = "Mercado Pago access token"
    kind = "mercadopago-token"
    severity = "high"
    confidence = "validated"
    anchor = "APP_USR-"
    longest = 87
    validator = "random"
    boundary = "token"
    reference = "https://www.mercadopago.com/developers/en/docs/your-integrations/credentials"
    example = "APP_USR-<digits:16>-<digits:6>-<hex:32>-<digits:9>"
    counterexample = "APP_USR-0000000000000000-000000-00000000000000000000000000000000-000000000"
  strings:
    $a = /APP_USR-[0-9]{10,17}-[0-9]{6}-[0-9a-f]{32}(__[A-Z_]{5}__)?-[0-9]{5,12}/
  condition:
    $a
}

rule midtrans_key {
  meta:
    id = "midtrans-key"
    title = "Midtrans server key"
    kind = "midtrans-token"
    severity = "high"
    confidence = "validated"
    anchor = "Mid-server-"
    longest = 51
    validator = "random"
    boundary = "token"
    reference = "https://docs.midtrans.com/docs/finding-midtrans-server-key"
    example = "Mid-server-<base62:24>"
    counterexample = "Mid-server-xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /Mid-server-[0-9A-Za-z_-]{16,40}/
  condition:
    $a
}

rule xendit_key {
  meta:
    id = "xendit-key"
    title = "Xendit secret key"
    kind = "xendit-token"
    severity = "high"
    confidence = "validated"
    anchor = "xnd_production_|xnd_development_"
    longest = 86
    validator = "random"
    reference = "https://docs.xendit.co/api-reference"
    example = "xnd_production_<base62:60>"
    counterexample = "xnd_production_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xnd_(production|development)_[0-9A-Za-z]{40,70}/
  condition:
    $a
}

rule cashfree_key {
  meta:
    id = "cashfree-key"
    title = "Cashfree secret key"
    kind = "cashfree-token"
    severity = "high"
    confidence = "validated"
    anchor = "cfsk_ma_"
    longest = 54
    validator = "random"
    reference = "https://www.cashfree.com/docs/api-reference/authentication"
    example = "cfsk_ma_prod_<hex:32>_<hex:8>"
    counterexample = "cfsk_ma_prod_00000000000000000000000000000000_00000000"
  strings:
    $a = /cfsk_ma_(prod|test)_[0-9a-f]{32}_[0-9a-f]{8}/
  condition:
    $a
}

rule paddle_key {
  meta:
    id = "paddle-key"
    title = "Paddle API key"
    kind = "paddle-token"
    severity = "high"
    confidence = "validated"
    anchor = "pdl_live_|pdl_sdbx_"
    longest = 69
    validator = "random"
    reference = "https://developer.paddle.com/api-reference/about/api-keys"
    example = "pdl_live_apikey_<lownum:26>_<base62:22>_<base62:3>"
    counterexample = "pdl_live_apikey_xxxxxxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxxxxxxxxxxxx_xxx"
  strings:
    $a = /pdl_(live|sdbx)_apikey_[0-9a-z]{26}_[0-9A-Za-z]{22}_[0-9A-Za-z]{3}/
  condition:
    $a
}

rule paddle_webhook_secret {
  meta:
    id = "paddle-webhook-secret"
    title = "Paddle webhook secret"
    kind = "paddle-token"
    severity = "high"
    confidence = "validated"
    anchor = "pdl_ntfset_"
    longest = 70
    validator = "random"
    reference = "https://developer.paddle.com/webhooks/signature-verification"
    example = "pdl_ntfset_<lownum:26>_<base62:32>"
    counterexample = "pdl_ntfset_xxxxxxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pdl_ntfset_[0-9a-z]{26}_[0-9A-Za-z+\/]{32}/
  condition:
    $a
}

rule polar_token {
  meta:
    id = "polar-token"
    title = "Polar access token"
    kind = "polar-token"
    severity = "high"
    confidence = "validated"
    anchor = "polar_pat_|polar_oat_|polar_at_|polar_rt_"
    longest = 71
    validator = "crc32-base62"
    reference = "https://docs.polar.sh/api-reference/introduction"
    example = "polar_pat_<base62:37><crc32>"
    counterexample = "polar_pat_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /polar_(pat|oat|at_[uo]|rt_[uo])_[0-9A-Za-z]{37,60}/
  condition:
    $a
}

rule brex_token {
  meta:
    id = "brex-token"
    title = "Brex user token"
    kind = "brex-token"
    severity = "high"
    confidence = "validated"
    anchor = "bxt_"
    longest = 40
    validator = "random"
    reference = "https://developer.brex.com/docs/authentication/"
    example = "bxt_<base62:36>"
    counterexample = "bxt_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /bxt_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule ramp_secret {
  meta:
    id = "ramp-secret"
    title = "Ramp client secret"
    kind = "ramp-token"
    severity = "high"
    confidence = "validated"
    anchor = "ramp_sec_"
    longest = 65
    validator = "random"
    reference = "https://docs.ramp.com/developer-api/v1/authorization"
    example = "ramp_sec_<base62:48>"
    counterexample = "ramp_sec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ramp_sec_[0-9A-Za-z]{40,56}/
  condition:
    $a
}

rule sumup_key {
  meta:
    id = "sumup-key"
    title = "SumUp secret key"
    kind = "sumup-token"
    severity = "high"
    confidence = "validated"
    anchor = "sup_sk_"
    longest = 39
    validator = "random"
    reference = "https://developer.sumup.com/api/authentication"
    example = "sup_sk_<base62:32>"
    counterexample = "sup_sk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sup_sk_[0-9A-Za-z]{32}/
  condition:
    $a
}

rule flutterwave_test {
  meta:
    id = "flutterwave-test"
    title = "Flutterwave secret key"
    kind = "flutterwave-token"
    severity = "high"
    confidence = "validated"
    anchor = "FLWSECK_TEST-|FLWSECK-"
    longest = 62
    validator = "random"
    reference = "https://developer.flutterwave.com/docs/authentication"
    example = "FLWSECK_TEST-<hex:32>-X"
    counterexample = "FLWSECK_TEST-00000000000000000000000000000000-X"
  strings:
    $a = /FLWSECK(_TEST)?-[0-9a-h]{12,32}(-[0-9A-Za-z]{10,14})?-X/
  condition:
    $a
}

rule klarna_key {
  meta:
    id = "klarna-key"
    title = "Klarna API key"
    kind = "klarna-token"
    severity = "high"
    confidence = "validated"
    anchor = "klarna_live_|klarna_test_"
    longest = 216
    validator = "random"
    boundary = "none"
    reference = "https://docs.klarna.com/acquirer/klarna/get-started/integration-resilience/authentication/"
    example = "klarna_live_api_<base62:100>"
    counterexample = "klarna_live_api_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /klarna_(live|test)_api_[0-9A-Za-z+\/=_?!-]{60,200}/
  condition:
    $a
}

rule mercury_token {
  meta:
    id = "mercury-token"
    title = "Mercury API token"
    kind = "mercury-token"
    severity = "high"
    confidence = "validated"
    anchor = "mercury_production_|mercury_sandbox_"
    longest = 94
    validator = "random"
    reference = "https://docs.mercury.com/reference/getting-started-with-your-api"
    example = "mercury_production_wma_<base62:44>_yrucrem"
    counterexample = "mercury_production_wma_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_yrucrem"
  strings:
    $a = /mercury_(production|sandbox)_[a-z]{3}_[0-9A-Za-z]{32,50}_[a-z_]{4,20}/
  condition:
    $a
}

rule stripe_org_key {
  meta:
    id = "stripe-org-key"
    title = "Stripe organisation key"
    kind = "stripe-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk_org_"
    longest = 132
    validator = "random"
    reference = "https://docs.stripe.com/keys"
    example = "sk_org_live_<base62:60>"
    counterexample = "sk_org_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sk_org_(live|test)_[0-9A-Za-z]{24,120}/
  condition:
    $a
}

rule coinbase_cdp_key {
  meta:
    id = "coinbase-cdp-key"
    title = "Coinbase developer platform key name"
    kind = "coinbase-token"
    severity = "info"
    confidence = "validated"
    anchor = "organizations/"
    longest = 95
    validator = "random"
    reference = "https://docs.cdp.coinbase.com/get-started/authentication/cdp-api-keys"
    example = "organizations/<uuid4>/apiKeys/<uuid4>"
    counterexample = "organizations/00000000-0000-0000-0000-000000000000/apiKeys/00000000-0000-0000-0000-000000000000"
  strings:
    $a = /organizations\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\/apiKeys\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule paypal_context {
  meta:
    id = "paypal-context"
    title = "PayPal client secret"
    kind = "paypal-token"
    severity = "high"
    confidence = "validated"
    anchor = "paypal"
    anchor_nocase = true
    longest = 120
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(E[0-9A-Za-z_-]{63,79})\\Z"
    boundary = "token"
    reference = "https://developer.paypal.com/api/rest/"
    example = "PAYPAL_CLIENT_SECRET=E<base64url:79>"
    example2 = "\"PAYPAL_CLIENT_SECRET\": \"E<base64url:79>\""
    counterexample = "PAYPAL_CLIENT_SECRET=Exxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(paypal)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?E[0-9A-Za-z_-]{63,79}/ nocase
  condition:
    $a
}

rule adyen_context {
  meta:
    id = "adyen-context"
    title = "Adyen API key"
    kind = "adyen-token"
    severity = "high"
    confidence = "validated"
    anchor = "adyen|x-api-key"
    anchor_nocase = true
    longest = 286
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(AQE[0-9A-Za-z+\\/=*-]{90,240})\\Z"
    boundary = "token"
    reference = "https://docs.adyen.com/development-resources/api-credentials/"
    example = "ADYEN_API_KEY=AQE<base64:160>"
    example2 = "\"ADYEN_API_KEY\": \"AQE<base64:160>\""
    counterexample = "ADYEN_API_KEY=AQExxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(adyen|x-api-key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?AQE[0-9A-Za-z+\/=*-]{90,240}/ nocase
  condition:
    $a
}

rule plaid_context {
  meta:
    id = "plaid-context"
    title = "Plaid secret"
    kind = "plaid-token"
    severity = "high"
    confidence = "validated"
    anchor = "plaid"
    anchor_nocase = true
    longest = 69
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{30})\\Z"
    boundary = "token"
    reference = "https://plaid.com/docs/api/"
    example = "PLAID_SECRET=<hex:30>"
    example2 = "\"PLAID_SECRET\": \"<hex:30>\""
    counterexample = "PLAID_SECRET=000000000000000000000000000000"
  strings:
    $a = /(plaid)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{30}/ nocase
  condition:
    $a
}

rule razorpay_context {
  meta:
    id = "razorpay-context"
    title = "Razorpay key secret"
    kind = "razorpay-token"
    severity = "high"
    confidence = "validated"
    anchor = "razorpay"
    anchor_nocase = true
    longest = 66
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{24})\\Z"
    boundary = "token"
    reference = "https://razorpay.com/docs/api/authentication/"
    example = "RAZORPAY_KEY_SECRET=<base62:24>"
    example2 = "\"RAZORPAY_KEY_SECRET\": \"<base62:24>\""
    counterexample = "RAZORPAY_KEY_SECRET=xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(razorpay)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{24}/ nocase
  condition:
    $a
}

rule gocardless_context {
  meta:
    id = "gocardless-context"
    title = "GoCardless access token"
    kind = "gocardless-token"
    severity = "high"
    confidence = "validated"
    anchor = "gocardless"
    anchor_nocase = true
    longest = 92
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((live|sandbox)_[0-9A-Za-z_-]{40})\\Z"
    boundary = "token"
    reference = "https://developer.gocardless.com/api-reference/"
    example = "GOCARDLESS_ACCESS_TOKEN=live_<base64url:40>"
    example2 = "\"GOCARDLESS_ACCESS_TOKEN\": \"live_<base64url:40>\""
    counterexample = "GOCARDLESS_ACCESS_TOKEN=live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(gocardless)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(live|sandbox)_[0-9A-Za-z_-]{40}/ nocase
  condition:
    $a
}

rule coinbase_context {
  meta:
    id = "coinbase-context"
    title = "Coinbase API secret"
    kind = "coinbase-token"
    severity = "high"
    confidence = "validated"
    anchor = "coinbase"
    anchor_nocase = true
    longest = 106
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{64})\\Z"
    boundary = "token"
    reference = "https://docs.cdp.coinbase.com/"
    example = "COINBASE_API_SECRET=<base64url:64>"
    example2 = "\"COINBASE_API_SECRET\": \"<base64url:64>\""
    counterexample = "COINBASE_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(coinbase)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{64}/ nocase
  condition:
    $a
}

rule binance_context {
  meta:
    id = "binance-context"
    title = "Binance API secret"
    kind = "binance-token"
    severity = "high"
    confidence = "validated"
    anchor = "binance"
    anchor_nocase = true
    longest = 105
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{64})\\Z"
    boundary = "token"
    reference = "https://developers.binance.com/docs/binance-spot-api-docs/rest-api"
    example = "BINANCE_API_SECRET=<base62:64>"
    example2 = "\"BINANCE_API_SECRET\": \"<base62:64>\""
    counterexample = "BINANCE_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(binance)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{64}/ nocase
  condition:
    $a
}

rule kraken_context {
  meta:
    id = "kraken-context"
    title = "Kraken private key"
    kind = "kraken-token"
    severity = "high"
    confidence = "validated"
    anchor = "kraken"
    anchor_nocase = true
    longest = 128
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{86}==)\\Z"
    boundary = "token"
    reference = "https://docs.kraken.com/api/docs/guides/spot-rest-auth"
    example = "KRAKEN_PRIVATE_KEY=<base64:86>=="
    example2 = "\"KRAKEN_PRIVATE_KEY\": \"<base64:86>==\""
    counterexample = "KRAKEN_PRIVATE_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=="
  strings:
    $a = /(kraken)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{86}==/ nocase
  condition:
    $a
}

rule lob_context {
  meta:
    id = "lob-context"
    title = "Lob API key"
    kind = "lob-token"
    severity = "high"
    confidence = "validated"
    anchor = "lob_api|lob_key|lob_token|lob_live"
    anchor_nocase = true
    longest = 82
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((live|test)_(pub_)?[0-9a-f]{35})\\Z"
    boundary = "token"
    reference = "https://docs.lob.com/"
    example = "LOB_API_KEY=live_<hex:35>"
    example2 = "\"LOB_API_KEY\": \"live_<hex:35>\""
    counterexample = "LOB_API_KEY=live_00000000000000000000000000000000000"
  strings:
    $a = /(lob_)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(live|test)_(pub_)?[0-9a-f]{35}/ nocase
  condition:
    $a
}

rule alchemy_context {
  meta:
    id = "alchemy-context"
    title = "Alchemy API key"
    kind = "alchemy-token"
    severity = "high"
    confidence = "validated"
    anchor = "alchemy"
    anchor_nocase = true
    longest = 73
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{32})\\Z"
    boundary = "token"
    reference = "https://www.alchemy.com/docs/how-to-create-access-keys"
    example = "ALCHEMY_API_KEY=<base64url:32>"
    example2 = "\"ALCHEMY_API_KEY\": \"<base64url:32>\""
    counterexample = "ALCHEMY_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(alchemy)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{32}/ nocase
  condition:
    $a
}

rule infura_context {
  meta:
    id = "infura-context"
    title = "Infura API key"
    kind = "infura-token"
    severity = "high"
    confidence = "validated"
    anchor = "infura"
    anchor_nocase = true
    longest = 72
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://docs.metamask.io/services/get-started/infura/"
    example = "INFURA_API_KEY=<hex:32>"
    example2 = "\"INFURA_API_KEY\": \"<hex:32>\""
    counterexample = "INFURA_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(infura)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule etherscan_context {
  meta:
    id = "etherscan-context"
    title = "Etherscan API key"
    kind = "etherscan-token"
    severity = "high"
    confidence = "validated"
    anchor = "etherscan|bscscan|polygonscan"
    anchor_nocase = true
    longest = 79
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Z]{34})\\Z"
    boundary = "token"
    reference = "https://docs.etherscan.io/getting-an-api-key"
    example = "ETHERSCAN_API_KEY=<upnum:34>"
    example2 = "\"ETHERSCAN_API_KEY\": \"<upnum:34>\""
    counterexample = "ETHERSCAN_API_KEY=XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /(etherscan|bscscan|polygonscan)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Z]{34}/ nocase
  condition:
    $a
}

rule wise_context {
  meta:
    id = "wise-context"
    title = "Wise API token"
    kind = "wise-token"
    severity = "high"
    confidence = "validated"
    anchor = "transferwise|wise_api|wise_token"
    anchor_nocase = true
    longest = 82
    validator = "uuid4"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://docs.wise.com/api-docs/features/authentication-access"
    example = "WISE_API_TOKEN=<uuid4>"
    example2 = "\"WISE_API_TOKEN\": \"<uuid4>\""
    counterexample = "WISE_API_TOKEN=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(transferwise|wise_api|wise_token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule recurly_context {
  meta:
    id = "recurly-context"
    title = "Recurly API key"
    kind = "recurly-token"
    severity = "high"
    confidence = "validated"
    anchor = "recurly"
    anchor_nocase = true
    longest = 73
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://recurly.com/developers/api/"
    example = "RECURLY_API_KEY=<hex:32>"
    example2 = "\"RECURLY_API_KEY\": \"<hex:32>\""
    counterexample = "RECURLY_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(recurly)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}
