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
    $a = /CLOJARS_[0-9a-f]{60}/
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
