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
    longest = 228
    validator = "mixed"
    value = "(?i)token\\s+(\\S+)"
    boundary = "none"
    reference = "https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api"
    example = "Authorization: token <hex:40>"
    counterexample = "Authorization: token 0000000000000000000000000000000000000000"
  strings:
    $a = /authorization[\"']?\s{0,2}[:=,\x00]\s{0,3}[\"']?token\s{1,2}[0-9A-Za-z._~+\/=-]{20,200}/ nocase
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
