rule slack_bot_token {
  meta:
    id = "slack-bot-token"
    title = "Slack bot token"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xoxb-"
    longest = 59
    validator = "random"
    boundary = "token"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xoxb-<digits:12>-<digits:12>-<base62:24>"
    counterexample = "xoxb-xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xoxb-[0-9]{9,14}-[0-9]{9,14}-[0-9A-Za-z]{24}/
  condition:
    $a
}

rule slack_user_token {
  meta:
    id = "slack-user-token"
    title = "Slack user token"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xoxp-"
    longest = 82
    validator = "random"
    boundary = "token"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xoxp-<digits:12>-<digits:12>-<digits:12>-<hex:32>"
    counterexample = "xoxp-xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxx-00000000000000000000000000000000"
  strings:
    $a = /xoxp-[0-9]{9,14}-[0-9]{9,14}-[0-9]{9,14}-[0-9a-f]{32}/
  condition:
    $a
}

rule slack_app_token {
  meta:
    id = "slack-app-token"
    title = "Slack app-level token"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xapp-"
    longest = 99
    validator = "random"
    boundary = "token"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xapp-1-A<upnum:10>-<digits:13>-<hex:64>"
    counterexample = "xapp-1-Axxxxxxxxxx-xxxxxxxxxxxxx-0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /xapp-[0-9]-[0-9A-Z]{9,12}-[0-9]{9,14}-[0-9a-f]{64}/
  condition:
    $a
}

rule slack_config_token {
  meta:
    id = "slack-config-token"
    title = "Slack app configuration token"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xoxe.xox|xoxe-1-"
    longest = 192
    validator = "random"
    boundary = "token"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xoxe-1-<base62:146>"
    counterexample = "xoxe-1-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xoxe(\.xox[bp])?-1-[0-9A-Za-z+\/]{140,180}/
  condition:
    $a
}

rule slack_client_token {
  meta:
    id = "slack-client-token"
    title = "Slack client session token"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xoxc-|xoxs-"
    longest = 114
    validator = "random"
    boundary = "token"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xoxc-<digits:12>-<digits:12>-<digits:12>-<hex:64>"
    counterexample = "xoxc-xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxx-0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /xox[cs]-[0-9]{9,14}-[0-9]{9,14}-[0-9]{9,14}-[0-9a-f]{64}/
  condition:
    $a
}

rule slack_cookie {
  meta:
    id = "slack-cookie"
    title = "Slack session cookie"
    kind = "session-cookie"
    severity = "high"
    confidence = "validated"
    anchor = "xoxd-"
    longest = 405
    validator = "random"
    boundary = "none"
    reference = "https://docs.slack.dev/authentication/tokens/"
    example = "xoxd-<base62:120>"
    counterexample = "xoxd-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xoxd-[0-9A-Za-z%+\/=]{60,400}/
  condition:
    $a
}

rule slack_webhook {
  meta:
    id = "slack-webhook"
    title = "Slack incoming webhook"
    kind = "webhook"
    severity = "high"
    confidence = "validated"
    anchor = "hooks.slack.com"
    longest = 103
    validator = "random"
    value = "([^/]+)\\Z"
    reference = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/"
    example = "https://hooks.slack.com/services/T<upnum:10>/B<upnum:10>/<base62:24>"
    counterexample = "https://hooks.slack.com/services/Txxxxxxxxxx/Bxxxxxxxxxx/xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /hooks\.slack\.com\/(services|workflows|triggers)\/[TE][0-9A-Z]{8,12}\/[0-9A-Z]{8,14}\/[0-9A-Za-z\/]{20,48}/
  condition:
    $a
}

rule discord_bot_header {
  meta:
    id = "discord-bot-header"
    title = "Discord bot token"
    kind = "discord-token"
    severity = "high"
    confidence = "validated"
    anchor = "Bot M|Bot N|Bot O"
    longest = 78
    validator = "discord-bot"
    value = "Bot (.+)"
    boundary = "token"
    reference = "https://discord.com/developers/docs/reference#authentication"
    example = "Authorization: Bot <snowflake>.<base62:6>.<base62:38>"
    counterexample = "Authorization: Bot xxxxxxxxxxxx.xxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /Bot [MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,38}/
  condition:
    $a
}

rule discord_bot_env {
  meta:
    id = "discord-bot-env"
    title = "Discord bot token"
    kind = "discord-token"
    severity = "high"
    confidence = "validated"
    anchor = "discord_token|discord_bot_token|discordtoken"
    anchor_nocase = true
    longest = 100
    validator = "discord-bot"
    value = "([MNOmno][0-9A-Za-z_-]+\\.[0-9A-Za-z_-]+\\.[0-9A-Za-z_-]+)\\Z"
    boundary = "token"
    reference = "https://discord.com/developers/docs/reference#authentication"
    example = "DISCORD_TOKEN=<snowflake>.<base62:6>.<base62:38>"
    counterexample = "DISCORD_TOKEN=xxxxxxxxxxxx.xxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /discord_?(bot_?)?token[\"']?\s{0,3}[:=]\s{0,3}[\"']?[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,38}/ nocase
  condition:
    $a
}

rule discord_webhook {
  meta:
    id = "discord-webhook"
    title = "Discord webhook"
    kind = "webhook"
    severity = "high"
    confidence = "validated"
    anchor = "/api/webhooks/"
    longest = 121
    validator = "random"
    value = "([^/]+)\\Z"
    boundary = "token"
    reference = "https://discord.com/developers/docs/resources/webhook"
    example = "https://discord.com/api/webhooks/<digits:18>/<base64url:68>"
    counterexample = "https://discord.com/api/webhooks/xxxxxxxxxxxxxxxxxx/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /discord(app)?\.com\/api\/webhooks\/[0-9]{17,20}\/[0-9A-Za-z_-]{60,72}/
  condition:
    $a
}

rule telegram_bot_url {
  meta:
    id = "telegram-bot-url"
    title = "Telegram bot token"
    kind = "telegram-token"
    severity = "high"
    confidence = "validated"
    anchor = "telegram.org/bot"
    longest = 62
    validator = "telegram-bot"
    value = "bot([0-9]+:.+)"
    boundary = "none"
    reference = "https://core.telegram.org/bots/api#authorizing-your-bot"
    example = "https://api.telegram.org/bot<digits:10>:AA<base64url:33>"
    counterexample = "https://api.telegram.org/botxxxxxxxxxx:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /telegram\.org\/bot[0-9]{8,10}:AA[0-9A-Za-z_-]{33}/
  condition:
    $a
}

rule telegram_bot_token {
  meta:
    id = "telegram-bot-token"
    title = "Telegram bot token"
    kind = "telegram-token"
    severity = "high"
    confidence = "validated"
    anchor = "0:AA|1:AA|2:AA|3:AA|4:AA|5:AA|6:AA|7:AA|8:AA|9:AA"
    longest = 46
    validator = "telegram-bot"
    boundary = "token"
    reference = "https://core.telegram.org/bots/api#authorizing-your-bot"
    example = "<digits:10>:AA<base64url:33>"
    counterexample = "xxxxxxxxxx:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[0-9]{8,10}:AA[0-9A-Za-z_-]{33}/
  condition:
    $a
}

rule teams_webhook {
  meta:
    id = "teams-webhook"
    title = "Microsoft Teams incoming webhook"
    kind = "webhook"
    severity = "high"
    confidence = "validated"
    anchor = "webhook.office.com"
    longest = 188
    validator = "random"
    value = "IncomingWebhook/(.+)"
    reference = "https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook"
    example = "https://acme.webhook.office.com/webhookb2/<uuid4>@<uuid4>/IncomingWebhook/<hex:32>/<uuid4>"
    counterexample = "https://acme.webhook.office.com/webhookb2/0/IncomingWebhook/0"
  strings:
    $a = /webhook\.office\.com\/webhookb2\/[0-9a-f-]{36}@[0-9a-f-]{36}\/IncomingWebhook\/[0-9a-f]{32}\/[0-9a-f-]{36}/
  condition:
    $a
}
