rule okta_context {
  meta:
    id = "okta-context"
    title = "Okta API token"
    kind = "okta-token"
    severity = "high"
    confidence = "validated"
    anchor = "okta|OKTA|Okta"
    longest = 79
    validator = "mixed"
    value = "(00.{40})\\Z"
    boundary = "token"
    reference = "https://developer.okta.com/docs/guides/create-an-api-token/main/"
    example = "OKTA_API_TOKEN=00<base64url:40>"
    counterexample = "OKTA_API_TOKEN=00xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(okta|OKTA|Okta)[0-9A-Za-z_.-]{0,24}[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?00[0-9A-Za-z_-]{40}/
  condition:
    $a
}

rule jumpcloud_key {
  meta:
    id = "jumpcloud-key"
    title = "JumpCloud API key"
    kind = "jumpcloud-token"
    severity = "high"
    confidence = "validated"
    anchor = "jca_"
    longest = 40
    validator = "random"
    reference = "https://jumpcloud.com/support/jumpcloud-apis1"
    example = "jca_<base62:36>"
    counterexample = "jca_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /jca_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule ory_token {
  meta:
    id = "ory-token"
    title = "Ory token"
    kind = "ory-token"
    severity = "high"
    confidence = "validated"
    anchor = "ory_pat_|ory_at_|ory_rt_|ory_st_|ory_apikey_|ory_ac_|ory_wak_"
    longest = 101
    validator = "random"
    boundary = "token"
    reference = "https://www.ory.sh/docs/concepts/personal-access-token"
    example = "ory_pat_<base62:32>"
    counterexample = "ory_pat_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ory_(pat|at|rt|st|ac|apikey|wak)_[0-9A-Za-z_.-]{32,90}/
  condition:
    $a
}

rule stytch_secret {
  meta:
    id = "stytch-secret"
    title = "Stytch secret"
    kind = "stytch-token"
    severity = "high"
    confidence = "validated"
    anchor = "secret-live-|secret-test-"
    longest = 53
    validator = "random"
    boundary = "token"
    reference = "https://stytch.com/docs/api/introduction"
    example = "secret-live-<base64url:36>"
    counterexample = "secret-live-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /secret-(live|test)-[0-9A-Za-z_-]{32,40}={0,1}/
  condition:
    $a
}

rule persona_key {
  meta:
    id = "persona-key"
    title = "Persona API key"
    kind = "persona-token"
    severity = "high"
    confidence = "validated"
    anchor = "persona_production_|persona_sandbox_"
    longest = 55
    validator = "random"
    reference = "https://docs.withpersona.com/api-keys"
    example = "persona_production_<uuid4>"
    counterexample = "persona_production_00000000-0000-0000-0000-000000000000"
  strings:
    $a = /persona_(production|sandbox)_[0-9a-f-]{36}/
  condition:
    $a
}

rule saml_response {
  meta:
    id = "saml-response"
    title = "SAML response"
    kind = "saml-assertion"
    severity = "high"
    confidence = "validated"
    anchor = "SAMLResponse=|SAMLResponse\""
    longest = 483
    validator = "random"
    value = "(PH.+)"
    boundary = "none"
    tail = "url64"
    reference = "https://docs.oasis-open.org/security/saml/v2.0/saml-bindings-2.0-os.pdf"
    example = "SAMLResponse=PHNhbWxwOlJlc3BvbnNl<base62:300>"
    counterexample = "SAMLResponse=PHNhbWxwOlJlc3BvbnNlxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SAMLResponse(=|\"[ ]?value=\"|\":[ ]?\")PH[0-9A-Za-z+\/%]{200,460}/
  condition:
    $a
}

rule saml_assertion {
  meta:
    id = "saml-assertion"
    title = "SAML assertion"
    kind = "saml-assertion"
    severity = "high"
    confidence = "validated"
    anchor = "<saml:Assertion|<saml2:Assertion|<Assertion "
    longest = 378
    validator = "saml"
    boundary = "none"
    reach = 4096
    reference = "https://docs.oasis-open.org/security/saml/v2.0/saml-core-2.0-os.pdf"
    example = "<lt>saml:Assertion ID=\"_<hex:32>\" IssueInstant=\"2031-01-01T00:00:00Z\" Version=\"2.0\">"
    counterexample = "<lt>saml:Assertion ID=\"x\" Version=\"%s\" IssueInstant=\"%s\">"
  strings:
    $a = /<(saml2?:)?Assertion [^<>\x00]{20,360}>/
  condition:
    $a
}

rule kerberos_kirbi {
  meta:
    id = "kerberos-kirbi"
    title = "Kerberos credential in base64"
    kind = "kerberos-credential"
    severity = "high"
    confidence = "validated"
    anchor = "AwIBBaEDAgEW"
    longest = 486
    validator = "kirbi"
    boundary = "base64"
    tail = "base64"
    reference = "https://www.rfc-editor.org/rfc/rfc4120#section-5.8.1"
    example = "<kirbi>"
    counterexample = "xxxxxxxxxxxx"
  strings:
    $a = /doI[A-P][0-9A-Za-z+\/][DTjz]CC[0-9A-Za-z+\/]{3}gAwIBBaEDAgEW[0-9A-Za-z+\/]{200,460}={0,2}/
  condition:
    $a
}

rule kerberos_negotiate {
  meta:
    id = "kerberos-negotiate"
    title = "Kerberos ticket in a Negotiate header"
    kind = "kerberos-ticket"
    severity = "medium"
    confidence = "validated"
    anchor = "Negotiate YI"
    longest = 453
    validator = "random"
    value = "(YI.+)"
    boundary = "base64"
    tail = "base64"
    reference = "https://www.rfc-editor.org/rfc/rfc4559"
    example = "Negotiate YIIG<base62:300>"
    counterexample = "Negotiate YIIGxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /Negotiate YI[A-Z][0-9A-Za-z+\/]{100,440}/
  condition:
    $a
}

rule kerberos_roast {
  meta:
    id = "kerberos-roast"
    title = "Kerberos hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "$krb5tgs$|$krb5asrep$|$krb5pa$"
    longest = 448
    validator = "random"
    boundary = "hex"
    tail = "hex"
    reference = "https://www.rfc-editor.org/rfc/rfc4120#section-5.4.2"
    example = "$krb5asrep$23$svc@CORP.LOCAL$<hex:32>$<hex:200>"
    counterexample = "$krb5asrep$23$svc@CORP.LOCAL$00000000000000000000000000000000$00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /\$krb5(tgs|asrep|pa)\$[0-9]{1,2}\$[0-9A-Za-z*@.$_\/-]{2,160}\$[0-9a-f]{16,32}\$?[0-9a-f]{40,240}/
  condition:
    $a
}

rule ntlm_authenticate {
  meta:
    id = "ntlm-authenticate"
    title = "NTLM response"
    kind = "ntlm-response"
    severity = "medium"
    confidence = "validated"
    anchor = "NTLM TlRMTVNTUAAD|Negotiate TlRMTVNTUAAD"
    longest = 424
    validator = "random"
    value = "(TlRM.+)"
    boundary = "base64"
    tail = "base64"
    reference = "https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/"
    example = "NTLM TlRMTVNTUAAD<base62:300>"
    counterexample = "NTLM TlRMTVNTUAADxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(NTLM|Negotiate) TlRMTVNTUAAD[0-9A-Za-z+\/]{60,400}={0,2}/
  condition:
    $a
}

rule ntlm_dump {
  meta:
    id = "ntlm-dump"
    title = "NT hash of an account"
    kind = "nt-hash"
    severity = "high"
    confidence = "validated"
    anchor = "aad3b435b51404eeaad3b435b51404ee:|:aad3b435b51404ee"
    longest = 142
    validator = "ntlm-hash"
    value = ":([0-9a-f]{32}):::"
    boundary = "hex"
    reference = "https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/"
    example = "admin:1001:aad3b435b51404eeaad3b435b51404ee:<hex:32>:::"
    counterexample = "admin:1001:aad3b435b51404eeaad3b435b51404ee:00000000000000000000000000000000:::"
  strings:
    $a = /[^:\s\x00-\x1f\x7f-\xff]{1,64}:[0-9]{3,8}:[0-9a-f]{32}:[0-9a-f]{32}:::/
  condition:
    $a
}

rule netntlmv2 {
  meta:
    id = "netntlmv2"
    title = "NTLMv2 response"
    kind = "ntlm-response"
    severity = "medium"
    confidence = "validated"
    anchor = ":0101000000000000"
    longest = 466
    validator = "random"
    boundary = "hex"
    tail = "hex"
    reference = "https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/"
    example = "<hex:16>:<hex:32>:0101000000000000<hex:200>"
    counterexample = "0000000000000000:00000000000000000000000000000000:010100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /[0-9a-fA-F]{16}:[0-9a-fA-F]{32}:0101000000000000[0-9a-fA-F]{60,400}/
  condition:
    $a
}

rule unix_shadow {
  meta:
    id = "unix-shadow"
    title = "Unix password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = ":$6$|:$5$|:$y$|:$1$|:$gy$|:$7$"
    longest = 178
    validator = "random"
    value = ":(\\$[^:]+):"
    boundary = "none"
    reference = "https://man7.org/linux/man-pages/man5/crypt.5.html"
    example = "root:$6$<base62:16>$<base62:86>:19000:"
    counterexample = "root:$6$xxxxxxxxxxxxxxxx$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:19000:"
  strings:
    $a = /[a-z_][a-z0-9_.-]{0,31}:\$(6|5|y|gy|1|7)\$[0-9A-Za-z.\/=,$]{20,140}:/
  condition:
    $a
}

rule bcrypt_hash {
  meta:
    id = "bcrypt-hash"
    title = "bcrypt password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "$2a$0|$2a$1|$2b$0|$2b$1|$2y$0|$2y$1"
    longest = 60
    validator = "random"
    boundary = "none"
    reference = "https://www.usenix.org/legacy/events/usenix99/provos/provos_html/node1.html"
    example = "$2b$12$<base62:53>"
    counterexample = "$2b$12$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\$2[aby]\$[01][0-9]\$[0-9A-Za-z.\/]{53}/
  condition:
    $a
}

rule argon2_hash {
  meta:
    id = "argon2-hash"
    title = "Argon2 password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "$argon2id$|$argon2i$|$argon2d$"
    longest = 199
    validator = "random"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc9106"
    example = "$argon2id$v=19$m=65536,t=3,p=4$<base62:22>$<base62:43>"
    counterexample = "$argon2id$v=19$m=65536,t=3,p=4$xxxxxxxxxxxxxxxxxxxxxx$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\$argon2(id|i|d)\$v=[0-9]{2}\$m=[0-9]{2,8},t=[0-9]{1,3},p=[0-9]{1,3}\$[0-9A-Za-z+\/]{8,64}\$[0-9A-Za-z+\/]{16,96}/
  condition:
    $a
}

rule django_hash {
  meta:
    id = "django-hash"
    title = "Django password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "pbkdf2_sha256$"
    longest = 100
    validator = "random"
    boundary = "none"
    reference = "https://docs.djangoproject.com/en/stable/topics/auth/passwords/"
    example = "pbkdf2_sha256$600000$<base62:22>$<bytes64:32>"
    counterexample = "pbkdf2_sha256$600000$xxxxxxxxxxxxxxxxxxxxxx$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pbkdf2_sha256\$[0-9]{4,8}\$[0-9A-Za-z]{8,32}\$[0-9A-Za-z+\/]{43}=/
  condition:
    $a
}

rule ldap_hash {
  meta:
    id = "ldap-hash"
    title = "LDAP password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "{SSHA}|{SSHA512}|{SSHA256}|{SMD5}|{CRYPT}"
    longest = 131
    validator = "mixed"
    value = "\\}(.+)"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc2307"
    example = "{SSHA}<bytes64:24>"
    counterexample = "{SSHA}xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\{(SSHA|SSHA512|SSHA256|SMD5)\}[0-9A-Za-z+\/]{24,120}={0,2}/
  condition:
    $a
}

rule mysql_hash {
  meta:
    id = "mysql-hash"
    title = "MySQL native password hash"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "AS '*|BY PASSWORD '*"
    longest = 55
    validator = "hex-random"
    value = "'\\*([0-9A-F]{40})'"
    reference = "https://dev.mysql.com/doc/refman/8.0/en/create-user.html"
    example = "IDENTIFIED WITH mysql_native_password AS '*<HEX:40>'"
    counterexample = "IDENTIFIED WITH mysql_native_password AS '*0000000000000000000000000000000000000000'"
  strings:
    $a = /(AS|BY PASSWORD) '\*[0-9A-F]{40}'/
  condition:
    $a
}

rule postgres_scram {
  meta:
    id = "postgres-scram"
    title = "PostgreSQL SCRAM verifier"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "SCRAM-SHA-256$"
    longest = 137
    validator = "random"
    boundary = "none"
    reference = "https://www.postgresql.org/docs/current/catalog-pg-authid.html"
    example = "SCRAM-SHA-256$4096:<bytes64:16>$<bytes64:32>:<bytes64:32>"
    counterexample = "SCRAM-SHA-256$4096:xxxxxxxxxxxxxxxx$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SCRAM-SHA-256\$[0-9]{4,6}:[0-9A-Za-z+\/]{20,24}={0,2}\$[0-9A-Za-z+\/]{43}=:[0-9A-Za-z+\/]{43}=/
  condition:
    $a
}

rule cisco_type7 {
  meta:
    id = "cisco-type7"
    title = "Cisco type 7 password"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "password 7 |key 7 |secret 7 |key-string 7 "
    longest = 95
    validator = "cisco-type7"
    value = " 7 ([0-9A-F]+)\\Z"
    reference = "https://www.cisco.com/c/en/us/support/docs/security-vpn/remote-authentication-dial-user-service-radius/107614-64.html"
    example = "password 7 <cisco7:S3cr3tPass>"
    counterexample = "password 7 xxxxxxxxxxxx"
  strings:
    $a = /(password|key|secret|key-string) 7 [0-9]{2}[0-9A-F]{6,80}/
  condition:
    $a
}

rule cisco_secret {
  meta:
    id = "cisco-secret"
    title = "Cisco hashed secret"
    kind = "password-hash"
    severity = "medium"
    confidence = "validated"
    anchor = "secret 5 $1$|secret 8 $8$|secret 9 $9$"
    longest = 71
    validator = "random"
    value = "(\\$.+)"
    boundary = "none"
    reference = "https://www.cisco.com/c/en/us/td/docs/ios-xml/ios/security/d1/sec-d1-cr-book.html"
    example = "secret 9 $9$<base62:14>$<base62:43>"
    counterexample = "secret 9 $9$xxxxxxxxxxxxxx$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /secret [589] \$[189]\$[0-9A-Za-z.\/]{4,14}\$[0-9A-Za-z.\/]{22,44}/
  condition:
    $a
}

rule vpn_session_cookie {
  meta:
    id = "vpn-session-cookie"
    title = "VPN gateway session cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "SVPNCOOKIE=|MRHSession=|webvpn=|NSC_AAAC="
    longest = 411
    validator = "mixed"
    value = "=(.+)"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc6265"
    example = "SVPNCOOKIE=<base62:120>"
    counterexample = "SVPNCOOKIE=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(SVPNCOOKIE|MRHSession|webvpn|NSC_AAAC)=[0-9A-Za-z%+\/=@_-]{24,400}/
  condition:
    $a
}

rule web_session_cookie {
  meta:
    id = "web-session-cookie"
    title = "Web framework session cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "laravel_session=|_gitlab_session=|wordpress_logged_in_|.AspNet.ApplicationCookie=|user_session=|connect.sid=s%3A"
    longest = 457
    validator = "mixed"
    value = "=(.+)"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc6265"
    example = "Cookie: _gitlab_session=<hex:32>"
    counterexample = "Cookie: _gitlab_session=00000000000000000000000000000000"
  strings:
    $a = /(laravel_session|_gitlab_session|wordpress_logged_in_[0-9a-f]{32}|\.AspNet\.ApplicationCookie|user_session|connect\.sid)=(s%3A)?[0-9A-Za-z%|._+\/-]{32,400}/
  condition:
    $a
}

rule flask_session {
  meta:
    id = "flask-session"
    title = "Flask session cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "session=eyJ|session=.eJ"
    longest = 346
    validator = "mixed"
    value = "=(.+)"
    boundary = "token"
    reference = "https://flask.palletsprojects.com/en/stable/quickstart/#sessions"
    example = "session=eyJ<base64url:60>.<base64url:6>.<base64url:27>"
    counterexample = "session=eyJxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /session=(eyJ|\.eJ)[0-9A-Za-z_-]{20,300}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27}/
  condition:
    $a
}

rule roblox_cookie {
  meta:
    id = "roblox-cookie"
    title = "Roblox session cookie"
    kind = "session-cookie"
    severity = "high"
    confidence = "validated"
    anchor = "WARNING:-DO-NOT-SHARE-THIS"
    longest = 470
    boundary = "none"
    tail = "hex"
    reference = "https://create.roblox.com/docs/cloud/reference"
    example = "_|WARNING:-DO-NOT-SHARE-THIS.--Sharing-this-will-allow-someone-to-log-in-as-you-and-to-steal-your-ROBUX-and-items.|_<HEX:240>"
    counterexample = "_|WARNING:-DO-NOT-SHARE-THIS."
  strings:
    $a = /_\|WARNING:-DO-NOT-SHARE-THIS[0-9A-Za-z .,|_-]{60,140}\|_[0-9A-F]{100,300}/
  condition:
    $a
}

rule oauth_token_response {
  meta:
    id = "oauth-token-response"
    title = "OAuth token in a response"
    kind = "oauth-access-token"
    severity = "high"
    confidence = "validated"
    anchor = "\"access_token\"|\"refresh_token\"|\"id_token\""
    longest = 459
    validator = "token-like"
    value = ":[ ]?\\\"(.+)\\Z"
    boundary = "none"
    tail = "base64url"
    reference = "https://www.rfc-editor.org/rfc/rfc6749#section-5.1"
    example = "\"access_token\":\"<base64url:60>"
    counterexample = "\"access_token\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\"(access|refresh|id)_token\"[ ]?:[ ]?\"[0-9A-Za-z._~+\/=-]{20,440}/
  condition:
    $a
}

rule secret_token_uri {
  meta:
    id = "secret-token-uri"
    title = "Token in a secret-token URI"
    kind = "bearer-token"
    severity = "high"
    confidence = "validated"
    anchor = "secret-token:"
    longest = 213
    validator = "mixed"
    boundary = "token"
    reference = "https://www.rfc-editor.org/rfc/rfc8959"
    example = "secret-token:<base62:32>"
    counterexample = "secret-token:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /secret-token:[0-9A-Za-z._~%-]{16,200}/
  condition:
    $a
}

rule auth0_context {
  meta:
    id = "auth0-context"
    title = "Auth0 client secret"
    kind = "auth0-token"
    severity = "high"
    confidence = "validated"
    anchor = "auth0"
    anchor_nocase = true
    longest = 103
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{64})\\Z"
    boundary = "token"
    reference = "https://auth0.com/docs/get-started/applications/application-settings"
    example = "AUTH0_CLIENT_SECRET=<base64url:64>"
    example2 = "\"AUTH0_CLIENT_SECRET\": \"<base64url:64>\""
    counterexample = "AUTH0_CLIENT_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(auth0)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{64}/ nocase
  condition:
    $a
}

rule onelogin_context {
  meta:
    id = "onelogin-context"
    title = "OneLogin client secret"
    kind = "onelogin-token"
    severity = "high"
    confidence = "validated"
    anchor = "onelogin"
    anchor_nocase = true
    longest = 106
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{64})\\Z"
    boundary = "token"
    reference = "https://developers.onelogin.com/api-docs/1/getting-started/working-with-api-credentials"
    example = "ONELOGIN_CLIENT_SECRET=<hex:64>"
    example2 = "\"ONELOGIN_CLIENT_SECRET\": \"<hex:64>\""
    counterexample = "ONELOGIN_CLIENT_SECRET=0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(onelogin)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{64}/ nocase
  condition:
    $a
}

rule duo_context {
  meta:
    id = "duo-context"
    title = "Duo secret key"
    kind = "duo-token"
    severity = "high"
    confidence = "validated"
    anchor = "duo_|skey"
    anchor_nocase = true
    longest = 78
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{40})\\Z"
    boundary = "token"
    reference = "https://duo.com/docs/adminapi"
    example = "DUO_SKEY=<base62:40>"
    example2 = "\"DUO_SKEY\": \"<base62:40>\""
    counterexample = "DUO_SKEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(duo_|skey)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{40}/ nocase
  condition:
    $a
}

rule keycloak_context {
  meta:
    id = "keycloak-context"
    title = "Keycloak client secret"
    kind = "keycloak-token"
    severity = "high"
    confidence = "validated"
    anchor = "keycloak"
    anchor_nocase = true
    longest = 74
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://www.keycloak.org/docs/latest/server_admin/"
    example = "KEYCLOAK_CLIENT_SECRET=<base62:32>"
    example2 = "\"KEYCLOAK_CLIENT_SECRET\": \"<base62:32>\""
    counterexample = "KEYCLOAK_CLIENT_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(keycloak)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule bind_password_context {
  meta:
    id = "bind-password-context"
    title = "LDAP bind password"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "bindpw|bind_password|bindpassword|ldap_password|rootpw"
    anchor_nocase = true
    longest = 111
    validator = "plausible-password"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z!@#%^*_+=.~-]{8,64})\\Z"
    boundary = "none"
    reference = "https://www.openldap.org/doc/admin26/"
    example = "LDAP_BIND_PASSWORD=Zq8!<base62:10>"
    example2 = "\"LDAP_BIND_PASSWORD\": \"Zq8!<base62:10>\""
    counterexample = "LDAP_BIND_PASSWORD=Zq8!xxxxxxxxxx"
  strings:
    $a = /(bindpw|bind_password|bindpassword|ldap_password|rootpw)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z!@#%^*_+=.~-]{8,64}/ nocase
  condition:
    $a
}

rule fernet_context {
  meta:
    id = "fernet-context"
    title = "Fernet key"
    kind = "fernet-key"
    severity = "high"
    confidence = "validated"
    anchor = "fernet"
    anchor_nocase = true
    longest = 84
    validator = "base64-32"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{43}=)\\Z"
    boundary = "base64"
    reference = "https://cryptography.io/en/latest/fernet/"
    example = "AIRFLOW__CORE__FERNET_KEY=<fernet>"
    example2 = "\"AIRFLOW__CORE__FERNET_KEY\": \"<fernet>\""
    counterexample = "AIRFLOW__CORE__FERNET_KEY=xxxxxxxxxxxx"
  strings:
    $a = /(fernet)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{43}=/ nocase
  condition:
    $a
}

rule bare_authorization {
  meta:
    id = "bare-authorization"
    title = "Credential in an Authorization header"
    kind = "bearer-token"
    severity = "high"
    confidence = "possible"
    anchor = "authorization"
    anchor_nocase = true
    longest = 324
    validator = "token-like"
    value = "[:=]\\s*[\"\\']?(\\S+)\\Z"
    boundary = "none"
    reference = "https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2"
    example = "Authorization: <uuid4>"
    example2 = "\"authorization\": \"<base62:40>\""
    counterexample = "Authorization: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /authorization[\"\']?\s{0,2}[:=]\s{0,3}[\"\']?[0-9A-Za-z_.+\/~=-]{20,300}/ nocase
  condition:
    $a
}
