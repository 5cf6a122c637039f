rule openai_project_key {
  meta:
    id = "openai-project-key"
    title = "OpenAI API key"
    kind = "openai-token"
    severity = "high"
    confidence = "validated"
    anchor = "T3BlbkFJ"
    longest = 167
    validator = "random"
    boundary = "token"
    reference = "https://platform.openai.com/docs/api-reference/authentication"
    example = "sk-proj-<base64url:74>T3BlbkFJ<base64url:74>"
    example2 = "sk-<base62:20>T3BlbkFJ<base62:20>"
    counterexample = "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxT3BlbkFJxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sk-(proj-|svcacct-|admin-|None-)?[0-9A-Za-z_-]{20,74}T3BlbkFJ[0-9A-Za-z_-]{20,74}/
  condition:
    $a
}

rule anthropic_key {
  meta:
    id = "anthropic-key"
    title = "Anthropic API key"
    kind = "anthropic-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-ant-"
    longest = 135
    validator = "random"
    boundary = "token"
    reference = "https://docs.anthropic.com/en/api/overview"
    example = "sk-ant-api03-<base64url:93>AA"
    counterexample = "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxAA"
  strings:
    $a = /sk-ant-(api|admin|sid|oat|ort)[0-9]{2}-[0-9A-Za-z_-]{80,120}/
  condition:
    $a
}

rule huggingface_token {
  meta:
    id = "huggingface-token"
    title = "Hugging Face access token"
    kind = "huggingface-token"
    severity = "high"
    confidence = "validated"
    anchor = "hf_a|hf_b|hf_c|hf_d|hf_e|hf_f|hf_g|hf_h|hf_i|hf_j|hf_k|hf_l|hf_m|hf_n|hf_o|hf_p|hf_q|hf_r|hf_s|hf_t|hf_u|hf_v|hf_w|hf_x|hf_y|hf_z|hf_A|hf_B|hf_C|hf_D|hf_E|hf_F|hf_G|hf_H|hf_I|hf_J|hf_K|hf_L|hf_M|hf_N|hf_O|hf_P|hf_Q|hf_R|hf_S|hf_T|hf_U|hf_V|hf_W|hf_X|hf_Y|hf_Z"
    longest = 37
    validator = "random"
    reference = "https://huggingface.co/docs/hub/security-tokens"
    example = "hf_<letters:34>"
    counterexample = "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /hf_[A-Za-z]{34}/
  condition:
    $a
}

rule huggingface_org_token {
  meta:
    id = "huggingface-org-token"
    title = "Hugging Face organization token"
    kind = "huggingface-token"
    severity = "high"
    confidence = "validated"
    anchor = "api_org_"
    longest = 42
    validator = "random"
    reference = "https://huggingface.co/docs/hub/security-tokens"
    example = "api_org_<letters:34>"
    counterexample = "api_org_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /api_org_[A-Za-z]{34}/
  condition:
    $a
}

rule groq_key {
  meta:
    id = "groq-key"
    title = "Groq API key"
    kind = "groq-token"
    severity = "high"
    confidence = "validated"
    anchor = "gsk_"
    longest = 56
    validator = "random"
    reference = "https://console.groq.com/docs/quickstart"
    example = "gsk_<base62:52>"
    counterexample = "gsk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /gsk_[0-9A-Za-z]{52}/
  condition:
    $a
}

rule perplexity_key {
  meta:
    id = "perplexity-key"
    title = "Perplexity API key"
    kind = "perplexity-token"
    severity = "high"
    confidence = "validated"
    anchor = "pplx-"
    longest = 53
    validator = "random"
    reference = "https://docs.perplexity.ai/guides/getting-started"
    example = "pplx-<base62:48>"
    counterexample = "pplx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pplx-[0-9A-Za-z]{48}/
  condition:
    $a
}

rule xai_key {
  meta:
    id = "xai-key"
    title = "xAI API key"
    kind = "xai-token"
    severity = "high"
    confidence = "validated"
    anchor = "xai-"
    longest = 84
    validator = "random"
    reference = "https://docs.x.ai/docs/tutorial"
    example = "xai-<base62:80>"
    counterexample = "xai-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /xai-[0-9A-Za-z_-]{80}/
  condition:
    $a
}

rule openrouter_key {
  meta:
    id = "openrouter-key"
    title = "OpenRouter API key"
    kind = "openrouter-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-or-v1-"
    longest = 73
    validator = "hex-random"
    reference = "https://openrouter.ai/docs/api-reference/authentication"
    example = "sk-or-v1-<hex:64>"
    counterexample = "sk-or-v1-0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /sk-or-v1-[0-9a-f]{64}/
  condition:
    $a
}

rule langsmith_key {
  meta:
    id = "langsmith-key"
    title = "LangSmith API key"
    kind = "langsmith-token"
    severity = "high"
    confidence = "validated"
    anchor = "lsv2_"
    longest = 51
    validator = "random"
    reference = "https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key"
    example = "lsv2_pt_<hex:32>_<hex:10>"
    counterexample = "lsv2_pt_00000000000000000000000000000000_0000000000"
  strings:
    $a = /lsv2_(pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}/
  condition:
    $a
}

rule nvidia_key {
  meta:
    id = "nvidia-key"
    title = "NVIDIA API key"
    kind = "nvidia-token"
    severity = "high"
    confidence = "validated"
    anchor = "nvapi-"
    longest = 70
    validator = "random"
    boundary = "token"
    reference = "https://docs.nvidia.com/nim/"
    example = "nvapi-<base64url:64>"
    counterexample = "nvapi-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /nvapi-[0-9A-Za-z_-]{64}/
  condition:
    $a
}

rule tavily_key {
  meta:
    id = "tavily-key"
    title = "Tavily API key"
    kind = "tavily-token"
    severity = "high"
    confidence = "validated"
    anchor = "tvly-"
    longest = 42
    validator = "random"
    reference = "https://docs.tavily.com/documentation/api-reference/introduction"
    example = "tvly-<base62:32>"
    counterexample = "tvly-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /tvly-(dev-|prod-)?[0-9A-Za-z]{32}/
  condition:
    $a
}

rule pinecone_key {
  meta:
    id = "pinecone-key"
    title = "Pinecone API key"
    kind = "pinecone-token"
    severity = "high"
    confidence = "validated"
    anchor = "pcsk_"
    longest = 86
    validator = "random"
    reference = "https://docs.pinecone.io/guides/projects/manage-api-keys"
    example = "pcsk_<base62:5>_<base62:64>"
    counterexample = "pcsk_xxxxx_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pcsk_[0-9A-Za-z]{4,8}_[0-9A-Za-z]{60,72}/
  condition:
    $a
}

rule cerebras_key {
  meta:
    id = "cerebras-key"
    title = "Cerebras API key"
    kind = "cerebras-token"
    severity = "high"
    confidence = "validated"
    anchor = "csk-"
    longest = 52
    validator = "random"
    reference = "https://inference-docs.cerebras.ai/quickstart"
    example = "csk-<lownum:48>"
    counterexample = "csk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /csk-[0-9a-z]{48}/
  condition:
    $a
}

rule together_key {
  meta:
    id = "together-key"
    title = "Together AI API key"
    kind = "together-token"
    severity = "high"
    confidence = "validated"
    anchor = "tgp_v1_"
    longest = 50
    validator = "random"
    boundary = "token"
    reference = "https://docs.together.ai/reference/authentication-1"
    example = "tgp_v1_<base64url:43>"
    counterexample = "tgp_v1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /tgp_v1_[0-9A-Za-z_-]{43}/
  condition:
    $a
}

rule replicate_token {
  meta:
    id = "replicate-token"
    title = "Replicate API token"
    kind = "replicate-token"
    severity = "high"
    confidence = "validated"
    anchor = "r8_0|r8_1|r8_2|r8_3|r8_4|r8_5|r8_6|r8_7|r8_8|r8_9|r8_A|r8_B|r8_C|r8_D|r8_E|r8_F|r8_G|r8_H|r8_I|r8_J|r8_K|r8_L|r8_M|r8_N|r8_O|r8_P|r8_Q|r8_R|r8_S|r8_T|r8_U|r8_V|r8_W|r8_X|r8_Y|r8_Z|r8_a|r8_b|r8_c|r8_d|r8_e|r8_f|r8_g|r8_h|r8_i|r8_j|r8_k|r8_l|r8_m|r8_n|r8_o|r8_p|r8_q|r8_r|r8_s|r8_t|r8_u|r8_v|r8_w|r8_x|r8_y|r8_z"
    longest = 40
    validator = "random"
    reference = "https://replicate.com/docs/topics/security/api-tokens"
    example = "r8_<base62:37>"
    counterexample = "r8_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /r8_[0-9A-Za-z]{37}/
  condition:
    $a
}

rule langfuse_key {
  meta:
    id = "langfuse-key"
    title = "Langfuse secret key"
    kind = "langfuse-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-lf-"
    longest = 42
    validator = "random"
    reference = "https://langfuse.com/docs/api-and-data-platform/features/public-api"
    example = "sk-lf-<uuid4>"
    counterexample = "sk-lf-00000000-0000-0000-0000-000000000000"
  strings:
    $a = /sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  condition:
    $a
}

rule jina_key {
  meta:
    id = "jina-key"
    title = "Jina AI API key"
    kind = "jina-token"
    severity = "high"
    confidence = "validated"
    anchor = "jina_"
    longest = 65
    validator = "random"
    boundary = "token"
    reference = "https://jina.ai/embeddings/"
    example = "jina_<hex:32><base64url:28>"
    counterexample = "jina_00000000000000000000000000000000xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /jina_[0-9a-f]{32}[0-9A-Za-z_-]{28}/
  condition:
    $a
}

rule apify_token {
  meta:
    id = "apify-token"
    title = "Apify API token"
    kind = "apify-token"
    severity = "high"
    confidence = "validated"
    anchor = "apify_api_"
    longest = 46
    validator = "random"
    reference = "https://docs.apify.com/platform/integrations/api"
    example = "apify_api_<base62:36>"
    counterexample = "apify_api_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /apify_api_[0-9A-Za-z]{36}/
  condition:
    $a
}

rule runpod_key {
  meta:
    id = "runpod-key"
    title = "RunPod API key"
    kind = "runpod-token"
    severity = "high"
    confidence = "validated"
    anchor = "rpa_"
    longest = 54
    validator = "random"
    reference = "https://docs.runpod.io/get-started/api-keys"
    example = "rpa_<upnum:46>"
    counterexample = "rpa_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
  strings:
    $a = /rpa_[0-9A-Z]{40,50}/
  condition:
    $a
}

rule e2b_key {
  meta:
    id = "e2b-key"
    title = "E2B API key"
    kind = "e2b-token"
    severity = "high"
    confidence = "validated"
    anchor = "e2b_"
    longest = 44
    validator = "hex-random"
    reference = "https://e2b.dev/docs/api-key"
    example = "e2b_<hex:40>"
    counterexample = "e2b_0000000000000000000000000000000000000000"
  strings:
    $a = /e2b_[0-9a-f]{40}/
  condition:
    $a
}

rule llamacloud_key {
  meta:
    id = "llamacloud-key"
    title = "LlamaCloud API key"
    kind = "llamacloud-token"
    severity = "high"
    confidence = "validated"
    anchor = "llx-"
    longest = 52
    validator = "random"
    reference = "https://docs.cloud.llamaindex.ai/api_key"
    example = "llx-<base62:48>"
    counterexample = "llx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /llx-[0-9A-Za-z]{48}/
  condition:
    $a
}

rule helicone_key {
  meta:
    id = "helicone-key"
    title = "Helicone API key"
    kind = "helicone-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-helicone-"
    longest = 43
    validator = "random"
    boundary = "token"
    reference = "https://docs.helicone.ai/getting-started/quick-start"
    example = "sk-helicone-<lownum:7>-<lownum:7>-<lownum:7>-<lownum:7>"
    counterexample = "sk-helicone-xxxxxxx-xxxxxxx-xxxxxxx-xxxxxxx"
  strings:
    $a = /sk-helicone-[0-9a-z]{7}-[0-9a-z]{7}-[0-9a-z]{7}-[0-9a-z]{7}/
  condition:
    $a
}

rule logfire_token {
  meta:
    id = "logfire-token"
    title = "Pydantic Logfire token"
    kind = "logfire-token"
    severity = "high"
    confidence = "validated"
    anchor = "pylf_v"
    longest = 59
    validator = "random"
    reference = "https://logfire.pydantic.dev/docs/how-to-guides/create-write-tokens/"
    example = "pylf_v1_us_<base62:44>"
    counterexample = "pylf_v1_us_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /pylf_v[0-9]_[a-z]{2}_[0-9A-Za-z]{40,48}/
  condition:
    $a
}

rule friendli_token {
  meta:
    id = "friendli-token"
    title = "Friendli token"
    kind = "friendli-token"
    severity = "high"
    confidence = "validated"
    anchor = "flp_"
    longest = 50
    validator = "random"
    reference = "https://friendli.ai/docs/guides/personal_access_tokens"
    example = "flp_<base62:46>"
    counterexample = "flp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /flp_[0-9A-Za-z]{46}/
  condition:
    $a
}

rule letta_key {
  meta:
    id = "letta-key"
    title = "Letta API key"
    kind = "letta-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-let-"
    longest = 207
    validator = "random"
    boundary = "base64"
    reference = "https://docs.letta.com/api-reference/overview"
    example = "sk-let-<base62:60>"
    counterexample = "sk-let-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sk-let-[0-9A-Za-z+\/=]{40,200}/
  condition:
    $a
}

rule minimax_key {
  meta:
    id = "minimax-key"
    title = "MiniMax API key"
    kind = "minimax-token"
    severity = "high"
    confidence = "validated"
    anchor = "sk-api-"
    longest = 147
    validator = "random"
    boundary = "token"
    reference = "https://platform.minimax.io/docs/api-reference/api-overview"
    example = "sk-api-<base64url:112>"
    counterexample = "sk-api-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /sk-api-[0-9A-Za-z_-]{80,140}/
  condition:
    $a
}

rule wandb_key {
  meta:
    id = "wandb-key"
    title = "Weights & Biases API key"
    kind = "wandb-token"
    severity = "high"
    confidence = "validated"
    anchor = "wandb_v1_"
    longest = 99
    validator = "random"
    reference = "https://docs.wandb.ai/support/find_api_key"
    example = "wandb_v1_<base62:76>"
    counterexample = "wandb_v1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /wandb_v1_[0-9A-Za-z_]{70,90}/
  condition:
    $a
}

rule sk_compatible_key {
  meta:
    id = "sk-compatible-key"
    title = "API key of an OpenAI-compatible provider"
    kind = "api-key"
    severity = "high"
    confidence = "validated"
    anchor = "Bearer sk-|\"sk-|'sk-|=sk-| sk-"
    longest = 68
    validator = "mixed"
    value = "(sk-.+)"
    boundary = "token"
    reference = "https://api-docs.deepseek.com/"
    example = " sk-<hex:32>"
    counterexample = " sk-00000000000000000000000000000000"
  strings:
    $a = /[ \"'=]sk-[0-9A-Za-z]{32,64}/
  condition:
    $a
}

rule modal_secret {
  meta:
    id = "modal-secret"
    title = "Modal token secret"
    kind = "modal-token"
    severity = "high"
    confidence = "validated"
    anchor = "as-A|as-B|as-C|as-D|as-E|as-F|as-G|as-H|as-I|as-J|as-K|as-L|as-M|as-N|as-O|as-P|as-Q|as-R|as-S|as-T|as-U|as-V|as-W|as-X|as-Y|as-Z"
    longest = 25
    validator = "mixed"
    boundary = "token"
    reference = "https://modal.com/docs/reference/modal.config"
    example = "as-<upper:1><base62:21>"
    counterexample = "as-Xxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /as-[A-Z][0-9A-Za-z]{21}/
  condition:
    $a
}

rule cursor_key {
  meta:
    id = "cursor-key"
    title = "Cursor API key"
    kind = "cursor-token"
    severity = "high"
    confidence = "validated"
    anchor = "key_"
    longest = 68
    validator = "hex-random"
    reference = "https://docs.cursor.com/account/teams/admin-api"
    example = "key_<hex:64>"
    counterexample = "key_0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /key_[0-9a-f]{64}/
  condition:
    $a
}

rule fal_key {
  meta:
    id = "fal-key"
    title = "fal key"
    kind = "fal-token"
    severity = "high"
    confidence = "validated"
    anchor = "FAL_KEY|fal-key|Key "
    longest = 81
    validator = "hex-random"
    value = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{32})"
    reference = "https://docs.fal.ai/authentication/key-based"
    example = "FAL_KEY=<uuid4>:<hex:32>"
    counterexample = "FAL_KEY=00000000-0000-0000-0000-000000000000:00000000000000000000000000000000"
  strings:
    $a = /(FAL_KEY[\"']?[ ]?[:=][ ]?[\"']?|Key )[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{32}/
  condition:
    $a
}

rule cohere_context {
  meta:
    id = "cohere-context"
    title = "Cohere API key"
    kind = "cohere-token"
    severity = "high"
    confidence = "validated"
    anchor = "cohere|co_api_key"
    anchor_nocase = true
    longest = 84
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{40})\\Z"
    boundary = "token"
    reference = "https://docs.cohere.com/reference/about"
    example = "COHERE_API_KEY=<base62:40>"
    example2 = "\"COHERE_API_KEY\": \"<base62:40>\""
    counterexample = "COHERE_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(cohere|co_api_key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{40}/ nocase
  condition:
    $a
}

rule mistral_context {
  meta:
    id = "mistral-context"
    title = "Mistral AI API key"
    kind = "mistral-token"
    severity = "high"
    confidence = "validated"
    anchor = "mistral"
    anchor_nocase = true
    longest = 73
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9A-Za-z]{32})\\Z"
    boundary = "token"
    reference = "https://docs.mistral.ai/getting-started/quickstart/"
    example = "MISTRAL_API_KEY=<base62:32>"
    example2 = "\"MISTRAL_API_KEY\": \"<base62:32>\""
    counterexample = "MISTRAL_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(mistral)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9A-Za-z]{32}/ nocase
  condition:
    $a
}

rule elevenlabs_context {
  meta:
    id = "elevenlabs-context"
    title = "ElevenLabs API key"
    kind = "elevenlabs-token"
    severity = "high"
    confidence = "validated"
    anchor = "elevenlabs|xi-api-key|xi_api_key|eleven_api_key"
    anchor_nocase = true
    longest = 99
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((sk_[0-9a-f]{48}|[0-9a-f]{32}))\\Z"
    boundary = "token"
    reference = "https://elevenlabs.io/docs/api-reference/authentication"
    example = "ELEVENLABS_API_KEY=sk_<hex:48>"
    example2 = "\"ELEVENLABS_API_KEY\": \"sk_<hex:48>\""
    counterexample = "ELEVENLABS_API_KEY=sk_000000000000000000000000000000000000000000000000"
  strings:
    $a = /(elevenlabs|xi-api-key|xi_api_key|eleven_api_key)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(sk_[0-9a-f]{48}|[0-9a-f]{32})/ nocase
  condition:
    $a
}

rule assemblyai_context {
  meta:
    id = "assemblyai-context"
    title = "AssemblyAI API key"
    kind = "assemblyai-token"
    severity = "high"
    confidence = "validated"
    anchor = "assemblyai|assembly_ai"
    anchor_nocase = true
    longest = 77
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://www.assemblyai.com/docs/api-reference/overview"
    example = "ASSEMBLYAI_API_KEY=<hex:32>"
    example2 = "\"ASSEMBLYAI_API_KEY\": \"<hex:32>\""
    counterexample = "ASSEMBLYAI_API_KEY=00000000000000000000000000000000"
  strings:
    $a = /(assemblyai|assembly_ai)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule deepgram_context {
  meta:
    id = "deepgram-context"
    title = "Deepgram API key"
    kind = "deepgram-token"
    severity = "high"
    confidence = "validated"
    anchor = "deepgram"
    anchor_nocase = true
    longest = 82
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://developers.deepgram.com/docs/create-additional-api-keys"
    example = "DEEPGRAM_API_KEY=<hex:40>"
    example2 = "\"DEEPGRAM_API_KEY\": \"<hex:40>\""
    counterexample = "DEEPGRAM_API_KEY=0000000000000000000000000000000000000000"
  strings:
    $a = /(deepgram)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule voyage_context {
  meta:
    id = "voyage-context"
    title = "Voyage AI API key"
    kind = "voyage-token"
    severity = "high"
    confidence = "validated"
    anchor = "voyage"
    anchor_nocase = true
    longest = 86
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?((pa|al)-[0-9A-Za-z_-]{43})\\Z"
    boundary = "token"
    reference = "https://docs.voyageai.com/docs/api-key-and-installation"
    example = "VOYAGE_API_KEY=pa-<base64url:43>"
    example2 = "\"VOYAGE_API_KEY\": \"pa-<base64url:43>\""
    counterexample = "VOYAGE_API_KEY=pa-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(voyage)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?(pa|al)-[0-9A-Za-z_-]{43}/ nocase
  condition:
    $a
}

rule fireworks_context {
  meta:
    id = "fireworks-context"
    title = "Fireworks AI API key"
    kind = "fireworks-token"
    severity = "high"
    confidence = "validated"
    anchor = "fireworks"
    anchor_nocase = true
    longest = 70
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(fw_[0-9A-Za-z]{22,24})\\Z"
    boundary = "token"
    reference = "https://docs.fireworks.ai/api-reference/introduction"
    example = "FIREWORKS_API_KEY=fw_<base62:24>"
    example2 = "\"FIREWORKS_API_KEY\": \"fw_<base62:24>\""
    counterexample = "FIREWORKS_API_KEY=fw_xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(fireworks)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?fw_[0-9A-Za-z]{22,24}/ nocase
  condition:
    $a
}

rule firecrawl_context {
  meta:
    id = "firecrawl-context"
    title = "Firecrawl API key"
    kind = "firecrawl-token"
    severity = "high"
    confidence = "validated"
    anchor = "firecrawl"
    anchor_nocase = true
    longest = 78
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(fc-[0-9a-f]{32})\\Z"
    boundary = "token"
    reference = "https://docs.firecrawl.dev/introduction"
    example = "FIRECRAWL_API_KEY=fc-<hex:32>"
    example2 = "\"FIRECRAWL_API_KEY\": \"fc-<hex:32>\""
    counterexample = "FIRECRAWL_API_KEY=fc-00000000000000000000000000000000"
  strings:
    $a = /(firecrawl)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?fc-[0-9a-f]{32}/ nocase
  condition:
    $a
}

rule wandb_legacy_context {
  meta:
    id = "wandb-legacy-context"
    title = "Weights & Biases API key"
    kind = "wandb-token"
    severity = "high"
    confidence = "validated"
    anchor = "wandb|weightsandbiases"
    anchor_nocase = true
    longest = 90
    validator = "hex-random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{40})\\Z"
    boundary = "token"
    reference = "https://docs.wandb.ai/support/find_api_key"
    example = "WANDB_API_KEY=<hex:40>"
    example2 = "\"WANDB_API_KEY\": \"<hex:40>\""
    counterexample = "WANDB_API_KEY=0000000000000000000000000000000000000000"
  strings:
    $a = /(wandb|weightsandbiases)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{40}/ nocase
  condition:
    $a
}

rule brave_context {
  meta:
    id = "brave-context"
    title = "Brave Search API key"
    kind = "brave-token"
    severity = "high"
    confidence = "validated"
    anchor = "brave|x-subscription-token"
    anchor_nocase = true
    longest = 85
    validator = "mixed"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?(BSA[0-9A-Za-z_-]{27,28})\\Z"
    boundary = "token"
    reference = "https://api-dashboard.search.brave.com/documentation"
    example = "X-Subscription-Token=BSA<base64url:28>"
    example2 = "\"X-Subscription-Token\": \"BSA<base64url:28>\""
    counterexample = "X-Subscription-Token=BSAxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(brave|x-subscription-token)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?BSA[0-9A-Za-z_-]{27,28}/ nocase
  condition:
    $a
}

rule devin_key {
  meta:
    id = "devin-key"
    title = "Devin API key"
    kind = "devin-token"
    severity = "high"
    confidence = "validated"
    anchor = "cog_"
    longest = 56
    validator = "mixed"
    reference = "https://docs.devin.ai/api-reference/authentication"
    example = "cog_<base32low:52>"
    counterexample = "cog_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /cog_[a-z2-7]{52}/
  condition:
    $a
}

rule devin_personal_key {
  meta:
    id = "devin-personal-key"
    title = "Devin personal API key"
    kind = "devin-token"
    severity = "high"
    confidence = "validated"
    anchor = "apk_user_dXNlci"
    longest = 260
    validator = "random"
    reference = "https://docs.devin.ai/api-reference/authentication"
    example = "apk_user_dXNlci0<base62:140>"
    counterexample = "apk_user_dXNlci0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /apk_user_dXNlci[0-9A-Za-z+\/_-]{50,240}={0,2}/
  condition:
    $a
}

rule zhipu_context {
  meta:
    id = "zhipu-context"
    title = "Z.ai API key"
    kind = "zhipu-token"
    severity = "high"
    confidence = "validated"
    anchor = "zhipu|zai_api|glm_api|bigmodel"
    anchor_nocase = true
    longest = 91
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32}\\.[0-9A-Za-z]{16})\\Z"
    boundary = "token"
    reference = "https://docs.z.ai/api-reference/introduction"
    example = "ZHIPUAI_API_KEY=<hex:32>.<base62:16>"
    example2 = "\"ZHIPUAI_API_KEY\": \"<hex:32>.<base62:16>\""
    counterexample = "ZHIPUAI_API_KEY=00000000000000000000000000000000.xxxxxxxxxxxxxxxx"
  strings:
    $a = /(zhipu|zai_api|glm_api|bigmodel)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}\.[0-9A-Za-z]{16}/ nocase
  condition:
    $a
}

rule ollama_context {
  meta:
    id = "ollama-context"
    title = "Ollama API key"
    kind = "ollama-token"
    severity = "high"
    confidence = "validated"
    anchor = "ollama"
    anchor_nocase = true
    longest = 97
    validator = "random"
    value = "\\A(?i:(?![^:=,]*id[\\\"']?[ \\t]{0,3}[:=,])).*?[:=>,][ \\t]*[\\\"']?([0-9a-f]{32}\\.[0-9A-Za-z_-]{24})\\Z"
    boundary = "token"
    reference = "https://docs.ollama.com/cloud"
    example = "OLLAMA_API_KEY=<hex:32>.<base62:24>"
    example2 = "\"OLLAMA_API_KEY\": \"<hex:32>.<base62:24>\""
    counterexample = "OLLAMA_API_KEY=00000000000000000000000000000000.xxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /(ollama)[0-9a-z_.-]{0,24}[\"']?[ \t]{0,3}(=>|:=|=|:|,)[ \t]{0,3}[\"']?[0-9a-f]{32}\.[0-9A-Za-z_-]{24}/ nocase
  condition:
    $a
}
