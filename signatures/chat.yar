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

rule slack_other {
  meta:
    id = "slack-other"
    title = "Slack token of another form"
    kind = "slack-token"
    severity = "high"
    confidence = "validated"
    anchor = "xoxb-|xoxp-|xoxo-|xoxr-|xoxa-|xoxs-"
    longest = 110
    validator = "random"
    boundary = "token"
    reference = "https://api.slack.com/concepts/token-types"
    example = "xoxb-<digits:12>-<base62:27>"
    counterexample = "xoxb-000000000000-xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xox[bpoars]-[0-9]{8,14}-[0-9A-Za-z-]{16,90}/
  condition:
    $a
}

rule teams_webhook_old {
  meta:
    id = "teams-webhook-old"
    title = "Microsoft Teams webhook, old form"
    kind = "teams-webhook"
    severity = "medium"
    confidence = "validated"
    anchor = "outlook.office.com/webhook/|outlook.office365.com/webhook/"
    longest = 189
    validator = "random"
    reference = "https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook"
    example = "outlook.office.com/webhook/<uuid4>@<uuid4>/IncomingWebhook/<hex:32>/<uuid4>"
    counterexample = "outlook.office.com/webhook/00000000-0000-0000-0000-000000000000@00000000-0000-0000-0000-000000000000/IncomingWebhook/00000000000000000000000000000000/00000000-0000-0000-0000-000000000000"
  strings:
    $a = /outlook\.office(365)?\.com\/webhook\/[0-9a-f-]{36}@[0-9a-f-]{36}\/IncomingWebhook\/[0-9a-f]{32}\/[0-9a-f-]{36}/
  condition:
    $a
}

rule matrix_token {
  meta:
    id = "matrix-token"
    title = "Matrix access token"
    kind = "matrix-token"
    severity = "high"
    confidence = "validated"
    anchor = "syt_|syr_"
    longest = 232
    validator = "matrix-crc32"
    boundary = "token"
    reference = "https://element-hq.github.io/synapse/latest/"
    example = "<syt>"
    counterexample = "syt_YWxpY2U_<letters:20>_000000"
  strings:
    $a = /sy[tr]_[0-9A-Za-z+\/]{1,200}_[A-Za-z]{20}_[0-9A-Za-z]{6}/
  condition:
    $a
}

rule dingtalk_webhook {
  meta:
    id = "dingtalk-webhook"
    title = "DingTalk robot webhook"
    kind = "dingtalk-webhook"
    severity = "medium"
    confidence = "validated"
    anchor = "oapi.dingtalk.com"
    longest = 106
    validator = "random"
    reference = "https://open.dingtalk.com/document/robots/custom-robot-access"
    example = "oapi.dingtalk.com/robot/send?access_token=<hex:64>"
    counterexample = "oapi.dingtalk.com/robot/send?access_token=0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /oapi\.dingtalk\.com\/robot\/send\?access_token=[0-9a-f]{64}/
  condition:
    $a
}

rule wecom_webhook {
  meta:
    id = "wecom-webhook"
    title = "WeCom robot webhook"
    kind = "wecom-webhook"
    severity = "medium"
    confidence = "validated"
    anchor = "qyapi.weixin.qq.com"
    longest = 81
    validator = "random"
    reference = "https://developer.work.weixin.qq.com/document/path/91770"
    example = "qyapi.weixin.qq.com/cgi-bin/webhook/send?key=<uuid4>"
    counterexample = "qyapi.weixin.qq.com/cgi-bin/webhook/send?key=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /qyapi\.weixin\.qq\.com\/cgi-bin\/webhook\/send\?key=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule lark_webhook {
  meta:
    id = "lark-webhook"
    title = "Lark robot webhook"
    kind = "lark-webhook"
    severity = "medium"
    confidence = "validated"
    anchor = "/open-apis/bot/v2/hook/"
    longest = 59
    validator = "random"
    reference = "https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot"
    example = "https://open.larksuite.com/open-apis/bot/v2/hook/<uuid4>"
    counterexample = "https://open.larksuite.com/open-apis/bot/v2/hook/00000000-0000-0000-0000-000000000000"
  strings:
    $a = /\/open-apis\/bot\/v2\/hook\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule google_chat_webhook {
  meta:
    id = "google-chat-webhook"
    title = "Google Chat webhook"
    kind = "google-chat-webhook"
    severity = "medium"
    confidence = "validated"
    anchor = "chat.googleapis.com/v1/spaces/"
    longest = 170
    validator = "random"
    boundary = "token"
    reference = "https://developers.google.com/workspace/chat/quickstart/webhooks"
    example = "chat.googleapis.com/v1/spaces/<base62:11>/messages?key=AIza<base64url:35>&token=<base64url:43>"
    counterexample = "chat.googleapis.com/v1/spaces/xxxxxxxxxxx/messages?key=AIzaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx&token=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /chat\.googleapis\.com\/v1\/spaces\/[0-9A-Za-z_-]{8,20}\/messages\?key=[0-9A-Za-z_-]{39}&token=[0-9A-Za-z_%-]{40,60}/
  condition:
    $a
}

rule twitter_bearer {
  meta:
    id = "twitter-bearer"
    title = "X (Twitter) app bearer token"
    kind = "twitter-token"
    severity = "high"
    confidence = "validated"
    anchor = "Bearer AAAAAAAAAAAAAAAAAAAA|=AAAAAAAAAAAAAAAAAAAA|\"AAAAAAAAAAAAAAAAAAAA| AAAAAAAAAAAAAAAAAAAA"
    longest = 123
    validator = "twitter-bearer"
    value = "(A{20}.+)"
    boundary = "none"
    reference = "https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/application-only"
    example = "Bearer AAAAAAAAAAAAAAAAAAAAA<base62:85>"
    counterexample = "Bearer AAAAAAAAAAAAAAAAAAAAAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[ =\"]A{20,22}[0-9A-Za-z%]{60,100}/
  condition:
    $a
}

rule intercom_token {
  meta:
    id = "intercom-token"
    title = "Intercom access token"
    kind = "intercom-token"
    severity = "high"
    confidence = "validated"
    anchor = "dG9rOi|dG9rOm|dG9rOn|dG9rOj"
    longest = 64
    validator = "mixed"
    boundary = "base64"
    reference = "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication"
    example = "dG9rOj<base62:54>"
    counterexample = "dG9rOjxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /dG9rO[ijmn][0-9A-Za-z+\/]{50,56}={0,2}/
  condition:
    $a
}

rule twilio_context {
  meta:
    id = "twilio-context"
    title = "Twilio auth token or API key secret"
    kind = "twilio-token"
    severity = "high"
    confidence = "validated"
    anchor = "twilio"
    anchor_nocase = true
    longest = 72
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{32}|[0-9A-Za-z]{32}))\\Z"
    boundary = "token"
    reference = "https://www.twilio.com/docs/iam/api-keys"
    example = "TWILIO_AUTH_TOKEN=<hex:32>"
    example2 = "\"TWILIO_AUTH_TOKEN\": \"<hex:32>\""
    counterexample = "TWILIO_AUTH_TOKEN=00000000000000000000000000000000"
  strings:
    $a = /(twilio)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{32}|[0-9A-Za-z]{32})/ nocase
  condition:
    $a
}

rule twitch_context {
  meta:
    id = "twitch-context"
    title = "Twitch client secret or token"
    kind = "twitch-token"
    severity = "high"
    confidence = "validated"
    anchor = "twitch"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-z]{30})\\Z"
    boundary = "token"
    reference = "https://dev.twitch.tv/docs/authentication/"
    example = "TWITCH_CLIENT_SECRET=<lownum:30>"
    example2 = "\"TWITCH_CLIENT_SECRET\": \"<lownum:30>\""
    counterexample = "TWITCH_CLIENT_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(twitch)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-z]{30}/ nocase
  condition:
    $a
}

rule twitter_context {
  meta:
    id = "twitter-context"
    title = "X (Twitter) API secret"
    kind = "twitter-token"
    severity = "high"
    confidence = "validated"
    anchor = "twitter|consumer_secret|consumersecret"
    anchor_nocase = true
    longest = 109
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9A-Za-z]{50}|[0-9A-Za-z]{45}|[0-9]{8,19}-[0-9A-Za-z]{40}))\\Z"
    boundary = "token"
    reference = "https://docs.x.com/resources/fundamentals/authentication/oauth-1-0a/api-key-and-secret"
    example = "TWITTER_CONSUMER_SECRET=<base62:50>"
    example2 = "\"TWITTER_CONSUMER_SECRET\": \"<base62:50>\""
    counterexample = "TWITTER_CONSUMER_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(twitter|consumer_secret)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9A-Za-z]{50}|[0-9A-Za-z]{45}|[0-9]{8,19}-[0-9A-Za-z]{40})/ nocase
  condition:
    $a
}

rule facebook_context {
  meta:
    id = "facebook-context"
    title = "Facebook app secret"
    kind = "facebook-token"
    severity = "high"
    confidence = "validated"
    anchor = "facebook|fb_app|fb_secret"
    anchor_nocase = true
    longest = 75
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://developers.facebook.com/docs/facebook-login/security"
    example = "FACEBOOK_APP_SECRET=<hex:32>"
    example2 = "\"FACEBOOK_APP_SECRET\": \"<hex:32>\""
    counterexample = "FACEBOOK_APP_SECRET=00000000000000000000000000000000"
  strings:
    $a = /(facebook|fb_app|fb_secret)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule linkedin_context {
  meta:
    id = "linkedin-context"
    title = "LinkedIn client secret"
    kind = "linkedin-token"
    severity = "high"
    confidence = "validated"
    anchor = "linkedin"
    anchor_nocase = true
    longest = 90
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((WPL_AP1\\.[0-9A-Za-z.=+\\/]{20,40}|[0-9A-Za-z]{16}))\\Z"
    boundary = "token"
    reference = "https://learn.microsoft.com/linkedin/shared/authentication/client-credentials-flow"
    example = "LINKEDIN_CLIENT_SECRET=<base62:16>"
    example2 = "\"LINKEDIN_CLIENT_SECRET\": \"<base62:16>\""
    counterexample = "LINKEDIN_CLIENT_SECRET=xxxxxxxxxxxxxxxx"
  strings:
    $a = /(linkedin)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(WPL_AP1\.[0-9A-Za-z.=+\/]{20,40}|[0-9A-Za-z]{16})/ nocase
  condition:
    $a
}

rule line_context {
  meta:
    id = "line-context"
    title = "LINE channel access token"
    kind = "line-token"
    severity = "high"
    confidence = "validated"
    anchor = "line_channel|line_token|channel_access_token"
    anchor_nocase = true
    longest = 235
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{150,180}=)\\Z"
    boundary = "token"
    reference = "https://developers.line.biz/en/docs/messaging-api/channel-access-tokens/"
    example = "LINE_CHANNEL_ACCESS_TOKEN=<base62:171>="
    example2 = "\"LINE_CHANNEL_ACCESS_TOKEN\": \"<base62:171>=\""
    counterexample = "LINE_CHANNEL_ACCESS_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx="
  strings:
    $a = /(line_channel|line_token|channel_access_token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{150,180}=/ nocase
  condition:
    $a
}

rule lark_context {
  meta:
    id = "lark-context"
    title = "Lark app secret"
    kind = "lark-token"
    severity = "high"
    confidence = "validated"
    anchor = "lark_|feishu"
    anchor_nocase = true
    longest = 72
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://open.larksuite.com/document/server-docs/getting-started/api-access-token"
    example = "LARK_APP_SECRET=<base62:32>"
    example2 = "\"LARK_APP_SECRET\": \"<base62:32>\""
    counterexample = "LARK_APP_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(lark_|feishu)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule zoom_context {
  meta:
    id = "zoom-context"
    title = "Zoom client secret"
    kind = "zoom-token"
    severity = "high"
    confidence = "validated"
    anchor = "zoom_"
    anchor_nocase = true
    longest = 75
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32,36})\\Z"
    boundary = "token"
    reference = "https://developers.zoom.us/docs/internal-apps/s2s-oauth/"
    example = "ZOOM_CLIENT_SECRET=<base62:32>"
    example2 = "\"ZOOM_CLIENT_SECRET\": \"<base62:32>\""
    counterexample = "ZOOM_CLIENT_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(zoom_)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32,36}/ nocase
  condition:
    $a
}

rule webex_context {
  meta:
    id = "webex-context"
    title = "Webex access token"
    kind = "webex-token"
    severity = "high"
    confidence = "validated"
    anchor = "webex"
    anchor_nocase = true
    longest = 145
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{64}_[0-9A-Z]{4}_[0-9a-f-]{36})\\Z"
    boundary = "token"
    reference = "https://developer.webex.com/docs/getting-started"
    example = "WEBEX_ACCESS_TOKEN=<base62:64>_P0A1_<uuid4>"
    example2 = "\"WEBEX_ACCESS_TOKEN\": \"<base62:64>_P0A1_<uuid4>\""
    counterexample = "WEBEX_ACCESS_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_P0A1_00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(webex)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{64}_[0-9A-Z]{4}_[0-9a-f-]{36}/ nocase
  condition:
    $a
}

rule mattermost_context {
  meta:
    id = "mattermost-context"
    title = "Mattermost access token"
    kind = "mattermost-token"
    severity = "high"
    confidence = "validated"
    anchor = "mattermost"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-z]{26})\\Z"
    boundary = "token"
    reference = "https://developers.mattermost.com/integrate/reference/personal-access-token/"
    example = "MATTERMOST_TOKEN=<lownum:26>"
    example2 = "\"MATTERMOST_TOKEN\": \"<lownum:26>\""
    counterexample = "MATTERMOST_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(mattermost)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-z]{26}/ nocase
  condition:
    $a
}

rule zendesk_context {
  meta:
    id = "zendesk-context"
    title = "Zendesk API token"
    kind = "zendesk-token"
    severity = "high"
    confidence = "validated"
    anchor = "zendesk"
    anchor_nocase = true
    longest = 81
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{40})\\Z"
    boundary = "token"
    reference = "https://developer.zendesk.com/api-reference/introduction/security-and-auth/"
    example = "ZENDESK_API_TOKEN=<base62:40>"
    example2 = "\"ZENDESK_API_TOKEN\": \"<base62:40>\""
    counterexample = "ZENDESK_API_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(zendesk)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{40}/ nocase
  condition:
    $a
}

rule spotify_context {
  meta:
    id = "spotify-context"
    title = "Spotify client secret"
    kind = "spotify-token"
    severity = "high"
    confidence = "validated"
    anchor = "spotify"
    anchor_nocase = true
    longest = 73
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://developer.spotify.com/documentation/web-api/concepts/apps"
    example = "SPOTIFY_CLIENT_SECRET=<hex:32>"
    example2 = "\"SPOTIFY_CLIENT_SECRET\": \"<hex:32>\""
    counterexample = "SPOTIFY_CLIENT_SECRET=00000000000000000000000000000000"
  strings:
    $a = /(spotify)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule vonage_context {
  meta:
    id = "vonage-context"
    title = "Vonage API secret"
    kind = "vonage-token"
    severity = "high"
    confidence = "validated"
    anchor = "vonage|nexmo"
    anchor_nocase = true
    longest = 56
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{16})\\Z"
    boundary = "token"
    reference = "https://developer.vonage.com/en/concepts/guides/authentication"
    example = "VONAGE_API_SECRET=<base62:16>"
    example2 = "\"VONAGE_API_SECRET\": \"<base62:16>\""
    counterexample = "VONAGE_API_SECRET=xxxxxxxxxxxxxxxx"
  strings:
    $a = /(vonage|nexmo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{16}/ nocase
  condition:
    $a
}

rule plivo_context {
  meta:
    id = "plivo-context"
    title = "Plivo auth token"
    kind = "plivo-token"
    severity = "high"
    confidence = "validated"
    anchor = "plivo"
    anchor_nocase = true
    longest = 79
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{38}[0-9A-Za-z+\\/=]{2})\\Z"
    boundary = "token"
    reference = "https://www.plivo.com/docs/account/api/request"
    example = "PLIVO_AUTH_TOKEN=<base62:40>"
    example2 = "\"PLIVO_AUTH_TOKEN\": \"<base62:40>\""
    counterexample = "PLIVO_AUTH_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(plivo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{38}[0-9A-Za-z+\/=]{2}/ nocase
  condition:
    $a
}

rule messagebird_context {
  meta:
    id = "messagebird-context"
    title = "Bird (MessageBird) access key"
    kind = "messagebird-token"
    severity = "high"
    confidence = "validated"
    anchor = "messagebird"
    anchor_nocase = true
    longest = 75
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(((live|test)_)?[0-9A-Za-z]{25})\\Z"
    boundary = "token"
    reference = "https://developers.messagebird.com/api/"
    example = "MESSAGEBIRD_ACCESS_KEY=<base62:25>"
    example2 = "\"MESSAGEBIRD_ACCESS_KEY\": \"<base62:25>\""
    counterexample = "MESSAGEBIRD_ACCESS_KEY=xxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(messagebird)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?((live|test)_)?[0-9A-Za-z]{25}/ nocase
  condition:
    $a
}

rule sendbird_context {
  meta:
    id = "sendbird-context"
    title = "Sendbird API token"
    kind = "sendbird-token"
    severity = "high"
    confidence = "validated"
    anchor = "sendbird"
    anchor_nocase = true
    longest = 82
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://sendbird.com/docs/chat/platform-api/v3/prepare-to-use-api"
    example = "SENDBIRD_API_TOKEN=<hex:40>"
    example2 = "\"SENDBIRD_API_TOKEN\": \"<hex:40>\""
    counterexample = "SENDBIRD_API_TOKEN=0000000000000000000000000000000000000000"
  strings:
    $a = /(sendbird)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule pusher_context {
  meta:
    id = "pusher-context"
    title = "Pusher app secret"
    kind = "pusher-token"
    severity = "high"
    confidence = "validated"
    anchor = "pusher"
    anchor_nocase = true
    longest = 60
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{20})\\Z"
    boundary = "token"
    reference = "https://pusher.com/docs/channels/"
    example = "PUSHER_APP_SECRET=<hex:20>"
    example2 = "\"PUSHER_APP_SECRET\": \"<hex:20>\""
    counterexample = "PUSHER_APP_SECRET=00000000000000000000"
  strings:
    $a = /(pusher)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{20}/ nocase
  condition:
    $a
}

rule telegram_context {
  meta:
    id = "telegram-context"
    title = "Telegram bot token"
    kind = "telegram-bot-token"
    severity = "high"
    confidence = "validated"
    anchor = "telegram|tgram"
    anchor_nocase = true
    longest = 88
    validator = "telegram-bot"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9]{8,10}:[0-9A-Za-z_-]{35})\\Z"
    boundary = "token"
    reference = "https://core.telegram.org/bots/api#authorizing-your-bot"
    example = "TELEGRAM_BOT_TOKEN=<digits:10>:<base64url:35>"
    example2 = "\"TELEGRAM_BOT_TOKEN\": \"<digits:10>:<base64url:35>\""
    counterexample = "TELEGRAM_BOT_TOKEN=0000000000:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(telegram|tgram)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9]{8,10}:[0-9A-Za-z_-]{35}/ nocase
  condition:
    $a
}

rule twitch_stream_key {
  meta:
    id = "twitch-stream-key"
    title = "Twitch stream key"
    kind = "twitch-stream-key"
    severity = "medium"
    confidence = "validated"
    anchor = "live_1|live_2|live_3|live_4|live_5|live_6|live_7|live_8|live_9|live_0"
    longest = 46
    validator = "mixed"
    reference = "https://help.twitch.tv/s/article/twitch-stream-key-faq"
    example = "live_<digits:9>_<base62:30>"
    counterexample = "live_000000000_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /live_[0-9]{7,10}_[0-9A-Za-z]{30}/
  condition:
    $a
}

rule facebook_app_token {
  meta:
    id = "facebook-app-token"
    title = "Facebook application access token"
    kind = "facebook-token"
    severity = "high"
    confidence = "validated"
    anchor = "access_token|ccessToken|fb_token|facebook"
    anchor_nocase = true
    longest = 94
    validator = "mixed"
    value = "([0-9]{14,17}\\|(?:[0-9a-f]{32}|[0-9A-Za-z_-]{27}))\\Z"
    boundary = "token"
    reference = "https://developers.facebook.com/docs/facebook-login/guides/access-tokens"
    example = "{\"access_token\":\"<digits:15>|<base64url:27>\""
    example2 = "FACEBOOK_APP_TOKEN=<digits:16>|<base64url:27>"
    example3 = "access_token=<digits:15>|<hex:32>"
    counterexample = "{\"access_token\":\"<digits:15>|xxxxxxxxxxxxxxxxxxxxxxxxxxx\""
  strings:
    $a = /(access_?token|fb_token|facebook[0-9a-z_]{0,16})[\"\']?[ ]{0,3}[=:][ ]{0,3}[\"\']?[0-9]{14,17}\|([0-9a-f]{32}|[0-9A-Za-z_-]{27})/ nocase
  condition:
    $a
}
