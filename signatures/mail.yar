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
