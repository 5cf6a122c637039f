rule sendgrid_key {
  meta:
    id = "sendgrid-key"
    title = "SendGrid API key"
    kind = "sendgrid-token"
    severity = "high"
    confidence = "validated"
    anchor = "SG.a|SG.b|SG.c|SG.d|SG.e|SG.f|SG.g|SG.h|SG.i|SG.j|SG.k|SG.l|SG.m|SG.n|SG.o|SG.p|SG.q|SG.r|SG.s|SG.t|SG.u|SG.v|SG.w|SG.x|SG.y|SG.z|SG.A|SG.B|SG.C|SG.D|SG.E|SG.F|SG.G|SG.H|SG.I|SG.J|SG.K|SG.L|SG.M|SG.N|SG.O|SG.P|SG.Q|SG.R|SG.S|SG.T|SG.U|SG.V|SG.W|SG.X|SG.Y|SG.Z|SG.0|SG.1|SG.2|SG.3|SG.4|SG.5|SG.6|SG.7|SG.8|SG.9|SG.-|SG._"
    longest = 69
    validator = "random"
    boundary = "token"
    reference = "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys"
    example = "SG.<base64url:22>.<base64url:43>"
    counterexample = "SG.xxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule mailgun_key {
  meta:
    id = "mailgun-key"
    title = "Mailgun API key"
    kind = "mailgun-token"
    severity = "high"
    confidence = "validated"
    anchor = "key-"
    longest = 36
    validator = "hex-random"
    reference = "https://documentation.mailgun.com/docs/mailgun/api-reference/authentication"
    example = "key-<hex:32>"
    counterexample = "key-00000000000000000000000000000000"
  strings:
    $a = /key-[0-9a-f]{32}/
  condition:
    $a
}

rule mailchimp_key {
  meta:
    id = "mailchimp-key"
    title = "Mailchimp API key"
    kind = "mailchimp-token"
    severity = "high"
    confidence = "validated"
    anchor = "-us1|-us2|-us3|-us4|-us5|-us6|-us7|-us8|-us9"
    longest = 37
    validator = "hex-random"
    reference = "https://mailchimp.com/developer/marketing/guides/quick-start/"
    example = "<hex:32>-us14"
    counterexample = "00000000000000000000000000000000-us14"
  strings:
    $a = /[0-9a-f]{32}-us[0-9]{1,2}/
  condition:
    $a
}

rule brevo_key {
  meta:
    id = "brevo-key"
    title = "Brevo API key"
    kind = "brevo-token"
    severity = "high"
    confidence = "validated"
    anchor = "xkeysib-|xsmtpsib-"
    longest = 90
    validator = "random"
    reference = "https://developers.brevo.com/docs/getting-started"
    example = "xkeysib-<hex:64>-<base62:16>"
    counterexample = "xkeysib-0000000000000000000000000000000000000000000000000000000000000000-xxxxxxxxxxxxxxxx"
  strings:
    $a = /x(keys|smtps)ib-[0-9a-f]{64}-[0-9A-Za-z]{16}/
  condition:
    $a
}

rule mailersend_key {
  meta:
    id = "mailersend-key"
    title = "MailerSend API token"
    kind = "mailersend-token"
    severity = "high"
    confidence = "validated"
    anchor = "mlsn."
    longest = 69
    validator = "hex-random"
    reference = "https://developers.mailersend.com/general.html#authentication"
    example = "mlsn.<hex:64>"
    counterexample = "mlsn.0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /mlsn\.[0-9a-f]{64}/
  condition:
    $a
}

rule smtp_auth_plain {
  meta:
    id = "smtp-auth-plain"
    title = "Password in SMTP AUTH PLAIN"
    kind = "basic-auth"
    severity = "high"
    confidence = "validated"
    anchor = "AUTH PLAIN "
    longest = 213
    validator = "sasl-plain"
    value = "PLAIN (.+)"
    boundary = "base64"
    reference = "https://www.rfc-editor.org/rfc/rfc4616"
    example = "AUTH PLAIN <saslplain>"
    counterexample = "AUTH PLAIN xxxxxxxxxxxx"
  strings:
    $a = /AUTH PLAIN [0-9A-Za-z+\/]{12,200}={0,2}/
  condition:
    $a
}

rule mailgun_signing {
  meta:
    id = "mailgun-signing"
    title = "Mailgun public validation key"
    kind = "mailgun-token"
    severity = "low"
    confidence = "validated"
    anchor = "pubkey-"
    longest = 39
    validator = "hex-random"
    reference = "https://documentation.mailgun.com/docs/mailgun/user-manual/get-started/"
    example = "pubkey-<hex:32>"
    counterexample = "pubkey-00000000000000000000000000000000"
  strings:
    $a = /pubkey-[0-9a-f]{32}/
  condition:
    $a
}

rule resend_context {
  meta:
    id = "resend-context"
    title = "Resend API key"
    kind = "resend-token"
    severity = "high"
    confidence = "validated"
    anchor = "resend"
    anchor_nocase = true
    longest = 76
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(re_[0-9A-Za-z]{8}_[0-9A-Za-z]{24})\\Z"
    boundary = "token"
    reference = "https://resend.com/docs/api-reference/introduction"
    example = "RESEND_API_KEY=re_<base62:8>_<base62:24>"
    example2 = "\"RESEND_API_KEY\": \"re_<base62:8>_<base62:24>\""
    counterexample = "RESEND_API_KEY=re_xxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(resend)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?re_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}/ nocase
  condition:
    $a
}

rule postmark_context {
  meta:
    id = "postmark-context"
    title = "Postmark server token"
    kind = "postmark-token"
    severity = "high"
    confidence = "validated"
    anchor = "postmark"
    anchor_nocase = true
    longest = 78
    validator = "uuid4"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://postmarkapp.com/developer/api/overview"
    example = "POSTMARK_SERVER_TOKEN=<uuid4>"
    example2 = "\"POSTMARK_SERVER_TOKEN\": \"<uuid4>\""
    counterexample = "POSTMARK_SERVER_TOKEN=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(postmark)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule mailjet_context {
  meta:
    id = "mailjet-context"
    title = "Mailjet secret key"
    kind = "mailjet-token"
    severity = "high"
    confidence = "validated"
    anchor = "mailjet|mj_apikey"
    anchor_nocase = true
    longest = 75
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://dev.mailjet.com/email/guides/"
    example = "MJ_APIKEY_PRIVATE=<hex:32>"
    example2 = "\"MJ_APIKEY_PRIVATE\": \"<hex:32>\""
    counterexample = "MJ_APIKEY_PRIVATE=00000000000000000000000000000000"
  strings:
    $a = /(mailjet|mj_apikey)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule sparkpost_context {
  meta:
    id = "sparkpost-context"
    title = "SparkPost API key"
    kind = "sparkpost-token"
    severity = "high"
    confidence = "validated"
    anchor = "sparkpost"
    anchor_nocase = true
    longest = 83
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://developers.sparkpost.com/api/"
    example = "SPARKPOST_API_KEY=<hex:40>"
    example2 = "\"SPARKPOST_API_KEY\": \"<hex:40>\""
    counterexample = "SPARKPOST_API_KEY=0000000000000000000000000000000000000000"
  strings:
    $a = /(sparkpost)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule mandrill_context {
  meta:
    id = "mandrill-context"
    title = "Mandrill API key"
    kind = "mandrill-token"
    severity = "high"
    confidence = "validated"
    anchor = "mandrill"
    anchor_nocase = true
    longest = 67
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((md-)?[0-9A-Za-z_-]{22})\\Z"
    boundary = "token"
    reference = "https://mailchimp.com/developer/transactional/guides/quick-start/"
    example = "MANDRILL_API_KEY=md-<base62:22>"
    example2 = "\"MANDRILL_API_KEY\": \"md-<base62:22>\""
    counterexample = "MANDRILL_API_KEY=md-xxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(mandrill)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(md-)?[0-9A-Za-z_-]{22}/ nocase
  condition:
    $a
}

rule klaviyo_context {
  meta:
    id = "klaviyo-context"
    title = "Klaviyo private key"
    kind = "klaviyo-token"
    severity = "high"
    confidence = "validated"
    anchor = "klaviyo"
    anchor_nocase = true
    longest = 78
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(pk_[0-9A-Za-z]{34})\\Z"
    boundary = "token"
    reference = "https://developers.klaviyo.com/en/docs/authenticate_"
    example = "KLAVIYO_API_KEY=pk_<hex:34>"
    example2 = "\"KLAVIYO_API_KEY\": \"pk_<hex:34>\""
    counterexample = "KLAVIYO_API_KEY=pk_0000000000000000000000000000000000"
  strings:
    $a = /(klaviyo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?pk_[0-9A-Za-z]{34}/ nocase
  condition:
    $a
}

rule ses_smtp_context {
  meta:
    id = "ses-smtp-context"
    title = "Amazon SES SMTP password"
    kind = "aws-ses-password"
    severity = "high"
    confidence = "validated"
    anchor = "ses_smtp|smtp_pass"
    anchor_nocase = true
    longest = 87
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(B[0-9A-Za-z+\\/]{43})\\Z"
    boundary = "token"
    reference = "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html"
    example = "SES_SMTP_PASSWORD=B<base64:43>"
    example2 = "\"SES_SMTP_PASSWORD\": \"B<base64:43>\""
    counterexample = "SES_SMTP_PASSWORD=Bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(ses_smtp|smtp_pass)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?B[0-9A-Za-z+\/]{43}/ nocase
  condition:
    $a
}

rule mailtrap_context {
  meta:
    id = "mailtrap-context"
    title = "Mailtrap API token"
    kind = "mailtrap-token"
    severity = "high"
    confidence = "validated"
    anchor = "mailtrap"
    anchor_nocase = true
    longest = 74
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://help.mailtrap.io/article/103-api-tokens"
    example = "MAILTRAP_API_TOKEN=<hex:32>"
    example2 = "\"MAILTRAP_API_TOKEN\": \"<hex:32>\""
    counterexample = "MAILTRAP_API_TOKEN=00000000000000000000000000000000"
  strings:
    $a = /(mailtrap)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule elastic_email_context {
  meta:
    id = "elastic-email-context"
    title = "Elastic Email API key"
    kind = "elastic-email-token"
    severity = "high"
    confidence = "validated"
    anchor = "elasticemail|elastic_email"
    anchor_nocase = true
    longest = 143
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-F]{96})\\Z"
    boundary = "token"
    reference = "https://elasticemail.com/developers/api-documentation/rest-api"
    example = "ELASTICEMAIL_API_KEY=<HEX:96>"
    example2 = "\"ELASTICEMAIL_API_KEY\": \"<HEX:96>\""
    counterexample = "ELASTICEMAIL_API_KEY=000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(elasticemail|elastic_email)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-F]{96}/ nocase
  condition:
    $a
}

rule mailerlite_context {
  meta:
    id = "mailerlite-context"
    title = "MailerLite key"
    kind = "mailerlite-token"
    severity = "high"
    confidence = "validated"
    anchor = "mailerlite"
    anchor_nocase = true
    longest = 76
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://developers.mailerlite.com/docs/"
    example = "MAILERLITE_API_KEY=<hex:32>"
    example2 = "\"MAILERLITE_API_KEY\": \"<hex:32>\""
    counterexample = "MAILERLITE_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(mailerlite)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}
