rule aws_access_key {
  meta:
    id = "aws-access-key"
    title = "AWS access key id"
    kind = "aws-access-key-id"
    severity = "info"
    confidence = "validated"
    anchor = "AKIA|ASIA"
    longest = 20
    validator = "aws-pair"
    boundary = "base64"
    reach = 600
    reference = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"
    example = "AKIA<base32:16>"
    counterexample = "AKIA<upper:10>EXAMPLE"
  strings:
    $a = /A(K|S)IA[A-Z2-7]{16}/
  condition:
    $a
}

rule aws_secret_key {
  meta:
    id = "aws-secret-key"
    title = "AWS secret access key"
    kind = "aws-secret-key"
    severity = "high"
    confidence = "validated"
    anchor = "secret_access_key|SecretAccessKey|secretAccessKey|SecretKey|secretKey|secret_key"
    anchor_nocase = true
    longest = 67
    validator = "aws-secret"
    value = "([0-9A-Za-z+/]{40})\\Z"
    boundary = "base64"
    reference = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"
    example = "aws_secret_access_key = <base64:40>"
    example2 = "\"SecretAccessKey\": \"<base64:40>\""
    counterexample = "aws_secret_access_key = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /secret_?(access)?_?key[\"']?\s{0,3}[:=>,]{1,2}\s{0,3}[\"']?[0-9A-Za-z+\/]{40}/ nocase
  condition:
    $a
}

rule aws_session_token {
  meta:
    id = "aws-session-token"
    title = "AWS session token"
    kind = "aws-session-token"
    severity = "medium"
    confidence = "validated"
    anchor = "IQoJb3JpZ2lu|FwoGZXIvYXdz"
    longest = 492
    validator = "random"
    boundary = "none"
    reference = "https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html"
    example = "IQoJb3JpZ2lu<base64:300>"
    counterexample = "IQoJb3JpZ2luxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(IQoJb3JpZ2lu|FwoGZXIvYXdz)[0-9A-Za-z+\/=]{100,480}/
  condition:
    $a
}

rule aws_bedrock_long {
  meta:
    id = "aws-bedrock-long"
    title = "Amazon Bedrock long-term API key"
    kind = "aws-bedrock-key"
    severity = "high"
    confidence = "validated"
    anchor = "ABSKQmVkcm9ja0FQSUtleS"
    longest = 324
    validator = "random"
    boundary = "base64"
    reference = "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"
    example = "ABSKQmVkcm9ja0FQSUtleS<base62:110>"
    counterexample = "ABSKQmVkcm9ja0FQSUtleSxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ABSKQmVkcm9ja0FQSUtleS[0-9A-Za-z+\/]{90,300}={0,2}/
  condition:
    $a
}

rule aws_bedrock_short {
  meta:
    id = "aws-bedrock-short"
    title = "Amazon Bedrock short-term API key"
    kind = "aws-bedrock-key"
    severity = "medium"
    confidence = "validated"
    anchor = "bedrock-api-key-"
    longest = 444
    validator = "random"
    boundary = "none"
    reference = "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"
    example = "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t<base62:110>"
    counterexample = "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29txxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[0-9A-Za-z+\/=]{20,400}/
  condition:
    $a
}

rule azure_storage_key {
  meta:
    id = "azure-storage-key"
    title = "Azure Storage account key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+ASt"
    longest = 88
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:64,+ASt,Default0>"
    counterexample = "<base62:76>+AStAAAAAA=="
  strings:
    $a = /[0-9A-Za-z+\/]{76}\+ASt[0-9A-Za-z+\/]{6}==/
  condition:
    $a
}

rule azure_batch_key {
  meta:
    id = "azure-batch-key"
    title = "Azure Batch account key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+ABa"
    longest = 88
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:64,+ABa,AbAcct00>"
    counterexample = "<base62:76>+ABaAAAAAA=="
  strings:
    $a = /[0-9A-Za-z+\/]{76}\+ABa[0-9A-Za-z+\/]{6}==/
  condition:
    $a
}

rule azure_cosmos_db_key {
  meta:
    id = "azure-cosmos-db-key"
    title = "Azure Cosmos DB key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "ACDb"
    longest = 88
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:64,ACDb,MastRW00>"
    counterexample = "<base62:76>ACDbAAAAAA=="
  strings:
    $a = /[0-9A-Za-z+\/]{76}ACDb[0-9A-Za-z+\/]{6}==/
  condition:
    $a
}

rule azure_api_management_key {
  meta:
    id = "azure-api-management-key"
    title = "Azure API Management key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "APIM"
    longest = 88
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:64,APIM,GitKey00>"
    counterexample = "<base62:76>APIMAAAAAA=="
  strings:
    $a = /[0-9A-Za-z+\/]{76}APIM[0-9A-Za-z+\/]{6}==/
  condition:
    $a
}

rule azure_machine_learning_classic_key {
  meta:
    id = "azure-machine-learning-classic-key"
    title = "Azure Machine Learning classic key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+AMC"
    longest = 88
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:64,+AMC,Classic0>"
    counterexample = "<base62:76>+AMCAAAAAA=="
  strings:
    $a = /[0-9A-Za-z+\/]{76}\+AMC[0-9A-Za-z+\/]{6}==/
  condition:
    $a
}

rule azure_event_hubs_key {
  meta:
    id = "azure-event-hubs-key"
    title = "Azure Event Hubs key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+AEh"
    longest = 44
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:32,+AEh,Manage00>"
    counterexample = "<base62:33>+AEhAAAAAA="
  strings:
    $a = /[0-9A-Za-z+\/]{33}\+AEh[0-9A-Za-z+\/]{6}=/
  condition:
    $a
}

rule azure_service_bus_key {
  meta:
    id = "azure-service-bus-key"
    title = "Azure Service Bus key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+ASb"
    longest = 44
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:32,+ASb,Manage00>"
    counterexample = "<base62:33>+ASbAAAAAA="
  strings:
    $a = /[0-9A-Za-z+\/]{33}\+ASb[0-9A-Za-z+\/]{6}=/
  condition:
    $a
}

rule azure_relay_key {
  meta:
    id = "azure-relay-key"
    title = "Azure Relay key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+ARm"
    longest = 44
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:32,+ARm,Manage00>"
    counterexample = "<base62:33>+ARmAAAAAA="
  strings:
    $a = /[0-9A-Za-z+\/]{33}\+ARm[0-9A-Za-z+\/]{6}=/
  condition:
    $a
}

rule azure_iot_key {
  meta:
    id = "azure-iot-key"
    title = "Azure IoT key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "AIoT"
    longest = 44
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:32,AIoT,IoTHub00>"
    counterexample = "<base62:33>AIoTAAAAAA="
  strings:
    $a = /[0-9A-Za-z+\/]{33}AIoT[0-9A-Za-z+\/]{6}=/
  condition:
    $a
}

rule azure_cache_for_redis_key {
  meta:
    id = "azure-cache-for-redis-key"
    title = "Azure Cache for Redis key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "AzCa"
    longest = 44
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:32,AzCa,Access00>"
    counterexample = "<base62:33>AzCaAAAAAA="
  strings:
    $a = /[0-9A-Za-z_+\/-]{33}AzCa[0-9A-Za-z_+\/-]{6}=/
  condition:
    $a
}

rule azure_functions_key {
  meta:
    id = "azure-functions-key"
    title = "Azure Functions key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "AzFu"
    longest = 56
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:40,AzFu,Master00>"
    counterexample = "<base62:44>AzFuAAAAAA=="
  strings:
    $a = /[0-9A-Za-z_+\/-]{44}AzFu[0-9A-Za-z_+\/-]{6}==/
  condition:
    $a
}

rule azure_ai_search_key {
  meta:
    id = "azure-ai-search-key"
    title = "Azure AI Search key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "AzSe"
    longest = 52
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:39,AzSe,Query000>"
    counterexample = "<base62:42>AzSeAAAAAA"
  strings:
    $a = /[0-9A-Za-z+\/]{42}AzSe[0-9A-Za-z+\/]{6}/
  condition:
    $a
}

rule azure_container_registry_key {
  meta:
    id = "azure-container-registry-key"
    title = "Azure Container Registry key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "+ACR"
    longest = 52
    validator = "azure-key"
    boundary = "base64"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<azure:39,+ACR,ACRDflt0>"
    counterexample = "<base62:42>+ACRAAAAAA"
  strings:
    $a = /[0-9A-Za-z+\/]{42}\+ACR[0-9A-Za-z+\/]{6}/
  condition:
    $a
}

rule azure_cask {
  meta:
    id = "azure-cask"
    title = "Azure common annotated security key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "JQQJ99"
    longest = 84
    validator = "azure-cask"
    boundary = "alnum"
    reference = "https://github.com/microsoft/cask"
    example = "<cask:AZFU>"
    counterexample = "JQQJ99<base62:26>"
  strings:
    $a = /[0-9A-Za-z]{52}JQQJ99[0-9A-Za-z+\/]{26}/
  condition:
    $a
}

rule azure_entra_secret {
  meta:
    id = "azure-entra-secret"
    title = "Entra ID client secret"
    kind = "entra-client-secret"
    severity = "high"
    confidence = "validated"
    anchor = "8Q~a|8Q~b|8Q~c|8Q~d|8Q~e|8Q~f|8Q~g|8Q~h|8Q~i|8Q~j|8Q~k|8Q~l|8Q~m|8Q~n|8Q~o|8Q~p|8Q~q|8Q~r|8Q~s|8Q~t|8Q~u|8Q~v|8Q~w|8Q~x|8Q~y|8Q~z|8Q~A|8Q~B|8Q~C|8Q~D|8Q~E|8Q~F|8Q~G|8Q~H|8Q~I|8Q~J|8Q~K|8Q~L|8Q~M|8Q~N|8Q~O|8Q~P|8Q~Q|8Q~R|8Q~S|8Q~T|8Q~U|8Q~V|8Q~W|8Q~X|8Q~Y|8Q~Z|8Q~0|8Q~1|8Q~2|8Q~3|8Q~4|8Q~5|8Q~6|8Q~7|8Q~8|8Q~9|8Q~.|8Q~-|8Q~_|8Q~~"
    longest = 40
    validator = "entra-secret"
    boundary = "token"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<base62:3>8Q~<base62:34>"
    counterexample = "xxx8Q~xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[0-9A-Za-z_~.-]{3}8Q~[0-9A-Za-z_~.-]{34}/
  condition:
    $a
}

rule azure_storage_connection {
  meta:
    id = "azure-storage-connection"
    title = "Azure Storage account key in a connection string"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "AccountKey="
    longest = 99
    validator = "random"
    value = "=(.+)\\Z"
    boundary = "base64"
    reference = "https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string"
    example = "AccountKey=<bytes64:64>"
    counterexample = "AccountKey=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AccountKey=[0-9A-Za-z+\/]{86}==/
  condition:
    $a
}

rule azure_shared_access_key {
  meta:
    id = "azure-shared-access-key"
    title = "Azure shared access key in a connection string"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "SharedAccessKey="
    longest = 60
    validator = "random"
    value = "=(.+)\\Z"
    boundary = "base64"
    reference = "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas"
    example = "SharedAccessKey=<bytes64:32>"
    counterexample = "SharedAccessKey=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /SharedAccessKey=[0-9A-Za-z+\/]{43}=/
  condition:
    $a
}

rule azure_sas_signature {
  meta:
    id = "azure-sas-signature"
    title = "Azure shared access signature"
    kind = "azure-sas"
    severity = "medium"
    confidence = "validated"
    anchor = "&sig=|?sig=|;sig="
    longest = 88
    validator = "random"
    value = "sig=(.+)\\Z"
    boundary = "none"
    reference = "https://learn.microsoft.com/rest/api/storageservices/create-service-sas"
    example = "sv=2024-11-04&sig=<base62:43>%3D"
    counterexample = "sv=2024-11-04&sig=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%3D"
  strings:
    $a = /[&?;]sig=[0-9A-Za-z%+\/]{43,80}(=|%3[dD])?/
  condition:
    $a
}

rule gcp_api_key {
  meta:
    id = "gcp-api-key"
    title = "Google API key"
    kind = "google-api-key"
    severity = "medium"
    confidence = "validated"
    anchor = "AIza"
    longest = 39
    validator = "random"
    boundary = "token"
    reference = "https://cloud.google.com/docs/authentication/api-keys"
    example = "AIza<base64url:35>"
    counterexample = "AIzaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AIza[0-9A-Za-z_-]{35}/
  condition:
    $a
}

rule gcp_oauth_client_secret {
  meta:
    id = "gcp-oauth-client-secret"
    title = "Google OAuth client secret"
    kind = "google-oauth-secret"
    severity = "high"
    confidence = "validated"
    anchor = "GOCSPX-"
    longest = 35
    validator = "random"
    boundary = "token"
    reference = "https://developers.google.com/identity/protocols/oauth2"
    example = "GOCSPX-<base64url:28>"
    counterexample = "GOCSPX-xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /GOCSPX-[0-9A-Za-z_-]{28}/
  condition:
    $a
}

rule gcp_oauth_access_token {
  meta:
    id = "gcp-oauth-access-token"
    title = "Google OAuth access token"
    kind = "oauth-access-token"
    severity = "medium"
    confidence = "validated"
    anchor = "ya29."
    longest = 485
    validator = "random"
    boundary = "none"
    reference = "https://developers.google.com/identity/protocols/oauth2"
    example = "ya29.<base64url:120>"
    counterexample = "ya29.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ya29\.[0-9A-Za-z_-]{40,480}/
  condition:
    $a
}

rule gcp_oauth_refresh_token {
  meta:
    id = "gcp-oauth-refresh-token"
    title = "Google OAuth refresh token"
    kind = "oauth-refresh-token"
    severity = "high"
    confidence = "validated"
    anchor = "1//0"
    longest = 114
    validator = "mixed"
    boundary = "token"
    reference = "https://developers.google.com/identity/protocols/oauth2#size"
    example = "1//0<base64url:90>"
    counterexample = "1//0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /1\/\/0[0-9A-Za-z_-]{40,110}/
  condition:
    $a
}

rule alibaba_access_key {
  meta:
    id = "alibaba-access-key"
    title = "Alibaba Cloud access key id"
    kind = "alibaba-access-key-id"
    severity = "info"
    confidence = "validated"
    anchor = "LTAI"
    longest = 24
    validator = "mixed"
    reference = "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair"
    example = "LTAI<base62:20>"
    counterexample = "LTAIxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /LTAI[0-9A-Za-z]{20}/
  condition:
    $a
}

rule tencent_secret_id {
  meta:
    id = "tencent-secret-id"
    title = "Tencent Cloud secret id"
    kind = "tencent-secret-id"
    severity = "info"
    confidence = "validated"
    anchor = "AKID"
    longest = 36
    validator = "mixed"
    reference = "https://www.tencentcloud.com/document/product/598/32675"
    example = "AKID<base62:32>"
    counterexample = "AKIDxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AKID[0-9A-Za-z]{32}/
  condition:
    $a
}

rule digitalocean_dop {
  meta:
    id = "digitalocean-dop"
    title = "DigitalOcean personal access token"
    kind = "digitalocean-token"
    severity = "high"
    confidence = "validated"
    anchor = "dop_v1_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.digitalocean.com/reference/api/create-personal-access-token/"
    example = "dop_v1_<hex:64>"
    counterexample = "dop_v1_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /dop_v1_[0-9a-f]{64}/
  condition:
    $a
}

rule digitalocean_doo {
  meta:
    id = "digitalocean-doo"
    title = "DigitalOcean OAuth token"
    kind = "digitalocean-token"
    severity = "high"
    confidence = "validated"
    anchor = "doo_v1_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.digitalocean.com/reference/api/create-personal-access-token/"
    example = "doo_v1_<hex:64>"
    counterexample = "doo_v1_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /doo_v1_[0-9a-f]{64}/
  condition:
    $a
}

rule digitalocean_dor {
  meta:
    id = "digitalocean-dor"
    title = "DigitalOcean refresh token"
    kind = "digitalocean-token"
    severity = "high"
    confidence = "validated"
    anchor = "dor_v1_"
    longest = 71
    validator = "hex-random"
    reference = "https://docs.digitalocean.com/reference/api/create-personal-access-token/"
    example = "dor_v1_<hex:64>"
    counterexample = "dor_v1_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /dor_v1_[0-9a-f]{64}/
  condition:
    $a
}

rule cloudflare_origin_ca {
  meta:
    id = "cloudflare-origin-ca"
    title = "Cloudflare origin CA key"
    kind = "cloudflare-token"
    severity = "high"
    confidence = "validated"
    anchor = "v1.0-"
    longest = 176
    validator = "hex-random"
    reference = "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/"
    example = "v1.0-<hex:24>-<hex:146>"
    counterexample = "v1.0-000000000000000000000000-00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /v1\.0-[0-9a-f]{24}-[0-9a-f]{146}/
  condition:
    $a
}

rule cloudflare_cfk {
  meta:
    id = "cloudflare-cfk"
    title = "Cloudflare global API key"
    kind = "cloudflare-token"
    severity = "high"
    confidence = "validated"
    anchor = "cfk_"
    longest = 52
    validator = "random"
    reference = "https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/"
    example = "cfk_<base62:40><hex:8>"
    counterexample = "cfk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx00000000"
  strings:
    $a = /cfk_[0-9A-Za-z]{40}[0-9a-f]{8}/
  condition:
    $a
}

rule cloudflare_cfut {
  meta:
    id = "cloudflare-cfut"
    title = "Cloudflare user API token"
    kind = "cloudflare-token"
    severity = "high"
    confidence = "validated"
    anchor = "cfut_"
    longest = 53
    validator = "random"
    reference = "https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/"
    example = "cfut_<base62:40><hex:8>"
    counterexample = "cfut_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx00000000"
  strings:
    $a = /cfut_[0-9A-Za-z]{40}[0-9a-f]{8}/
  condition:
    $a
}

rule cloudflare_cfat {
  meta:
    id = "cloudflare-cfat"
    title = "Cloudflare account API token"
    kind = "cloudflare-token"
    severity = "high"
    confidence = "validated"
    anchor = "cfat_"
    longest = 53
    validator = "random"
    reference = "https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/"
    example = "cfat_<base62:40><hex:8>"
    counterexample = "cfat_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx00000000"
  strings:
    $a = /cfat_[0-9A-Za-z]{40}[0-9a-f]{8}/
  condition:
    $a
}

rule yandex_api_key {
  meta:
    id = "yandex-api-key"
    title = "Yandex Cloud API key"
    kind = "yandex-token"
    severity = "high"
    confidence = "validated"
    anchor = "AQVN"
    longest = 40
    validator = "mixed"
    boundary = "token"
    reference = "https://yandex.cloud/en/docs/iam/concepts/authorization/api-key"
    example = "AQVN<base64url:36>"
    counterexample = "AQVNxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AQVN[0-9A-Za-z_-]{35,36}/
  condition:
    $a
}

rule yandex_iam_token {
  meta:
    id = "yandex-iam-token"
    title = "Yandex Cloud IAM token"
    kind = "yandex-token"
    severity = "medium"
    confidence = "validated"
    anchor = "t1.9eu"
    longest = 393
    validator = "random"
    boundary = "token"
    reference = "https://yandex.cloud/en/docs/iam/concepts/authorization/iam-token"
    example = "t1.9eu<base64url:100>.<base64url:86>"
    counterexample = "t1.9euxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /t1\.9eu[0-9A-Za-z_-]{60,300}\.[0-9A-Za-z_-]{86}/
  condition:
    $a
}

rule heroku_key {
  meta:
    id = "heroku-key"
    title = "Heroku platform API key"
    kind = "heroku-token"
    severity = "high"
    confidence = "validated"
    anchor = "HRKU-"
    longest = 65
    validator = "random"
    boundary = "token"
    reference = "https://devcenter.heroku.com/articles/authentication"
    example = "HRKU-<uuid4>"
    counterexample = "HRKU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
  strings:
    $a = /HRKU-[0-9A-Za-z_-]{36,60}/
  condition:
    $a
}

rule fly_token {
  meta:
    id = "fly-token"
    title = "Fly.io access token"
    kind = "fly-token"
    severity = "high"
    confidence = "validated"
    anchor = "FlyV1 fm"
    longest = 491
    validator = "random"
    boundary = "none"
    reference = "https://fly.io/docs/security/tokens/"
    example = "FlyV1 fm2_<base64:200>"
    counterexample = "FlyV1 fm2_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /FlyV1 fm[0-9a-zA-Z]{1,2}_[0-9A-Za-z+\/=]{60,480}/
  condition:
    $a
}

rule flyio_personal {
  meta:
    id = "flyio-personal"
    title = "Fly.io personal access token"
    kind = "fly-token"
    severity = "high"
    confidence = "validated"
    anchor = "fo1_"
    longest = 47
    validator = "random"
    boundary = "token"
    reference = "https://fly.io/docs/security/tokens/"
    example = "fo1_<base64url:43>"
    counterexample = "fo1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /fo1_[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule netlify_token {
  meta:
    id = "netlify-token"
    title = "Netlify access token"
    kind = "netlify-token"
    severity = "high"
    confidence = "validated"
    anchor = "nfp_|nfc_|nfo_|nfb_|nfu_"
    longest = 40
    validator = "random"
    reference = "https://docs.netlify.com/api/get-started/#authentication"
    example = "nfp_<base62:36>"
    counterexample = "nfp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /nf[pcobu]_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule vercel_token {
  meta:
    id = "vercel-token"
    title = "Vercel token"
    kind = "vercel-token"
    severity = "high"
    confidence = "validated"
    anchor = "vcp_|vci_|vca_|vcr_|vck_"
    longest = 60
    validator = "random"
    reference = "https://vercel.com/docs/rest-api#authentication"
    example = "vcp_<base62:56>"
    counterexample = "vcp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /vc[piark]_[0-9A-Za-z]{56}/
  condition:
    $a
}

rule render_key {
  meta:
    id = "render-key"
    title = "Render API key"
    kind = "render-token"
    severity = "high"
    confidence = "validated"
    anchor = "rnd_"
    longest = 32
    validator = "random"
    reference = "https://render.com/docs/api"
    example = "rnd_<base62:28>"
    counterexample = "rnd_xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /rnd_[0-9A-Za-z]{28}/
  condition:
    $a
}

rule supabase_token {
  meta:
    id = "supabase-token"
    title = "Supabase personal access token"
    kind = "supabase-token"
    severity = "high"
    confidence = "validated"
    anchor = "sbp_"
    longest = 44
    validator = "hex-random"
    reference = "https://supabase.com/docs/reference/api/introduction"
    example = "sbp_<hex:40>"
    counterexample = "sbp_0000000000000000000000000000000000000000"
  strings:
    $a = /sbp_[0-9a-f]{40}/
  condition:
    $a
}

rule supabase_secret {
  meta:
    id = "supabase-secret"
    title = "Supabase secret key"
    kind = "supabase-token"
    severity = "high"
    confidence = "validated"
    anchor = "sb_secret_"
    longest = 41
    validator = "random"
    boundary = "token"
    reference = "https://supabase.com/docs/guides/api/api-keys"
    example = "sb_secret_<base62:22>_<base62:8>"
    counterexample = "sb_secret_xxxxxxxxxxxxxxxxxxxxxx_xxxxxxxx"
  strings:
    $a = /sb_secret_[0-9A-Za-z_-]{22}_[0-9A-Za-z_-]{8}/
  condition:
    $a
}

rule planetscale_password {
  meta:
    id = "planetscale-password"
    title = "PlanetScale password"
    kind = "planetscale-token"
    severity = "high"
    confidence = "validated"
    anchor = "pscale_pw_"
    longest = 74
    validator = "random"
    boundary = "token"
    reference = "https://planetscale.com/docs/concepts/connection-strings"
    example = "pscale_pw_<base62:43>"
    counterexample = "pscale_pw_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pscale_pw_[0-9A-Za-z_.-]{32,64}/
  condition:
    $a
}

rule planetscale_token {
  meta:
    id = "planetscale-token"
    title = "PlanetScale token"
    kind = "planetscale-token"
    severity = "high"
    confidence = "validated"
    anchor = "pscale_tkn_|pscale_oauth_"
    longest = 77
    validator = "random"
    boundary = "token"
    reference = "https://planetscale.com/docs/api/reference/service-tokens"
    example = "pscale_tkn_<base62:43>"
    counterexample = "pscale_tkn_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pscale_(tkn|oauth)_[0-9A-Za-z_.-]{32,64}/
  condition:
    $a
}

rule neon_key {
  meta:
    id = "neon-key"
    title = "Neon API key"
    kind = "neon-token"
    severity = "high"
    confidence = "validated"
    anchor = "napi_"
    longest = 69
    validator = "random"
    reference = "https://neon.com/docs/manage/api-keys"
    example = "napi_<lownum:64>"
    counterexample = "napi_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /napi_[0-9a-z]{64}/
  condition:
    $a
}

rule databricks_token {
  meta:
    id = "databricks-token"
    title = "Databricks personal access token"
    kind = "databricks-token"
    severity = "high"
    confidence = "validated"
    anchor = "dapi"
    longest = 38
    validator = "hex-random"
    reference = "https://docs.databricks.com/dev-tools/auth/pat.html"
    example = "dapi<hex:32>"
    counterexample = "dapi00000000000000000000000000000000"
  strings:
    $a = /dapi[0-9a-f]{32}(-[0-9])?/
  condition:
    $a
}

rule databricks_secret {
  meta:
    id = "databricks-secret"
    title = "Databricks OAuth secret"
    kind = "databricks-token"
    severity = "high"
    confidence = "validated"
    anchor = "dose"
    longest = 36
    validator = "hex-random"
    reference = "https://docs.databricks.com/dev-tools/auth/oauth-m2m.html"
    example = "dose<hex:32>"
    counterexample = "dose00000000000000000000000000000000"
  strings:
    $a = /dose[0-9a-f]{32}/
  condition:
    $a
}
