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
    anchor = "secret_access_key|SecretAccessKey|secretAccessKey|SecretKey|secretKey|secret_key|secretaccesskey"
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
    tail = "base64"
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
    anchor = "7Q~-|7Q~.|7Q~0|7Q~1|7Q~2|7Q~3|7Q~4|7Q~5|7Q~6|7Q~7|7Q~8|7Q~9|7Q~A|7Q~B|7Q~C|7Q~D|7Q~E|7Q~F|7Q~G|7Q~H|7Q~I|7Q~J|7Q~K|7Q~L|7Q~M|7Q~N|7Q~O|7Q~P|7Q~Q|7Q~R|7Q~S|7Q~T|7Q~U|7Q~V|7Q~W|7Q~X|7Q~Y|7Q~Z|7Q~_|7Q~a|7Q~b|7Q~c|7Q~d|7Q~e|7Q~f|7Q~g|7Q~h|7Q~i|7Q~j|7Q~k|7Q~l|7Q~m|7Q~n|7Q~o|7Q~p|7Q~q|7Q~r|7Q~s|7Q~t|7Q~u|7Q~v|7Q~w|7Q~x|7Q~y|7Q~z|7Q~~|8Q~-|8Q~.|8Q~0|8Q~1|8Q~2|8Q~3|8Q~4|8Q~5|8Q~6|8Q~7|8Q~8|8Q~9|8Q~A|8Q~B|8Q~C|8Q~D|8Q~E|8Q~F|8Q~G|8Q~H|8Q~I|8Q~J|8Q~K|8Q~L|8Q~M|8Q~N|8Q~O|8Q~P|8Q~Q|8Q~R|8Q~S|8Q~T|8Q~U|8Q~V|8Q~W|8Q~X|8Q~Y|8Q~Z|8Q~_|8Q~a|8Q~b|8Q~c|8Q~d|8Q~e|8Q~f|8Q~g|8Q~h|8Q~i|8Q~j|8Q~k|8Q~l|8Q~m|8Q~n|8Q~o|8Q~p|8Q~q|8Q~r|8Q~s|8Q~t|8Q~u|8Q~v|8Q~w|8Q~x|8Q~y|8Q~z|8Q~~"
    longest = 40
    validator = "entra-secret"
    boundary = "token"
    reference = "https://github.com/microsoft/security-utilities"
    example = "<base62:3>8Q~<base62:34>"
    example2 = "<base62:3>7Q~<base62:31>"
    counterexample = "xxx8Q~xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /[0-9A-Za-z_~.-]{3}(8Q~[0-9A-Za-z_~.-]{34}|7Q~[0-9A-Za-z_~.-]{31})/
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
    tail = "base64url"
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
    validator = "alibaba-pair"
    reach = 600
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
    validator = "tencent-pair"
    reach = 600
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
    tail = "base64"
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
    validator = "prefixed-crc32"
    boundary = "token"
    reference = "https://vercel.com/docs/rest-api#authentication"
    example = "vcp_<base64url:50><crc32behind>"
    counterexample = "vcp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /vc[piark]_[0-9A-Za-z_-]{50}[0-9A-Za-z]{6}/
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

rule gcp_fcm_key {
  meta:
    id = "gcp-fcm-key"
    title = "Firebase Cloud Messaging server key"
    kind = "firebase-token"
    severity = "high"
    confidence = "validated"
    anchor = ":APA91b"
    longest = 152
    validator = "random"
    boundary = "token"
    reference = "https://firebase.google.com/docs/cloud-messaging/auth-server"
    example = "AAAA<base64url:7>:APA91b<base64url:134>"
    counterexample = "AAAAxxxxxxx:APA91bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /AAAA[0-9A-Za-z_-]{7}:APA91b[0-9A-Za-z_-]{134}/
  condition:
    $a
}

rule gcp_hmac_id {
  meta:
    id = "gcp-hmac-id"
    title = "Google Cloud HMAC access id"
    kind = "google-hmac-id"
    severity = "info"
    confidence = "validated"
    anchor = "GOOG1E"
    longest = 61
    validator = "random"
    reference = "https://cloud.google.com/storage/docs/authentication/hmackeys"
    example = "GOOG1E<upnum:55>"
    counterexample = "GOOG1EXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /GOOG1E[0-9A-Z]{55}/
  condition:
    $a
}

rule google_session_cookie {
  meta:
    id = "google-session-cookie"
    title = "Google session cookie"
    kind = "session-cookie"
    severity = "medium"
    confidence = "validated"
    anchor = "PSID=|PSIDTS=|SAPISID=|SSID=|PAPISID="
    longest = 318
    validator = "random"
    value = "=(.+)"
    boundary = "none"
    reference = "https://policies.google.com/technologies/cookies"
    example = "__Secure-1PSID=g.a000<base64url:140>."
    counterexample = "__Secure-1PSID=g.a000xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx."
  strings:
    $a = /__Secure-[13]P(SID|SIDTS|APISID)=[0-9A-Za-z._\/-]{34,300}/
  condition:
    $a
}

rule alibaba_sts_token {
  meta:
    id = "alibaba-sts-token"
    title = "Alibaba Cloud STS access key id"
    kind = "alibaba-access-key-id"
    severity = "info"
    confidence = "validated"
    anchor = "STS.N"
    longest = 32
    validator = "random"
    reference = "https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole"
    example = "STS.N<base62:26>"
    counterexample = "STS.Nxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /STS\.N[0-9A-Za-z]{24,27}/
  condition:
    $a
}

rule digitalocean_spaces {
  meta:
    id = "digitalocean-spaces"
    title = "DigitalOcean Spaces access key"
    kind = "digitalocean-spaces-key"
    severity = "info"
    confidence = "validated"
    anchor = "DO00"
    longest = 20
    validator = "spaces-pair"
    reach = 600
    reference = "https://docs.digitalocean.com/products/spaces/how-to/manage-access/"
    example = "DO00<upnum:16>"
    counterexample = "DO00XXXXXXXXXXXXXXXX"
  strings:
    $a = /DO00[0-9A-Z]{16}/
  condition:
    $a
}

rule vercel_blob {
  meta:
    id = "vercel-blob"
    title = "Vercel Blob read-write token"
    kind = "vercel-token"
    severity = "high"
    confidence = "validated"
    anchor = "vercel_blob_rw_"
    longest = 68
    validator = "random"
    reference = "https://vercel.com/docs/vercel-blob/using-blob-sdk"
    example = "vercel_blob_rw_<base62:16>_<base62:30>"
    counterexample = "vercel_blob_rw_xxxxxxxxxxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /vercel_blob_rw_[0-9A-Za-z]{16}_[0-9A-Za-z]{30,36}/
  condition:
    $a
}

rule deno_deploy_token {
  meta:
    id = "deno-deploy-token"
    title = "Deno Deploy access token"
    kind = "deno-token"
    severity = "high"
    confidence = "validated"
    anchor = "ddp_|ddw_"
    longest = 40
    validator = "random"
    reference = "https://docs.deno.com/deploy/manual/deployctl"
    example = "ddp_<base62:36>"
    counterexample = "ddp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /dd[pw]_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule upcloud_token {
  meta:
    id = "upcloud-token"
    title = "UpCloud API token"
    kind = "upcloud-token"
    severity = "high"
    confidence = "validated"
    anchor = "ucat_"
    longest = 31
    validator = "random"
    reference = "https://developers.upcloud.com/1.3/"
    example = "ucat_<upnum:26>"
    counterexample = "ucat_XXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /ucat_[0-9A-Z]{26}/
  condition:
    $a
}

rule scalingo_token {
  meta:
    id = "scalingo-token"
    title = "Scalingo API token"
    kind = "scalingo-token"
    severity = "high"
    confidence = "validated"
    anchor = "tk-us-"
    longest = 54
    validator = "random"
    boundary = "token"
    reference = "https://developers.scalingo.com/tokens"
    example = "tk-us-<base64url:48>"
    counterexample = "tk-us-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /tk-us-[0-9A-Za-z_-]{48}/
  condition:
    $a
}

rule supabase_oauth {
  meta:
    id = "supabase-oauth"
    title = "Supabase OAuth token"
    kind = "supabase-token"
    severity = "high"
    confidence = "validated"
    anchor = "sbp_oauth_|sbp_v0_"
    longest = 50
    validator = "hex-random"
    reference = "https://supabase.com/docs/guides/integrations/build-a-supabase-integration"
    example = "sbp_oauth_<hex:40>"
    counterexample = "sbp_oauth_0000000000000000000000000000000000000000"
  strings:
    $a = /sbp_(oauth|v0)_[0-9a-f]{40}/
  condition:
    $a
}

rule fly_deploy {
  meta:
    id = "fly-deploy"
    title = "Fly.io macaroon"
    kind = "fly-token"
    severity = "high"
    confidence = "validated"
    anchor = "fm1r_|fm1a_|fm2_|fm1_"
    longest = 487
    validator = "random"
    boundary = "base64"
    tail = "base64"
    reference = "https://fly.io/docs/security/tokens/"
    example = "fm2_<base62:200>"
    counterexample = "fm2_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /fm(1r|1a|2|1)_[0-9A-Za-z+\/]{100,480}={0,2}/
  condition:
    $a
}

rule azure_logic_sas {
  meta:
    id = "azure-logic-sas"
    title = "Azure Logic Apps trigger signature"
    kind = "azure-sas"
    severity = "medium"
    confidence = "validated"
    anchor = "logic.azure.com"
    longest = 333
    validator = "random"
    value = "sig=(.+)"
    boundary = "token"
    reference = "https://learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app"
    example = "logic.azure.com/workflows/<hex:32>/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers&sv=1.0&sig=<base64url:43>"
    counterexample = "logic.azure.com/workflows/00000000000000000000000000000000/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers&sv=1.0&sig=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /logic\.azure\.com(:443)?\/workflows\/[0-9a-f]{32}\/triggers\/[0-9A-Za-z_-]{1,80}\/paths\/invoke\?[0-9A-Za-z&=%._-]{1,120}sig=[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule azure_function_code {
  meta:
    id = "azure-function-code"
    title = "Azure Functions key in a URL"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "azurewebsites.net/api/"
    longest = 188
    validator = "random"
    value = "code=(.+)"
    boundary = "none"
    reference = "https://learn.microsoft.com/azure/azure-functions/function-keys-how-to"
    example = "azurewebsites.net/api/run?code=<base62:52>=="
    counterexample = "azurewebsites.net/api/run?code=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=="
  strings:
    $a = /azurewebsites\.net\/api\/[0-9A-Za-z_\/-]{1,80}\?code=[0-9A-Za-z%_\/=-]{40,80}/
  condition:
    $a
}

rule entra_cookie {
  meta:
    id = "entra-cookie"
    title = "Entra ID sign-in cookie"
    kind = "session-cookie"
    severity = "high"
    confidence = "validated"
    anchor = "ESTSAUTHPERSISTENT=|ESTSAUTH=|ESTSAUTHLIGHT="
    longest = 499
    validator = "random"
    value = "=(.+)"
    boundary = "none"
    tail = "base64url"
    reference = "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-web-browser-cookies"
    example = "ESTSAUTHPERSISTENT=1.A<base64url:300>"
    counterexample = "ESTSAUTHPERSISTENT=1.Axxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /ESTSAUTH(PERSISTENT|LIGHT)?=[0-9A-Za-z._\/+-]{60,480}/
  condition:
    $a
}

rule entra_prt_cookie {
  meta:
    id = "entra-prt-cookie"
    title = "Entra ID primary refresh token cookie"
    kind = "session-cookie"
    severity = "high"
    confidence = "validated"
    anchor = "x-ms-RefreshTokenCredential"
    longest = 475
    validator = "random"
    value = "(eyJ.+)"
    boundary = "none"
    tail = "base64url"
    reference = "https://learn.microsoft.com/entra/identity/devices/concept-primary-refresh-token"
    example = "x-ms-RefreshTokenCredential: eyJ<base64url:200>"
    counterexample = "x-ms-RefreshTokenCredential: eyJxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /x-ms-RefreshTokenCredential[\"']?[ ]?[:=][ ]?[\"']?eyJ[0-9A-Za-z_.-]{60,440}/
  condition:
    $a
}

rule msa_refresh_token {
  meta:
    id = "msa-refresh-token"
    title = "Microsoft account refresh token"
    kind = "oauth-refresh-token"
    severity = "high"
    confidence = "validated"
    anchor = "_BAY.|_BL2.|_SN1.|_BN1.|_DUB.|_AMS.|_SGP.|_KW1."
    longest = 497
    validator = "random"
    boundary = "none"
    reference = "https://learn.microsoft.com/entra/identity-platform/refresh-tokens"
    example = "M.C512_BAY.0.U.-<base62:200>"
    counterexample = "M.C512_BAY.0.U.-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /M\.[CR][0-9]{1,4}_[A-Z0-9]{3}\.([0-9]\.U\.)?-?[0-9A-Za-z*!$-]{60,480}/
  condition:
    $a
}

rule msa_access_token {
  meta:
    id = "msa-access-token"
    title = "Microsoft account access token"
    kind = "oauth-access-token"
    severity = "medium"
    confidence = "validated"
    anchor = "EwAIA|EwAYA|EwBIA|EwBYA|EwBwA|EwCIA|EwCYA|EwCwA|EwDIA|EwAwA|EwAoA|EwBoA|EwCoA|EwA4A|EwB4A|EwC4A|EwD4A"
    longest = 487
    validator = "mixed"
    boundary = "base64"
    tail = "base64"
    reference = "https://learn.microsoft.com/onedrive/developer/rest-api/getting-started/msa-oauth"
    example = "EwBoA<base62:400>"
    counterexample = "EwBoAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /Ew[A-D][IYwo4]A[0-9A-Za-z+\/]{200,480}={0,2}/
  condition:
    $a
}

rule entra_refresh_token {
  meta:
    id = "entra-refresh-token"
    title = "Entra ID refresh token"
    kind = "oauth-refresh-token"
    severity = "high"
    confidence = "validated"
    anchor = "\"refresh_token\"|refreshtoken|\"secret\": \"0.A|\"secret\":\"0.A|\"secret\": \"1.A|\"secret\":\"1.A"
    longest = 464
    validator = "random"
    value = "([01]\\.A.+)"
    boundary = "none"
    tail = "base64url"
    reference = "https://learn.microsoft.com/entra/identity-platform/refresh-tokens"
    example = "\"refresh_token\":\"1.AXo<base64url:300>"
    counterexample = "\"refresh_token\":\"1.AXoxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /\"(refresh_token|refreshtoken|secret)\":[ ]?\"[01]\.A[0-9A-Za-z_-]{3}[0-9A-Za-z_.-]{100,440}/
  condition:
    $a
}

rule cloudflare_context {
  meta:
    id = "cloudflare-context"
    title = "Cloudflare API token"
    kind = "cloudflare-token"
    severity = "high"
    confidence = "validated"
    anchor = "cloudflare|cf_api|cf_token|x-auth-key"
    anchor_nocase = true
    longest = 84
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9A-Za-z_-]{40}|[0-9a-f]{37}))\\Z"
    boundary = "token"
    reference = "https://developers.cloudflare.com/fundamentals/api/get-started/create-token/"
    example = "CLOUDFLARE_API_TOKEN=<base64url:40>"
    example2 = "\"CLOUDFLARE_API_TOKEN\": \"<base64url:40>\""
    counterexample = "CLOUDFLARE_API_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(cloudflare|cf_api|cf_token|x-auth-key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9A-Za-z_-]{40}|[0-9a-f]{37})/ nocase
  condition:
    $a
}

rule heroku_context {
  meta:
    id = "heroku-context"
    title = "Heroku API key"
    kind = "heroku-token"
    severity = "high"
    confidence = "validated"
    anchor = "heroku"
    anchor_nocase = true
    longest = 76
    validator = "uuid4"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://devcenter.heroku.com/articles/authentication"
    example = "HEROKU_API_KEY=<uuid4>"
    example2 = "\"HEROKU_API_KEY\": \"<uuid4>\""
    counterexample = "HEROKU_API_KEY=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(heroku)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule linode_context {
  meta:
    id = "linode-context"
    title = "Linode API token"
    kind = "linode-token"
    severity = "high"
    confidence = "validated"
    anchor = "linode"
    anchor_nocase = true
    longest = 104
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{64})\\Z"
    boundary = "token"
    reference = "https://techdocs.akamai.com/linode-api/reference/get-started"
    example = "LINODE_TOKEN=<hex:64>"
    example2 = "\"LINODE_TOKEN\": \"<hex:64>\""
    counterexample = "LINODE_TOKEN=0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(linode)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{64}/ nocase
  condition:
    $a
}

rule vultr_context {
  meta:
    id = "vultr-context"
    title = "Vultr API key"
    kind = "vultr-token"
    severity = "high"
    confidence = "validated"
    anchor = "vultr"
    anchor_nocase = true
    longest = 75
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Z]{36})\\Z"
    boundary = "token"
    reference = "https://www.vultr.com/api/"
    example = "VULTR_API_KEY=<upnum:36>"
    example2 = "\"VULTR_API_KEY\": \"<upnum:36>\""
    counterexample = "VULTR_API_KEY=XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /(vultr)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Z]{36}/ nocase
  condition:
    $a
}

rule hetzner_context {
  meta:
    id = "hetzner-context"
    title = "Hetzner Cloud API token"
    kind = "hetzner-token"
    severity = "high"
    confidence = "validated"
    anchor = "hcloud|hetzner"
    anchor_nocase = true
    longest = 105
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{64})\\Z"
    boundary = "token"
    reference = "https://docs.hetzner.cloud/"
    example = "HCLOUD_TOKEN=<base62:64>"
    example2 = "\"HCLOUD_TOKEN\": \"<base62:64>\""
    counterexample = "HCLOUD_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(hcloud|hetzner)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{64}/ nocase
  condition:
    $a
}

rule scaleway_context {
  meta:
    id = "scaleway-context"
    title = "Scaleway secret key"
    kind = "scaleway-token"
    severity = "high"
    confidence = "validated"
    anchor = "scw_secret|scaleway|scw_token"
    anchor_nocase = true
    longest = 80
    validator = "uuid4"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://www.scaleway.com/en/docs/iam/how-to/create-api-keys/"
    example = "SCW_SECRET_KEY=<uuid4>"
    example2 = "\"SCW_SECRET_KEY\": \"<uuid4>\""
    counterexample = "SCW_SECRET_KEY=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(scw_secret|scaleway|scw_token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule exoscale_context {
  meta:
    id = "exoscale-context"
    title = "Exoscale API secret"
    kind = "exoscale-token"
    severity = "high"
    confidence = "validated"
    anchor = "exoscale"
    anchor_nocase = true
    longest = 85
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{43})\\Z"
    boundary = "token"
    reference = "https://community.exoscale.com/product/iam/how-to/api-key/"
    example = "EXOSCALE_API_SECRET=<base64url:43>"
    example2 = "\"EXOSCALE_API_SECRET\": \"<base64url:43>\""
    counterexample = "EXOSCALE_API_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(exoscale)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{43}/ nocase
  condition:
    $a
}

rule civo_context {
  meta:
    id = "civo-context"
    title = "Civo API key"
    kind = "civo-token"
    severity = "high"
    confidence = "validated"
    anchor = "civo"
    anchor_nocase = true
    longest = 88
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{50})\\Z"
    boundary = "token"
    reference = "https://www.civo.com/docs/account/api-keys"
    example = "CIVO_TOKEN=<base62:50>"
    example2 = "\"CIVO_TOKEN\": \"<base62:50>\""
    counterexample = "CIVO_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(civo)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{50}/ nocase
  condition:
    $a
}

rule ovh_context {
  meta:
    id = "ovh-context"
    title = "OVH application secret"
    kind = "ovh-token"
    severity = "high"
    confidence = "validated"
    anchor = "ovh_"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api"
    example = "OVH_APPLICATION_SECRET=<base62:32>"
    example2 = "\"OVH_APPLICATION_SECRET\": \"<base62:32>\""
    counterexample = "OVH_APPLICATION_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(ovh_)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule fastly_context {
  meta:
    id = "fastly-context"
    title = "Fastly API token"
    kind = "fastly-token"
    severity = "high"
    confidence = "validated"
    anchor = "fastly"
    anchor_nocase = true
    longest = 72
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{32})\\Z"
    boundary = "token"
    reference = "https://docs.fastly.com/en/guides/using-api-tokens"
    example = "FASTLY_API_TOKEN=<base64url:32>"
    example2 = "\"FASTLY_API_TOKEN\": \"<base64url:32>\""
    counterexample = "FASTLY_API_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(fastly)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{32}/ nocase
  condition:
    $a
}

rule ibm_context {
  meta:
    id = "ibm-context"
    title = "IBM Cloud API key"
    kind = "ibm-token"
    severity = "high"
    confidence = "validated"
    anchor = "ibmcloud|ibm_|ibm-|softlayer|bluemix|iam_api"
    anchor_nocase = true
    longest = 107
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(([0-9a-f]{64}|[0-9A-Za-z_-]{44}))\\Z"
    boundary = "token"
    reference = "https://cloud.ibm.com/docs/account?topic=account-userapikey"
    example = "IBMCLOUD_API_KEY=<base64url:44>"
    example2 = "\"IBMCLOUD_API_KEY\": \"<base64url:44>\""
    counterexample = "IBMCLOUD_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(ibm|softlayer|bluemix|iam_api)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?([0-9a-f]{64}|[0-9A-Za-z_-]{44})/ nocase
  condition:
    $a
}

rule backblaze_context {
  meta:
    id = "backblaze-context"
    title = "Backblaze B2 application key"
    kind = "backblaze-token"
    severity = "high"
    confidence = "validated"
    anchor = "b2_app|backblaze|applicationkey"
    anchor_nocase = true
    longest = 79
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(K00[0-9][0-9A-Za-z+\\/]{27})\\Z"
    boundary = "token"
    reference = "https://www.backblaze.com/docs/cloud-storage-application-keys"
    example = "B2_APPLICATION_KEY=K005<base62:27>"
    example2 = "\"B2_APPLICATION_KEY\": \"K005<base62:27>\""
    counterexample = "B2_APPLICATION_KEY=K005xxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(b2_app|backblaze|applicationkey)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?K00[0-9][0-9A-Za-z+\/]{27}/ nocase
  condition:
    $a
}

rule oracle_context {
  meta:
    id = "oracle-context"
    title = "Oracle Cloud auth token or customer secret key"
    kind = "oracle-token"
    severity = "high"
    confidence = "validated"
    anchor = "oci_|oracle_cloud|ocir"
    anchor_nocase = true
    longest = 90
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z+\\/]{43}=)\\Z"
    boundary = "token"
    reference = "https://docs.oracle.com/iaas/Content/Identity/Tasks/managingcredentials.htm"
    example = "OCI_SECRET_KEY=<bytes64:32>"
    example2 = "\"OCI_SECRET_KEY\": \"<bytes64:32>\""
    counterexample = "OCI_SECRET_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(oci_|oracle_cloud|ocir)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z+\/]{43}=/ nocase
  condition:
    $a
}

rule alibaba_context {
  meta:
    id = "alibaba-context"
    title = "Alibaba Cloud access key secret"
    kind = "alibaba-secret-key"
    severity = "high"
    confidence = "validated"
    anchor = "alibaba|aliyun|alicloud|accesskeysecret|access_key_secret|access-key-secret"
    anchor_nocase = true
    longest = 81
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{30})\\Z"
    boundary = "token"
    reference = "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair"
    example = "ALIBABA_CLOUD_ACCESS_KEY_SECRET=<base62:30>"
    example2 = "\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\": \"<base62:30>\""
    counterexample = "ALIBABA_CLOUD_ACCESS_KEY_SECRET=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(alibaba|aliyun|alicloud|accesskeysecret|access_key_secret|access-key-secret)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{30}/ nocase
  condition:
    $a
}

rule tencent_context {
  meta:
    id = "tencent-context"
    title = "Tencent Cloud secret key"
    kind = "tencent-secret-key"
    severity = "high"
    confidence = "validated"
    anchor = "tencent|qcloud"
    anchor_nocase = true
    longest = 73
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://www.tencentcloud.com/document/product/598/32675"
    example = "TENCENTCLOUD_SECRET_KEY=<base62:32>"
    example2 = "\"TENCENTCLOUD_SECRET_KEY\": \"<base62:32>\""
    counterexample = "TENCENTCLOUD_SECRET_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(tencent|qcloud)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule azure_subscription_context {
  meta:
    id = "azure-subscription-context"
    title = "Azure AI services key"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "ocp-apim-subscription-key|azure_openai|cognitive|subscription_key|subscription-key"
    anchor_nocase = true
    longest = 91
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://learn.microsoft.com/azure/ai-services/authentication"
    example = "AZURE_OPENAI_API_KEY=<hex:32>"
    example2 = "\"AZURE_OPENAI_API_KEY\": \"<hex:32>\""
    counterexample = "AZURE_OPENAI_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(ocp-apim-subscription-key|azure_openai|cognitive|subscription_key|subscription-key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule railway_context {
  meta:
    id = "railway-context"
    title = "Railway token"
    kind = "railway-token"
    severity = "high"
    confidence = "validated"
    anchor = "railway"
    anchor_nocase = true
    longest = 77
    validator = "uuid4"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\\Z"
    boundary = "token"
    reference = "https://docs.railway.com/guides/public-api"
    example = "RAILWAY_TOKEN=<uuid4>"
    example2 = "\"RAILWAY_TOKEN\": \"<uuid4>\""
    counterexample = "RAILWAY_TOKEN=00000000-0000-0000-0000-000000000000"
  strings:
    $a = /(railway)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ nocase
  condition:
    $a
}

rule netlify_context {
  meta:
    id = "netlify-context"
    title = "Netlify access token"
    kind = "netlify-token"
    severity = "high"
    confidence = "validated"
    anchor = "netlify"
    anchor_nocase = true
    longest = 87
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z_-]{43,46})\\Z"
    boundary = "token"
    reference = "https://docs.netlify.com/api/get-started/#authentication"
    example = "NETLIFY_AUTH_TOKEN=<base64url:43>"
    example2 = "\"NETLIFY_AUTH_TOKEN\": \"<base64url:43>\""
    counterexample = "NETLIFY_AUTH_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(netlify)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z_-]{43,46}/ nocase
  condition:
    $a
}

rule vercel_context {
  meta:
    id = "vercel-context"
    title = "Vercel token"
    kind = "vercel-token"
    severity = "high"
    confidence = "validated"
    anchor = "vercel"
    anchor_nocase = true
    longest = 64
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{24})\\Z"
    boundary = "token"
    reference = "https://vercel.com/docs/rest-api#authentication"
    example = "VERCEL_TOKEN=<base62:24>"
    example2 = "\"VERCEL_TOKEN\": \"<base62:24>\""
    counterexample = "VERCEL_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(vercel)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{24}/ nocase
  condition:
    $a
}

rule yandex_context {
  meta:
    id = "yandex-context"
    title = "Yandex Cloud secret key"
    kind = "yandex-token"
    severity = "high"
    confidence = "validated"
    anchor = "yandex|yc_secret"
    anchor_nocase = true
    longest = 104
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((YC[0-9A-Za-z_-]{38}|y[0-3]_[0-9A-Za-z_-]{55,58}))\\Z"
    boundary = "token"
    reference = "https://yandex.cloud/en/docs/iam/concepts/authorization/access-key"
    example = "YANDEX_SECRET_KEY=YC<base64url:38>"
    example2 = "\"YANDEX_SECRET_KEY\": \"YC<base64url:38>\""
    counterexample = "YANDEX_SECRET_KEY=YCxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(yandex|yc_secret)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(YC[0-9A-Za-z_-]{38}|y[0-3]_[0-9A-Za-z_-]{55,58})/ nocase
  condition:
    $a
}

rule recaptcha_context {
  meta:
    id = "recaptcha-context"
    title = "reCAPTCHA secret key"
    kind = "google-token"
    severity = "high"
    confidence = "validated"
    anchor = "recaptcha"
    anchor_nocase = true
    longest = 83
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(6L[0-9A-Za-z_-]{38})\\Z"
    boundary = "token"
    reference = "https://developers.google.com/recaptcha/docs/verify"
    example = "RECAPTCHA_SECRET_KEY=6L<base64url:38>"
    example2 = "\"RECAPTCHA_SECRET_KEY\": \"6L<base64url:38>\""
    counterexample = "RECAPTCHA_SECRET_KEY=6Lxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(recaptcha)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?6L[0-9A-Za-z_-]{38}/ nocase
  condition:
    $a
}

rule azure_account_key {
  meta:
    id = "azure-account-key"
    title = "Azure account key beside its name"
    kind = "azure-key"
    severity = "high"
    confidence = "validated"
    anchor = "ccountKey|account_key|account.key|torageKey|storage_key|torageAccessKey|access_key|ccountAccessKey|batch_key|cosmos_key|atchKey|osmosKey"
    anchor_nocase = true
    longest = 211
    validator = "random"
    value = "([0-9A-Za-z+/]{86}==)\\Z"
    boundary = "base64"
    reference = "https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage"
    example = "storageAccountKey: <bytes64:64>"
    example2 = "\"AccountKey\", \"<bytes64:64>\""
    example3 = "fs.azure.account.key.data.blob.core.windows.net=<bytes64:64>"
    counterexample = "storageAccountKey: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=="
  strings:
    $a = /(account_?key|storage_?key|storage_?access_?key|account_?access_?key|batch_?key|cosmos_?key|account\.key\.[0-9a-z.]{3,80})[^0-9A-Za-z+\/]{1,24}[0-9A-Za-z+\/]{86}==/ nocase
  condition:
    $a
}
