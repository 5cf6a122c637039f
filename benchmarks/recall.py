"""Recall against material of others: ``python -m benchmarks.recall RULES_DIR [--missed]``.

``RULES_DIR`` holds checkouts of other scanners, one folder each. Every example of theirs is scanned with all matchers
at the default threshold, and the result is printed as a table by family. Nothing of theirs is written anywhere. Needs
PyYAML.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.foreign_examples import Collected, Example, collect
from dumpscan.engine import Scanner
from dumpscan.matchers.base import View
from dumpscan.matchers.registry import build_matchers
from dumpscan.model import Candidate, Severity, Span
from dumpscan.plausibility import is_placeholder

FAMILIES = {
    "clouds": """
        aws amazon azure microsoft entra gcp google alibaba aliyun tencent ibm oracle digitalocean cloudflare heroku
        flyio netlify vercel render linode vultr scaleway hetzner yandex fastly softlayer supabase planetscale neon
        databricks snowflake exoscale ovh baidu huawei volcengine cloudsight wiz akamai equinix
    """,
    "identity": """
        okta auth0 jwt oauth saml onelogin clerk workos stytch keycloak jumpcloud duo authress bearer session ldap
        kerberos krb ntlm shadow htpasswd hashes pwhash bcrypt md5 netrc
    """,
    "forges and packages": """
        git bitbucket atlassian jira confluence npm pypi rubygems nuget crates cargo docker jfrog artifactory clojars
        packagist hex maven gradle sourcegraph gitea forgejo azuredevops azure_dev jreleaser codecov
    """,
    "chat": """
        slack discord telegram teams twilio zoom webex mattermost rocket intercom zendesk crisp pusher twitch vonage
        nexmo plivo sinch messagebird sendbird getstream line gitter twitter facebook instagram linkedin tiktok reddit
    """,
    "mail": """
        sendgrid mailgun mailchimp mailjet postmark brevo sendinblue mailersend resend sparkpost mandrill klaviyo smtp
        mail convertkit customerio loops elastic_email ses
    """,
    "payment": """
        stripe square paypal braintree adyen shopify plaid razorpay mollie flutterwave paystack coinbase checkout
        gocardless lemonsqueezy chargebee recurly paddle wepay kraken binance bittrex finicity alchemy infura kucoin
        bitmex etherscan finnhub dwolla monzo wise moov authorize easypost shippo duffel
    """,
    "AI": """
        openai anthropic claude huggingface hugging cohere groq mistral perplexity xai replicate together fireworks
        openrouter langchain langsmith langfuse nvidia pinecone weaviate elevenlabs stability assembly deepgram
        deepseek cerebras ollama gemini jina voyage wandb weightsand friendli tavily exa runway runpod zhipu moonshot
        qwen deepai clarifai baseten modal comet diffbot brave firecrawl apify dify coze portkey novita nebius
        typesense cursor lepton leonardo unify
    """,
    "databases and brokers": """
        mongo postgres mysql redis odbc jdbc adonet sql database amqp rabbit kafka confluent cloudant elastic couch
        cassandra influx clickhouse neo4j astra upstash turso fauna arango crate timescale tidb cockroach rds uri url
        connection credentials_in basic_auth basicauth ftp nats pulsar aiven cloudamqp ably pubnub meilisearch algolia
    """,
    "CI and infrastructure": """
        circleci travis jenkins buildkite drone harness octopus teamcity vault consul terraform nomad kube k8s
        openshift rancher doppler infisical 1password onepassword age pulumi spacelift argo ansible chef puppet
        saltstack ngrok tailscale zerotier wireguard openvpn launchdarkly configcat split flagsmith optimizely unleash
        buddy codefresh semaphore appveyor bitrise env0 scalr prefect dagster airflow airbyte fivetran dbt temporal
        hashicorp snyk sonar semgrep endor checkmarx veracode detectify shodan censys virustotal socket jetbrains
        postman localstack duckdns unkey cloudsmith fleet 1pass bitwarden keeper hcp
    """,
    "monitoring": """
        datadog newrelic new_relic grafana sentry dynatrace honeycomb posthog splunk sumo logz loggly rollbar bugsnag
        airbrake instana pagerduty opsgenie statuspage uptime pingdom betterstack logtail papertrail mixpanel
        amplitude segment heap axiom signoz lightstep appoptics raygun honeybadger logdna mezmo coralogix prometheus
        rootly signalfx statsig graphite elmah telemetry observe zabbix checkly cronitor healthchecks site24
        solarwinds xray zipkin
    """,
    "keys": """
        private pem ssh rsa pgp gpg putty ppk wif bitcoin ethereum mnemonic bip39 nostr certificate pkcs jwk xprv
        solana
    """,
    "generic": """
        generic keyword password secret username credentials entropy phpmailer base64 hardcoded api_key token http
    """,
}
"""Family -> words in the names of rules' files, tried in order."""


def family(rule: str) -> str:
    """The family of a rule by its file's name."""
    name = rule.lower().replace("-", "_")
    return next((f for f, words in FAMILIES.items() if any(w in name for w in words.split())), "other services")


REASONS = (
    (
        "the checksum in the token fails",
        r"\b(?:gh[pousr]|npm)_\w{36}|\bgl(?:sa|pat)[-_]|\bvc[piark]_|\bAGE-SECRET-KEY|\bnsec1",
    ),
    ("a stand-in: an alphabet, a run, a word", None),
    (
        "no secret: an identifier, a host, a user",
        r"(?i)(?:_id|_?url|host|user(?:name)?|domain|client_?id|_name)[\"']?\s*[:=]",
    ),
    ("a name near a value, without an assignment", None),
    ("shorter than 16 characters", None),
    ("its format, or that name, is not known", None),
)


def why(text: str) -> str:
    """The likeliest reason for which an example is not found."""
    values = re.findall(r"[0-9A-Za-z+/_=.!@#$%^&*~-]{8,}", re.sub(r"https?://\S+", "", text)) or [text]
    value = max(values, key=len)
    digits = re.search(r"\d", value)
    if re.search(str(REASONS[0][1]), text):
        return REASONS[0][0]
    tail = re.sub(r"\A.*[=]", "", value.rstrip("=")) or value
    run = re.search(r"(?i)abcdef|123456|qwerty|([0-9a-z])\1{4}|test|sample|fake|987654|a1b2c3|1a2b3c", tail)
    if run or is_placeholder(tail.encode()) or not (digits or "password" in text.lower()):
        return REASONS[1][0]
    if re.search(str(REASONS[2][1]), text):
        return REASONS[2][0]
    if not re.search(r"[:=]", text):
        return REASONS[3][0]
    return REASONS[4][0] if len(tail) < 16 else REASONS[5][0]


def found(scanner: Scanner, text: str) -> list[Candidate]:
    """What the default threshold shows of ``text``."""
    data = b"\0" + text.encode() + b"\0\0"
    view = View(memoryview(data), (Span(0, len(data)),))
    evidence = scanner.evidence(view, Counter(), [])
    return [c for c in evidence if isinstance(c, Candidate) and c.severity >= Severity.LOW]


def table(collected: Collected, scanner: Scanner) -> tuple[list[str], list[Example], list[Example]]:
    """The lines of the table, the positive examples that are missed, and the negative ones that are flagged."""
    counts: Counter[tuple[str, str]] = Counter()
    missed: list[Example] = []
    flagged: list[Example] = []
    for example in dict.fromkeys(collected.examples):
        hit = bool(found(scanner, example.text))
        name = family(example.rule)
        counts[name, "positive" if example.positive else "negative"] += 1
        if example.positive and not hit:
            missed.append(example)
        if hit:
            counts[name, "found" if example.positive else "flagged"] += 1
            if not example.positive:
                flagged.append(example)
    return list(_lines(counts, [*FAMILIES, "other services"])), missed, flagged


def _lines(counts: Counter[tuple[str, str]], names: Iterable[str]) -> Iterator[str]:
    yield "| family | examples | found | | negative examples | flagged |"
    yield "|---|---|---|---|---|---|"
    columns = ("positive", "found", "negative", "flagged")
    rows = [(name, *(counts[name, column] for column in columns)) for name in names]
    total = ("all", *(sum(int(row[i]) for row in rows) for i in range(1, 5)))
    for name, positive, hit, negative, wrong in (*rows, total):
        share = f"{100 * int(hit) / int(positive):.0f} %" if positive else ""
        yield f"| {name} | {positive} | {hit} | {share} | {negative} | {wrong} |"


def main(arguments: list[str]) -> None:
    """Print the table, and with ``--missed`` the rules of what is missed or flagged (to the terminal only)."""
    collected = collect(Path(arguments[0]))
    scanner = Scanner(build_matchers())
    lines, missed, flagged = table(collected, scanner)
    print("\n".join(lines))
    print("\n| missed because | examples | of services without a family |\n|---|---|---|")
    reasons = Counter(why(e.text) for e in missed)
    others = Counter(why(e.text) for e in missed if family(e.rule) == "other services")
    for reason, _ in REASONS:
        print(f"| {reason} | {reasons[reason]} | {others[reason]} |")
    print(f"\n{collected.skipped} expressions could not be evaluated")
    for scanner_name, count in sorted(Counter(e.scanner for e in collected.examples).items()):
        print(f"{scanner_name}: {count} examples")
    if "--missed" in arguments:
        for label, examples in (("missed", missed), ("flagged", flagged)):
            for example in examples:
                print(f"{label}\t{why(example.text)}\t{example.scanner}\t{example.rule}\t{example.text!r}"[:400])


if __name__ == "__main__":
    main(sys.argv[1:])
