rule npm_token {
  meta:
    id = "npm-token"
    title = "npm access token"
    kind = "npm-token"
    severity = "high"
    confidence = "validated"
    anchor = "npm_"
    longest = 40
    validator = "crc32-base62"
    reference = "https://github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format/"
    example = "npm_<base62:30><crc32>"
    counterexample = "npm_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /npm_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule pypi_token {
  meta:
    id = "pypi-token"
    title = "PyPI API token"
    kind = "pypi-token"
    severity = "high"
    confidence = "validated"
    anchor = "pypi-AgEI"
    longest = 420
    validator = "random"
    boundary = "token"
    tail = "base64url"
    reference = "https://pypi.org/help/#apitoken"
    example = "pypi-AgEIcHlwaS5vcmc<base64url:90>"
    counterexample = "pypi-AgEIcHlwaS5vcmcxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pypi-AgEIcHlwaS5vcmc[0-9A-Za-z_-]{50,400}/
  condition:
    $a
}

rule testpypi_token {
  meta:
    id = "testpypi-token"
    title = "TestPyPI API token"
    kind = "pypi-token"
    severity = "medium"
    confidence = "validated"
    anchor = "pypi-AgEN"
    longest = 427
    validator = "random"
    boundary = "token"
    reference = "https://test.pypi.org/help/#apitoken"
    example = "pypi-AgENdGVzdC5weXBpLm9yZw<base64url:90>"
    counterexample = "pypi-AgENdGVzdC5weXBpLm9yZwxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pypi-AgENdGVzdC5weXBpLm9yZw[0-9A-Za-z_-]{50,400}/
  condition:
    $a
}

rule rubygems_token {
  meta:
    id = "rubygems-token"
    title = "RubyGems API key"
    kind = "rubygems-token"
    severity = "high"
    confidence = "validated"
    anchor = "rubygems_"
    longest = 57
    validator = "random"
    reference = "https://guides.rubygems.org/api-key-scopes/"
    example = "rubygems_<hex:48>"
    counterexample = "rubygems_000000000000000000000000000000000000000000000000"
  strings:
    $a = /rubygems_[0-9a-f]{48}/
  condition:
    $a
}

rule docker_pat {
  meta:
    id = "docker-pat"
    title = "Docker personal access token"
    kind = "docker-token"
    severity = "high"
    confidence = "validated"
    anchor = "dckr_pat_"
    longest = 36
    validator = "random"
    boundary = "token"
    reference = "https://docs.docker.com/security/access-tokens/"
    example = "dckr_pat_<base64url:27>"
    counterexample = "dckr_pat_xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /dckr_pat_[0-9A-Za-z_-]{27}/
  condition:
    $a
}

rule docker_oat {
  meta:
    id = "docker-oat"
    title = "Docker organization access token"
    kind = "docker-token"
    severity = "high"
    confidence = "validated"
    anchor = "dckr_oat_"
    longest = 41
    validator = "random"
    boundary = "token"
    reference = "https://docs.docker.com/security/access-tokens/"
    example = "dckr_oat_<base64url:32>"
    counterexample = "dckr_oat_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /dckr_oat_[0-9A-Za-z_-]{32}/
  condition:
    $a
}

rule docker_auth {
  meta:
    id = "docker-auth"
    title = "Docker registry credentials"
    kind = "basic-auth"
    severity = "high"
    confidence = "validated"
    anchor = "\"auth\""
    longest = 319
    validator = "basic-auth"
    value = ":\\s*\"([^\"]+)\""
    boundary = "none"
    reference = "https://docs.docker.com/reference/cli/docker/login/"
    example = "\"auth\": \"<basic>\""
    counterexample = "\"auth\": \"xxxxxxxxxxxx\""
  strings:
    $a = /"auth"\s{0,4}:\s{0,4}"[0-9A-Za-z+\/]{8,300}={0,2}"/
  condition:
    $a
}

rule clojars_token {
  meta:
    id = "clojars-token"
    title = "Clojars deploy token"
    kind = "clojars-token"
    severity = "high"
    confidence = "validated"
    anchor = "CLOJARS_"
    longest = 68
    validator = "random"
    reference = "https://github.com/clojars/clojars-web/wiki/Deploy-Tokens"
    example = "CLOJARS_<hex:60>"
    counterexample = "CLOJARS_000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /CLOJARS_[0-9a-z]{60}/
  condition:
    $a
}

rule jfrog_api_key {
  meta:
    id = "jfrog-api-key"
    title = "Artifactory API key"
    kind = "artifactory-token"
    severity = "high"
    confidence = "validated"
    anchor = "AKCp"
    longest = 73
    validator = "random"
    reference = "https://jfrog.com/help/r/jfrog-platform-administration-documentation/api-key"
    example = "AKCp<base62:69>"
    counterexample = "AKCpxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AKCp[0-9A-Za-z]{69}/
  condition:
    $a
}

rule jfrog_reference_token {
  meta:
    id = "jfrog-reference-token"
    title = "JFrog reference token"
    kind = "artifactory-token"
    severity = "high"
    confidence = "validated"
    anchor = "cmVmdGtuOj"
    longest = 64
    validator = "random"
    reference = "https://jfrog.com/help/r/jfrog-platform-administration-documentation/reference-token"
    example = "cmVmdGtuOj<base62:54>"
    counterexample = "cmVmdGtuOjxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /cmVmdGtuOj[0-9A-Za-z]{54}/
  condition:
    $a
}

rule composer_packagist_token {
  meta:
    id = "composer-packagist-token"
    title = "Packagist API token"
    kind = "packagist-token"
    severity = "high"
    confidence = "validated"
    anchor = "packagist_"
    longest = 82
    validator = "random"
    reference = "https://packagist.com/docs/composer-authentication"
    example = "packagist_ort_<hex:68>"
    counterexample = "packagist_ort_00000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /packagist_[ou]rt_[0-9a-f]{68}/
  condition:
    $a
}

rule crates_io_token {
  meta:
    id = "crates-io-token"
    title = "crates.io API token"
    kind = "crates-io-token"
    severity = "high"
    confidence = "validated"
    anchor = "=cio|\"cio|: cio|'cio"
    longest = 37
    validator = "mixed"
    value = "(cio.{32})\\Z"
    reference = "https://doc.rust-lang.org/cargo/reference/publishing.html"
    example = "CARGO_REGISTRY_TOKEN=cio<base62:32>"
    counterexample = "CARGO_REGISTRY_TOKEN=cioxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[=:\"'] ?cio[0-9A-Za-z]{32}/
  condition:
    $a
}

rule nuget_key {
  meta:
    id = "nuget-key"
    title = "NuGet API key"
    kind = "nuget-token"
    severity = "high"
    confidence = "validated"
    anchor = "oy2a|oy2b|oy2c|oy2d|oy2e|oy2f|oy2g|oy2h|oy2i|oy2j|oy2k|oy2l|oy2m|oy2n|oy2o|oy2p|oy2q|oy2r|oy2s|oy2t|oy2u|oy2v|oy2w|oy2x|oy2y|oy2z|oy22|oy23|oy24|oy25|oy26|oy27|oy20|oy21|oy22|oy23|oy24|oy25|oy26|oy27|oy28|oy29"
    longest = 46
    validator = "mixed"
    reference = "https://learn.microsoft.com/nuget/nuget-org/publish-a-package"
    example = "oy2<base32low:43>"
    counterexample = "oy2xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /oy2[a-z0-9]{43}/
  condition:
    $a
}

rule npm_auth_token {
  meta:
    id = "npm-auth-token"
    title = "npm registry token in .npmrc"
    kind = "npm-token"
    severity = "high"
    confidence = "validated"
    anchor = "_authToken"
    longest = 214
    validator = "mixed"
    value = "=[ ]?\\\"?(.+)"
    boundary = "token"
    reference = "https://docs.npmjs.com/cli/configuring-npm/npmrc"
    example = "//registry.npmjs.org/:_authToken=<uuid4>"
    counterexample = "//registry.npmjs.org/:_authToken=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /_authToken[ ]?=[ ]?\"?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-Za-z_.+\/=-]{20,200})/
  condition:
    $a
}

rule npm_auth_basic {
  meta:
    id = "npm-auth-basic"
    title = "npm registry credentials in .npmrc"
    kind = "basic-auth"
    severity = "high"
    confidence = "validated"
    anchor = ":_auth=|_auth = |:_password=|:_password = "
    longest = 216
    validator = "mixed"
    value = "=[ ]?\\\"?(.+)"
    boundary = "base64"
    reference = "https://docs.npmjs.com/cli/configuring-npm/npmrc"
    example = "//registry.local/:_auth=<basic>"
    counterexample = "//registry.local/:_auth=xxxxxxxxxxxx"
  strings:
    $a = /(_auth|:_password)[ ]?=[ ]?\"?[0-9A-Za-z+\/]{12,200}={0,2}/
  condition:
    $a
}

rule docker_swarm_join {
  meta:
    id = "docker-swarm-join"
    title = "Docker swarm join token"
    kind = "docker-token"
    severity = "high"
    confidence = "validated"
    anchor = "SWMTKN-1-"
    longest = 85
    validator = "random"
    boundary = "token"
    reference = "https://docs.docker.com/engine/swarm/join-nodes/"
    example = "SWMTKN-1-<lownum:50>-<lownum:25>"
    counterexample = "SWMTKN-1-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SWMTKN-1-[0-9a-z]{49,50}-[0-9a-z]{25}/
  condition:
    $a
}

rule docker_swarm_unlock {
  meta:
    id = "docker-swarm-unlock"
    title = "Docker swarm unlock key"
    kind = "docker-token"
    severity = "high"
    confidence = "validated"
    anchor = "SWMKEY-1-"
    longest = 52
    validator = "random"
    boundary = "base64"
    reference = "https://docs.docker.com/engine/swarm/swarm_manager_locking/"
    example = "SWMKEY-1-<base62:43>"
    counterexample = "SWMKEY-1-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SWMKEY-1-[0-9A-Za-z+\/]{43}/
  condition:
    $a
}

rule docker_identity_token {
  meta:
    id = "docker-identity-token"
    title = "Docker identity token"
    kind = "docker-token"
    severity = "high"
    confidence = "validated"
    anchor = "\"identitytoken\""
    longest = 425
    validator = "mixed"
    value = ":\\s*\\\"(.+)"
    boundary = "none"
    tail = "base64url"
    reference = "https://docs.docker.com/reference/cli/docker/login/"
    example = "\"identitytoken\": \"<base64url:90>"
    counterexample = "\"identitytoken\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\"identitytoken\"\s{0,4}:\s{0,4}\"[0-9A-Za-z._+\/=-]{20,400}/
  condition:
    $a
}

rule openvsx_token {
  meta:
    id = "openvsx-token"
    title = "Open VSX access token"
    kind = "openvsx-token"
    severity = "high"
    confidence = "validated"
    anchor = "ovsxp_|ovsxat_"
    longest = 43
    validator = "random"
    reference = "https://github.com/eclipse/openvsx/wiki/Publishing-Extensions"
    example = "ovsxp_<uuid4>"
    counterexample = "ovsxp_00000000-0000-0000-0000-000000000000"
  strings:
    $a = /ovsx(p|at)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule jsr_token {
  meta:
    id = "jsr-token"
    title = "JSR access token"
    kind = "jsr-token"
    severity = "high"
    confidence = "validated"
    anchor = "jsrp_|jsrd_"
    longest = 65
    validator = "random"
    boundary = "token"
    reference = "https://jsr.io/docs/api"
    example = "jsrp_<base62:50>"
    counterexample = "jsrp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /jsr[pd]_[0-9A-Za-z_-]{40,60}/
  condition:
    $a
}

rule cloudsmith_token {
  meta:
    id = "cloudsmith-token"
    title = "Cloudsmith service account token"
    kind = "cloudsmith-token"
    severity = "high"
    confidence = "validated"
    anchor = "csa_"
    longest = 40
    validator = "random"
    reference = "https://help.cloudsmith.io/docs/service-accounts"
    example = "csa_<hex:30><base62:6>"
    counterexample = "csa_000000000000000000000000000000xxxxxx"
  strings:
    $a = /csa_[0-9a-f]{30}[0-9A-Za-z]{6}/
  condition:
    $a
}

rule hex_pm_context {
  meta:
    id = "hex-pm-context"
    title = "Hex.pm API key"
    kind = "hex-token"
    severity = "high"
    confidence = "validated"
    anchor = "hex_api_key"
    anchor_nocase = true
    longest = 77
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://hex.pm/docs/publish"
    example = "HEX_API_KEY=<hex:32>"
    example2 = "\"HEX_API_KEY\": \"<hex:32>\""
    counterexample = "HEX_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(hex_api_key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule packagecloud_context {
  meta:
    id = "packagecloud-context"
    title = "packagecloud token"
    kind = "packagecloud-token"
    severity = "high"
    confidence = "validated"
    anchor = "packagecloud"
    anchor_nocase = true
    longest = 94
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{48})\\Z"
    boundary = "token"
    reference = "https://packagecloud.io/docs/api"
    example = "PACKAGECLOUD_TOKEN=<hex:48>"
    example2 = "\"PACKAGECLOUD_TOKEN\": \"<hex:48>\""
    counterexample = "PACKAGECLOUD_TOKEN=000000000000000000000000000000000000000000000000"
  strings:
    $a = /(packagecloud)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{48}/ nocase
  condition:
    $a
}

rule artifactory_context {
  meta:
    id = "artifactory-context"
    title = "Artifactory API key or password"
    kind = "jfrog-token"
    severity = "high"
    confidence = "validated"
    anchor = "artifactory|jfrog"
    anchor_nocase = true
    longest = 118
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{64,73})\\Z"
    boundary = "token"
    reference = "https://jfrog.com/help/r/jfrog-platform-administration-documentation/user-profile"
    example = "ARTIFACTORY_API_KEY=<base62:73>"
    example2 = "\"ARTIFACTORY_API_KEY\": \"<base62:73>\""
    counterexample = "ARTIFACTORY_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(artifactory|jfrog)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{64,73}/ nocase
  condition:
    $a
}

rule cocoapods_context {
  meta:
    id = "cocoapods-context"
    title = "CocoaPods trunk token"
    kind = "cocoapods-token"
    severity = "high"
    confidence = "validated"
    anchor = "cocoapods_trunk"
    anchor_nocase = true
    longest = 81
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://guides.cocoapods.org/making/getting-setup-with-trunk.html"
    example = "COCOAPODS_TRUNK_TOKEN=<hex:32>"
    example2 = "\"COCOAPODS_TRUNK_TOKEN\": \"<hex:32>\""
    counterexample = "COCOAPODS_TRUNK_TOKEN=00000000000000000000000000000000"
  strings:
    $a = /(cocoapods_trunk)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule nuget_password {
  meta:
    id = "nuget-password"
    title = "Password of a NuGet source"
    kind = "password"
    severity = "high"
    confidence = "validated"
    anchor = "ClearTextPassword"
    longest = 110
    validator = "plausible-password"
    value = "value=\\\"([^\\\"]+)"
    boundary = "none"
    reference = "https://learn.microsoft.com/nuget/reference/nuget-config-file"
    example = "<lt>add key=\"ClearTextPassword\" value=\"Zq8<base62:12>\" />"
    counterexample = "xxxxxxxxxxxxadd key=\"ClearTextPassword\" value=\"Zq8xxxxxxxxxxxx\" />"
  strings:
    $a = /ClearTextPassword\"[ ]{1,4}value=\"[^\"\x00-\x1f\x7f-\xff]{6,80}\"/
  condition:
    $a
}

rule maven_password {
  meta:
    id = "maven-password"
    title = "Password in Maven settings"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "<password>"
    longest = 101
    validator = "plausible-password"
    value = ">([^<]+)<"
    boundary = "none"
    reference = "https://maven.apache.org/settings.html#servers"
    example = "<lt>password>Zq8<base62:12><lt>/password>"
    counterexample = "xxxxxxxxxxxxpassword>Zq8xxxxxxxxxxxxxxxxxxxxxxxx/password>"
  strings:
    $a = /<password>[^<\s\x00-\x1f\x7f-\xff]{6,80}<\/password>/
  condition:
    $a
}

rule sidekiq_credentials {
  meta:
    id = "sidekiq-credentials"
    title = "Sidekiq Pro or Enterprise credentials"
    kind = "sidekiq-credentials"
    severity = "high"
    confidence = "validated"
    anchor = "contribsys.com|CONTRIBSYS__COM"
    longest = 51
    validator = "random"
    value = "([0-9a-f]{8}:[0-9a-f]{8})"
    reference = "https://github.com/sidekiq/sidekiq/wiki/Commercial-FAQ"
    example = "BUNDLE_ENTERPRISE__CONTRIBSYS__COM=<hex:8>:<hex:8>"
    counterexample = "BUNDLE_ENTERPRISE__CONTRIBSYS__COM=00000000:00000000"
  strings:
    $a = /((https?:\/\/)[0-9a-f]{8}:[0-9a-f]{8}@(gems|enterprise)\.contribsys\.com|CONTRIBSYS__COM[\"\']?[ ]?[:=][ ]?[\"\']?[0-9a-f]{8}:[0-9a-f]{8})/
  condition:
    $a
}

rule nuget_config_password {
  meta:
    id = "nuget-config-password"
    title = "Password in a NuGet or .NET configuration"
    kind = "password"
    severity = "high"
    confidence = "possible"
    anchor = "password\" value"
    anchor_nocase = true
    longest = 124
    validator = "plausible-password"
    value = "value=\"([^\"]+)\"\\Z"
    boundary = "none"
    reference = "https://learn.microsoft.com/nuget/reference/nuget-config-file"
    example = "<lt>add key=\"ClearTextPassword\" value=\"Zq8!<base62:12>\" />"
    counterexample = "<lt>add key=\"Password\" value=\"changeme\" />"
  strings:
    $a = /key=\"[0-9A-Za-z_.:-]{0,40}password\"[ ]{1,2}value=\"[^\"<>\x00-\x1f\x7f-\xff]{6,60}\"/ nocase
  condition:
    $a
}
