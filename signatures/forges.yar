rule github_ghp {
  meta:
    id = "github-ghp"
    title = "GitHub personal access token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "ghp_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
    example = "ghp_<base62:30><crc32>"
    counterexample = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ghp_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule github_gho {
  meta:
    id = "github-gho"
    title = "GitHub OAuth access token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "gho_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
    example = "gho_<base62:30><crc32>"
    counterexample = "gho_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /gho_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule github_ghu {
  meta:
    id = "github-ghu"
    title = "GitHub user-to-server token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "ghu_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
    example = "ghu_<base62:30><crc32>"
    counterexample = "ghu_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ghu_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule github_ghr {
  meta:
    id = "github-ghr"
    title = "GitHub refresh token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "ghr_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
    example = "ghr_<base62:30><crc32>"
    counterexample = "ghr_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ghr_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule github_ghs {
  meta:
    id = "github-ghs"
    title = "GitHub app installation token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "ghs_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
    example = "ghs_<base62:30><crc32>"
    counterexample = "ghs_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ghs_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule github_fine_grained {
  meta:
    id = "github-fine-grained"
    title = "GitHub fine-grained personal access token"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "github_pat_"
    longest = 93
    validator = "random"
    reference = "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens"
    example = "github_pat_<base62:22>_<base62:59>"
    counterexample = "github_pat_xxxxxxxxxxxxxxxxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}/
  condition:
    $a
}

rule gitlab_glpat {
  meta:
    id = "gitlab-glpat"
    title = "GitLab personal access token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glpat-"
    longest = 26
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glpat-<base62:20>"
    counterexample = "glpat-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glpat-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_gldt {
  meta:
    id = "gitlab-gldt"
    title = "GitLab deploy token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "gldt-"
    longest = 25
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "gldt-<base62:20>"
    counterexample = "gldt-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /gldt-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glptt {
  meta:
    id = "gitlab-glptt"
    title = "GitLab pipeline trigger token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glptt-"
    longest = 26
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glptt-<base62:20>"
    counterexample = "glptt-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glptt-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glrt {
  meta:
    id = "gitlab-glrt"
    title = "GitLab runner authentication token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glrt-"
    longest = 25
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glrt-<base62:20>"
    counterexample = "glrt-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glrt-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glft {
  meta:
    id = "gitlab-glft"
    title = "GitLab feed token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glft-"
    longest = 25
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glft-<base62:20>"
    counterexample = "glft-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glft-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glimt {
  meta:
    id = "gitlab-glimt"
    title = "GitLab incoming mail token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glimt-"
    longest = 26
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glimt-<base62:20>"
    counterexample = "glimt-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glimt-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glsoat {
  meta:
    id = "gitlab-glsoat"
    title = "GitLab SCIM token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glsoat-"
    longest = 27
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glsoat-<base62:20>"
    counterexample = "glsoat-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glsoat-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_glffct {
  meta:
    id = "gitlab-glffct"
    title = "GitLab feature flags client token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glffct-"
    longest = 27
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glffct-<base62:20>"
    counterexample = "glffct-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glffct-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_gloas {
  meta:
    id = "gitlab-gloas"
    title = "GitLab OAuth application secret"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "gloas-"
    longest = 70
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "gloas-<base62:64>"
    counterexample = "gloas-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /gloas-[0-9A-Za-z_-]{64}/
  condition:
    $a
}

rule gitlab_glwt {
  meta:
    id = "gitlab-glwt"
    title = "GitLab workspace token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glwt-"
    longest = 25
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glwt-<base62:20>"
    counterexample = "glwt-xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glwt-[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_routable {
  meta:
    id = "gitlab-routable"
    title = "GitLab routable token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glpat-|glrt-|glrtr-|gldt-|glptt-|glft-|glimt-|glsoat-|glffct-|glagent-|glwt-|glcbt-"
    longest = 326
    validator = "gitlab-routable"
    boundary = "token"
    reference = "https://handbook.gitlab.com/handbook/engineering/architecture/design-documents/cells/routable_tokens/"
    example = "glpat-<routable>"
    counterexample = "glpat-<base62:36>.01.0<lownum:8>"
  strings:
    $a = /gl(pat|rtr?|dt|ptt|ft|imt|soat|ffct|agent|wt|cbt)-([0-9a-z]{1,4}_)?[0-9A-Za-z_-]{27,300}(\.[0-9a-z]{2})?\.[0-9a-z]{9}/
  condition:
    $a
}

rule gitlab_agent {
  meta:
    id = "gitlab-agent"
    title = "GitLab agent for Kubernetes token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glagent-"
    longest = 58
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glagent-<base62:50>"
    counterexample = "glagent-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glagent-[0-9A-Za-z_-]{50}/
  condition:
    $a
}

rule gitlab_ci_job {
  meta:
    id = "gitlab-ci-job"
    title = "GitLab CI job token"
    kind = "gitlab-token"
    severity = "medium"
    confidence = "validated"
    anchor = "glcbt-"
    longest = 32
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "glcbt-64_<base62:20>"
    counterexample = "glcbt-64_xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glcbt-[0-9a-zA-Z]{1,5}_[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule gitlab_runner_registration {
  meta:
    id = "gitlab-runner-registration"
    title = "GitLab runner registration token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "GR1348941"
    longest = 29
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/#token-prefixes"
    example = "GR1348941<base62:20>"
    counterexample = "GR1348941xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /GR1348941[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule bitbucket_app_password {
  meta:
    id = "bitbucket-app-password"
    title = "Bitbucket app password"
    kind = "bitbucket-token"
    severity = "high"
    confidence = "validated"
    anchor = "ATBB"
    longest = 36
    validator = "random"
    reference = "https://support.atlassian.com/bitbucket-cloud/docs/app-passwords/"
    example = "ATBB<base62:24><HEX:8>"
    counterexample = "ATBBxxxxxxxxxxxxxxxxxxxxxxxx00000000"
  strings:
    $a = /ATBB[0-9A-Za-z]{24}[0-9A-F]{8}/
  condition:
    $a
}

rule atlassian_api_token {
  meta:
    id = "atlassian-api-token"
    title = "Atlassian API token"
    kind = "atlassian-token"
    severity = "high"
    confidence = "validated"
    anchor = "ATATT3"
    longest = 236
    validator = "random"
    boundary = "base64"
    reference = "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/"
    example = "ATATT3<base64url:180>=<HEX:8>"
    counterexample = "ATATT3xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=00000000"
  strings:
    $a = /ATATT3[0-9A-Za-z_=-]{180,230}/
  condition:
    $a
}

rule bitbucket_repository_token {
  meta:
    id = "bitbucket-repository-token"
    title = "Bitbucket access token"
    kind = "bitbucket-token"
    severity = "high"
    confidence = "validated"
    anchor = "ATCTT3"
    longest = 236
    validator = "random"
    boundary = "base64"
    reference = "https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/"
    example = "ATCTT3<base64url:180>=<HEX:8>"
    counterexample = "ATCTT3xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=00000000"
  strings:
    $a = /ATCTT3[0-9A-Za-z_=-]{180,230}/
  condition:
    $a
}

rule bitbucket_http_token {
  meta:
    id = "bitbucket-http-token"
    title = "Bitbucket Data Center HTTP access token"
    kind = "bitbucket-token"
    severity = "high"
    confidence = "validated"
    anchor = "BBDC-"
    longest = 49
    validator = "random"
    boundary = "token"
    reference = "https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html"
    example = "BBDC-<base62:44>"
    counterexample = "BBDC-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /BBDC-[0-9A-Za-z+\/@_-]{44}/
  condition:
    $a
}

rule atlassian_site_token {
  meta:
    id = "atlassian-site-token"
    title = "Atlassian scoped token"
    kind = "atlassian-token"
    severity = "high"
    confidence = "validated"
    anchor = "ATSTT3"
    longest = 236
    validator = "random"
    boundary = "base64"
    reference = "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/"
    example = "ATSTT3<base64url:186>"
    counterexample = "ATSTT3xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ATSTT3[0-9A-Za-z_=-]{170,230}/
  condition:
    $a
}

rule gitlab_incoming_mail {
  meta:
    id = "gitlab-incoming-mail"
    title = "GitLab incoming mail token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glimt-"
    longest = 31
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/"
    example = "glimt-<base64url:25>"
    counterexample = "glimt-xxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glimt-[0-9A-Za-z_-]{25}/
  condition:
    $a
}

rule gitlab_runner_auth {
  meta:
    id = "gitlab-runner-auth"
    title = "GitLab runner authentication token"
    kind = "gitlab-token"
    severity = "high"
    confidence = "validated"
    anchor = "glrt-t"
    longest = 28
    validator = "random"
    boundary = "token"
    reference = "https://docs.gitlab.com/security/tokens/"
    example = "glrt-t1_<base64url:20>"
    counterexample = "glrt-t1_xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /glrt-t[0-9]_[0-9A-Za-z_-]{20}/
  condition:
    $a
}

rule azure_devops_context {
  meta:
    id = "azure-devops-context"
    title = "Azure DevOps personal access token"
    kind = "azure-devops-token"
    severity = "high"
    confidence = "validated"
    anchor = "azure_devops|azuredevops|system_accesstoken|vss_nuget|ado_pat|ado_token"
    anchor_nocase = true
    longest = 104
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([a-z2-7]{52})\\Z"
    boundary = "token"
    reference = "https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate"
    example = "AZURE_DEVOPS_EXT_PAT=<base32low:52>"
    example2 = "\"AZURE_DEVOPS_EXT_PAT\": \"<base32low:52>\""
    counterexample = "AZURE_DEVOPS_EXT_PAT=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(azure_devops|azuredevops|system_accesstoken|vss_nuget|ado_pat|ado_token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[a-z2-7]{52}/ nocase
  condition:
    $a
}

rule github_oauth_context {
  meta:
    id = "github-oauth-context"
    title = "GitHub OAuth client secret"
    kind = "github-token"
    severity = "high"
    confidence = "validated"
    anchor = "github_client|github_secret|github_oauth|gh_client|githubclient"
    anchor_nocase = true
    longest = 83
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"
    example = "GITHUB_CLIENT_SECRET=<hex:40>"
    example2 = "\"GITHUB_CLIENT_SECRET\": \"<hex:40>\""
    counterexample = "GITHUB_CLIENT_SECRET=0000000000000000000000000000000000000000"
  strings:
    $a = /(github|gh_client)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule gitea_context {
  meta:
    id = "gitea-context"
    title = "Gitea or Forgejo token"
    kind = "gitea-token"
    severity = "high"
    confidence = "validated"
    anchor = "gitea|forgejo|codeberg"
    anchor_nocase = true
    longest = 82
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://docs.gitea.com/development/api-usage"
    example = "GITEA_TOKEN=<hex:40>"
    example2 = "\"GITEA_TOKEN\": \"<hex:40>\""
    counterexample = "GITEA_TOKEN=0000000000000000000000000000000000000000"
  strings:
    $a = /(gitea|forgejo|codeberg)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule jira_pat_context {
  meta:
    id = "jira-pat-context"
    title = "Jira or Confluence access token"
    kind = "atlassian-token"
    severity = "high"
    confidence = "validated"
    anchor = "jira|confluence|atlassian"
    anchor_nocase = true
    longest = 88
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9A-Za-z+\\/]{44}|[0-9A-Za-z]{24}))\\Z"
    boundary = "token"
    reference = "https://confluence.atlassian.com/enterprise/using-personal-access-tokens-1026032365.html"
    example = "JIRA_TOKEN=<base62:44>"
    example2 = "\"JIRA_TOKEN\": \"<base62:44>\""
    counterexample = "JIRA_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(jira|confluence|atlassian)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9A-Za-z+\/]{44}|[0-9A-Za-z]{24})/ nocase
  condition:
    $a
}

rule bitbucket_context {
  meta:
    id = "bitbucket-context"
    title = "Bitbucket OAuth secret"
    kind = "bitbucket-token"
    severity = "high"
    confidence = "validated"
    anchor = "bitbucket"
    anchor_nocase = true
    longest = 107
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9A-Za-z_-]{64}|[0-9A-Za-z]{32}))\\Z"
    boundary = "token"
    reference = "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/"
    example = "BITBUCKET_OAUTH_SECRET=<base62:32>"
    example2 = "\"BITBUCKET_OAUTH_SECRET\": \"<base62:32>\""
    counterexample = "BITBUCKET_OAUTH_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(bitbucket)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9A-Za-z_-]{64}|[0-9A-Za-z]{32})/ nocase
  condition:
    $a
}

rule codecov_context {
  meta:
    id = "codecov-context"
    title = "Codecov token"
    kind = "codecov-token"
    severity = "high"
    confidence = "validated"
    anchor = "codecov"
    anchor_nocase = true
    longest = 77
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-z]{32}))\\Z"
    boundary = "token"
    reference = "https://docs.codecov.com/docs/codecov-tokens"
    example = "CODECOV_TOKEN=<uuid4>"
    example2 = "\"CODECOV_TOKEN\": \"<uuid4>\""
    counterexample = "CODECOV_TOKEN=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(codecov)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-z]{32})/ nocase
  condition:
    $a
}

rule coveralls_context {
  meta:
    id = "coveralls-context"
    title = "Coveralls repository token"
    kind = "coveralls-token"
    severity = "high"
    confidence = "validated"
    anchor = "coveralls"
    anchor_nocase = true
    longest = 80
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32,37})\\Z"
    boundary = "token"
    reference = "https://docs.coveralls.io/ci-services"
    example = "COVERALLS_REPO_TOKEN=<base62:32>"
    example2 = "\"COVERALLS_REPO_TOKEN\": \"<base62:32>\""
    counterexample = "COVERALLS_REPO_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(coveralls)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32,37}/ nocase
  condition:
    $a
}

rule phabricator_context {
  meta:
    id = "phabricator-context"
    title = "Phabricator Conduit token"
    kind = "phabricator-token"
    severity = "high"
    confidence = "validated"
    anchor = "phabricator|conduit"
    anchor_nocase = true
    longest = 77
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((api|cli)-[0-9a-z]{28})\\Z"
    boundary = "token"
    reference = "https://secure.phabricator.com/book/phabricator/"
    example = "CONDUIT_TOKEN=cli-<lownum:28>"
    example2 = "\"CONDUIT_TOKEN\": \"cli-<lownum:28>\""
    counterexample = "CONDUIT_TOKEN=cli-xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(phabricator|conduit)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(api|cli)-[0-9a-z]{28}/ nocase
  condition:
    $a
}
