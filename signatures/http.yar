rule http_bearer {
  meta:
    id = "http-bearer"
    title = "Bearer token in an Authorization header"
    kind = "bearer-token"
    severity = "high"
    confidence = "validated"
    anchor = "authorization"
    anchor_nocase = true
    longest = 429
    validator = "mixed"
    value = "(?i)bearer\\s+(\\S+)"
    boundary = "none"
    tail = "base64url"
    reference = "https://www.rfc-editor.org/rfc/rfc6750"
    example = "Authorization: Bearer <base62:40>"
    counterexample = "Authorization: Bearer xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /authorization[\"']?\s{0,2}[:=,\x00]\s{0,3}[\"']?bearer\s{1,2}[0-9A-Za-z._~+\/=-]{16,400}/ nocase
  condition:
    $a
}

rule http_basic {
  meta:
    id = "http-basic"
    title = "Basic credentials in an Authorization header"
    kind = "basic-auth"
    severity = "high"
    confidence = "validated"
    anchor = "authorization"
    anchor_nocase = true
    longest = 336
    validator = "basic-auth"
    value = "(?i)basic\\s+(\\S+)"
    boundary = "base64"
    reference = "https://www.rfc-editor.org/rfc/rfc7617"
    example = "Authorization: Basic <basic>"
    counterexample = "Authorization: Basic realm"
  strings:
    $a = /(proxy-)?authorization[\"']?\s{0,2}[:=,\x00]\s{0,3}[\"']?basic\s{1,2}[0-9A-Za-z+\/]{6,300}={0,2}/ nocase
  condition:
    $a
}

rule http_token {
  meta:
    id = "http-token"
    title = "Token in an Authorization header"
    kind = "bearer-token"
    severity = "high"
    confidence = "validated"
    anchor = "authorization"
    anchor_nocase = true
    longest = 232
    validator = "mixed"
    value = "(?i)(?:token|key)\\s+(\\S+)"
    boundary = "none"
    reference = "https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api"
    example = "Authorization: token <hex:40>"
    example2 = "Authorization: Api-Token <hex:40>"
    counterexample = "Authorization: token 0000000000000000000000000000000000000000"
  strings:
    $a = /authorization[\"']?\s{0,2}[:=,\x00]\s{0,3}[\"']?(api-?)?(token|key)\s{1,2}[0-9A-Za-z._~+\/=-]{20,200}/ nocase
  condition:
    $a
}

rule http_api_key_header {
  meta:
    id = "http-api-key-header"
    title = "Key in an X-Api-Key header"
    kind = "api-key"
    severity = "high"
    confidence = "validated"
    anchor = "x-api-key|X-Api-Key|x-auth-token|X-Auth-Token|x-vault-token|X-Vault-Token"
    anchor_nocase = true
    longest = 221
    validator = "mixed"
    value = "[:=,]\\s*[\\\"']?([^\\\"'\\s]+)\\Z"
    boundary = "none"
    reference = "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-setup-api-key-with-console.html"
    example = "X-Api-Key: <base62:40>"
    counterexample = "X-Api-Key: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /x-(api-key|auth-token|vault-token)[\"']?\s{0,2}[:=,\x00]\s{0,3}[\"']?[0-9A-Za-z._~+\/=-]{16,200}/ nocase
  condition:
    $a
}

rule session_cookie {
  meta:
    id = "session-cookie"
    title = "Session cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "possible"
    anchor = "sessionid=|session_id=|PHPSESSID=|JSESSIONID=|connect.sid=|ASP.NET_SessionId="
    longest = 218
    validator = "mixed"
    value = "=(.+)\\Z"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc6265"
    example = "Cookie: sessionid=<lownum:32>"
    counterexample = "Cookie: sessionid=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(sessionid|session_id|PHPSESSID|JSESSIONID|connect\.sid|ASP\.NET_SessionId)=[0-9A-Za-z%._~+\/-]{20,200}/
  condition:
    $a
}

rule aspnet_auth_cookie {
  meta:
    id = "aspnet-auth-cookie"
    title = "ASP.NET authentication cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "CfDJ8"
    longest = 485
    validator = "random"
    boundary = "none"
    tail = "base64url"
    reference = "https://learn.microsoft.com/aspnet/core/security/data-protection/implementation/authenticated-encryption-details"
    example = "CfDJ8<base64url:160>"
    counterexample = "CfDJ8xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /CfDJ8[0-9A-Za-z_-]{60,480}/
  condition:
    $a
}

rule http_basic_value {
  meta:
    id = "http-basic-value"
    title = "Basic credentials"
    kind = "basic-auth"
    severity = "high"
    confidence = "validated"
    anchor = "Basic "
    longest = 310
    validator = "basic-auth"
    value = "Basic (\\S+)"
    boundary = "base64"
    reference = "https://www.rfc-editor.org/rfc/rfc7617"
    example = "Basic <basic>"
    counterexample = "Basic information"
  strings:
    $a = /Basic [0-9A-Za-z+\/]{6,300}={0,2}/
  condition:
    $a
}

rule cookie_auth {
  meta:
    id = "cookie-auth"
    title = "Token in a cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "possible"
    anchor = "Cookie: |cookie: |ookie: "
    longest = 443
    validator = "mixed"
    value = "(?:token|sid|jwt)=([^;\\s]+)\\Z"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc6265"
    example = "Cookie: theme=dark; auth_token=<hex:40>"
    counterexample = "Cookie: theme=dark; auth_token=0000000000000000000000000000000000000000"
  strings:
    $a = /[Cc]ookie: [^\x00-\x1f\x7f-\xff]{0,200}(access_token|auth_token|id_token|session_token|sid|remember_token|api_token|jwt)=[0-9A-Za-z%._~+\/-]{24,220}/
  condition:
    $a
}

rule header_token_other {
  meta:
    id = "header-token-other"
    title = "Token in a header"
    kind = "api-key"
    severity = "high"
    confidence = "validated"
    anchor = "private-token|job-token|x-consul-token|x-nomad-token|x-shopify-access-token|x-octopus-apikey|x-jfrog-art-api|x-figma-token|x-goog-api-key|api-key:|apikey:|x-amz-security-token|x-access-token|x-csrf|x-postmark-server-token|circle-token"
    anchor_nocase = true
    longest = 431
    validator = "mixed"
    value = "[:=,\\x00][ ]*[\\\"']?([^\\\"'\\s]+)\\Z"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc9110#section-11"
    example = "PRIVATE-TOKEN: <base62:32>"
    counterexample = "PRIVATE-TOKEN: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(private-token|job-token|x-consul-token|x-nomad-token|x-shopify-access-token|x-octopus-apikey|x-jfrog-art-api|x-figma-token|x-goog-api-key|api-key|apikey|x-amz-security-token|x-access-token|x-postmark-server-token|circle-token)[\"\']?[ ]{0,2}[:=,\x00][ ]{0,3}[\"\']?[0-9A-Za-z._~+\/=-]{16,400}/ nocase
  condition:
    $a
}

rule url_token {
  meta:
    id = "url-token"
    title = "Token in the query of a URL"
    kind = "bearer-token"
    severity = "high"
    confidence = "possible"
    anchor = "access_token=|api_key=|apikey=|auth_token=|?token=|&token=|?key=|&key=|client_secret=|private_token=|refresh_token=|id_token="
    longest = 415
    validator = "token-like"
    value = "=(.+)\\Z"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc6750#section-2.3"
    example = "https://api.internal/v1?access_token=<base62:40>"
    counterexample = "https://api.internal/v1?access_token=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[?&;](access_token|api_key|apikey|auth_token|token|key|client_secret|private_token|refresh_token|id_token)=[0-9A-Za-z._~+\/%-]{20,400}/
  condition:
    $a
}

rule digest_response {
  meta:
    id = "digest-response"
    title = "HTTP digest response"
    kind = "http-digest"
    severity = "low"
    confidence = "validated"
    anchor = "Digest username="
    longest = 458
    validator = "hex-random"
    value = "response=\\\"([0-9a-f]+)"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc7616"
    example = "Digest username=\"app\", realm=\"x\", nonce=\"<hex:32>\", uri=\"/\", response=\"<hex:32>\""
    counterexample = "Digest username=\"app\", realm=\"x\", nonce=\"00000000000000000000000000000000\", uri=\"/\", response=\"00000000000000000000000000000000\""
  strings:
    $a = /Digest username=\"[^\"\x00-\x1f\x7f-\xff]{1,64}\",[^\x00-\x1f\x7f-\xff]{20,300}response=\"[0-9a-f]{32,64}\"/
  condition:
    $a
}

rule hawk_aws_signature {
  meta:
    id = "hawk-aws-signature"
    title = "AWS signature in a URL"
    kind = "presigned-url"
    severity = "low"
    confidence = "validated"
    anchor = "X-Amz-Signature="
    longest = 80
    validator = "hex-random"
    value = "=(.+)"
    reference = "https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"
    example = "X-Amz-Signature=<hex:64>"
    counterexample = "X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /X-Amz-Signature=[0-9a-f]{64}/
  condition:
    $a
}

rule gcs_signature {
  meta:
    id = "gcs-signature"
    title = "Google Cloud Storage signed URL"
    kind = "presigned-url"
    severity = "low"
    confidence = "validated"
    anchor = "X-Goog-Signature="
    longest = 497
    validator = "hex-random"
    value = "=(.+)"
    boundary = "hex"
    tail = "hex"
    reference = "https://cloud.google.com/storage/docs/access-control/signed-urls"
    example = "X-Goog-Signature=<hex:256>"
    counterexample = "X-Goog-Signature=0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /X-Goog-Signature=[0-9a-f]{128,480}/
  condition:
    $a
}

rule cloudfront_cookie {
  meta:
    id = "cloudfront-cookie"
    title = "CloudFront signed cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "CloudFront-Signature="
    longest = 421
    validator = "random"
    value = "=(.+)"
    boundary = "none"
    reference = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-cookies.html"
    example = "CloudFront-Signature=<base62:340>__"
    counterexample = "CloudFront-Signature=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx__"
  strings:
    $a = /CloudFront-Signature=[0-9A-Za-z~_-]{100,400}/
  condition:
    $a
}
