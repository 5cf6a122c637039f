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
