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
    $a = /xai-[0-9A-Za-z]{80}/
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
