"""Validators: offline, total and cheap judges of what a signature matched.

Each is a function from a :class:`Match` to a :class:`Verdict`, or to ``None`` where the match is not a credential.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from dumpscan.bip39 import phrase_holds
from dumpscan.checksums import (
    CISCO_TYPE7,
    base58check,
    base62,
    bech32,
    crc32_base36,
    crc32_base62,
    crc32_hex,
    marvin32,
    seed_of,
)
from dumpscan.model import Confidence, Severity
from dumpscan.plausibility import (
    base64_32,
    basic_auth,
    client_secret,
    is_placeholder,
    is_random,
    luhn_like_hex,
    mixed,
    named_token,
    plausible_password,
    random_token,
    several_cases,
    token_like,
    url_password,
    uuid_random,
)
from dumpscan.verdicts import Match, Validator, Verdict, decode_base64, proof

# ---------------------------------------------------------------- checksums


def crc_base62(match: Match) -> Verdict | None:
    """GitHub and npm: after the prefix's underscore, the last six characters are the CRC-32 of the rest, in base62."""
    body = match.value.rpartition(b"_")[2]
    return proof(len(body) > 6 and crc32_base62(body[:-6]).encode() == body[-6:], "CRC-32 in the token holds")


def prefixed_crc(match: Match) -> Verdict | None:
    """Vercel: behind a prefix of four, the last six characters are the CRC-32 of the rest, in base62."""
    body = match.value[4:]
    return proof(len(body) > 6 and crc32_base62(body[:-6]).encode() == body[-6:], "CRC-32 in the token holds")


def grafana_crc(match: Match) -> Verdict | None:
    """Grafana service account tokens: ``glsa_`` secret ``_`` CRC-32 of what stands before, in hex."""
    head, _, tail = match.value.rpartition(b"_")
    return proof(crc32_hex(head).encode() == tail.lower(), "CRC-32 in the token holds")


def gitlab_routable(match: Match) -> Verdict | None:
    """GitLab routable tokens: ``prefix payload . version . length crc``, the CRC-32 over all before it, in base 36."""
    value = match.value
    return proof(crc32_base36(value[:-7]).encode() == value[-7:], "CRC-32 in the token holds")


_AZURE_SEEDS: Mapping[bytes, tuple[str, ...]] = {
    b"+ASt": ("Default0",),
    b"+ABa": ("AbAcct00",),
    b"+AMC": ("Classic0",),
    b"+ACR": ("ACRDflt0",),
    b"+AEh": ("System00", "Unknown0", "Send0000", "Manage00", "Listen00"),
    b"+ASb": ("System00", "Unknown0", "Send0000", "Manage00", "Listen00"),
    b"+ARm": ("System00", "Unknown0", "Send0000", "Manage00", "Listen00"),
    b"AzFu": ("Master00", "System00", "Functi00"),
    b"ACDb": ("SysAll00", "Resour00", "MastRO00", "SystRO00", "Encryp00", "MastRW00", "SystRW00"),
    b"AzCa": ("Access00",),
    b"AzSe": ("Query000", "PAdmin00"),
    b"AIoT": ("IoTHub00", "DpsKey00", "Device00"),
    b"APIM": ("Tenant00", "IoTHub00", "Gatewy00", "GitKey00"),
}
"""Signature -> names of Marvin32 seeds (github.com/microsoft/security-utilities, IdentifiableMetadata)."""


def azure_key(match: Match) -> Verdict | None:
    """Azure identifiable keys: a signature before the last four bytes, which are a Marvin32 of the rest."""
    raw = decode_base64(match.value)
    if raw is None or len(raw) < 24:
        return None
    text = match.value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    signature = text[-10:-6]
    seeds = [seed_of(name) for name in _AZURE_SEEDS.get(signature, ())]
    stated = int.from_bytes(raw[-4:], "little")
    return proof(any(marvin32(raw[:-4], seed) == stated for seed in seeds), "Marvin32 checksum in the key holds")


def azure_cask(match: Match) -> Verdict | None:
    """Common annotated security keys: JQQJ99 at 52, provider at 76, a Marvin32 prefix from 80."""
    value = match.value[:84]
    raw = decode_base64(value)
    if raw is None or len(raw) != 63:
        return None
    checksum = marvin32(raw[:60], seed_of("Default0"))
    provider = value[76:80].decode("ascii", "replace")
    public = {"provider": provider}
    if raw[60:63] == checksum.to_bytes(4, "little")[:3]:
        return Verdict(Confidence.PROVEN, "Marvin32 checksum in the key holds", public=public)
    number = int.from_bytes(checksum.to_bytes(4, "little"), "big")
    if base62(number, 0).ljust(6, "0").encode().startswith(value[80:84]):
        return Verdict(Confidence.PROVEN, "Marvin32 checksum in the key holds", public=public)
    return Verdict(Confidence.VALIDATED, "signature and layout of a common annotated key", public=public)


def entra_secret(match: Match) -> Verdict | None:
    """Entra client secrets: ``8Q~`` ends in three characters of a Marvin32; ``7Q~`` has no checksum."""
    return Verdict() if is_random(match.value) and mixed(match) else None


def wif(match: Match) -> Verdict | None:
    """Bitcoin wallet import format: Base58Check of 0x80, 32 bytes, and 0x01 if compressed."""
    payload = base58check(match.value.decode("ascii", "replace"))
    if payload is None or payload[:1] not in (b"\x80", b"\xef", b"\xb0"):
        return None
    return proof(len(payload) == 33 or (len(payload) == 34 and payload[-1] == 1), "Base58Check checksum holds")


def extended_key(match: Match) -> Verdict | None:
    """BIP 32 extended private keys: Base58Check of 78 bytes, with a zero before the key."""
    payload = base58check(match.value.decode("ascii", "replace"))
    return proof(payload is not None and len(payload) == 78 and payload[45] == 0, "Base58Check checksum holds")


def bech32_key(match: Match) -> Verdict | None:
    """Bech32 text: age identities, Nostr keys."""
    return proof(bech32(match.value.decode("ascii", "replace")), "Bech32 checksum holds")


def bip39(match: Match) -> Verdict | None:
    """A BIP 39 phrase: 12 to 24 words of the list, and their checksum; without the list, their number."""
    words = match.value.decode("ascii", "replace").split()
    if len(words) not in (12, 15, 18, 21, 24) or len(set(words)) < len(words) // 2 + 2:
        return None
    holds = phrase_holds(words)
    if holds is None:
        return Verdict(Confidence.POSSIBLE, "words in the number of a BIP 39 phrase")
    return proof(holds, "BIP 39 checksum holds")


# ---------------------------------------------------------------- structure

_EMPTY_HASHES = (b"31d6cfe0d16ae931b73c59d7e0c089c0", b"aad3b435b51404eeaad3b435b51404ee")


def cisco_type7(match: Match) -> Verdict | None:
    """Cisco's type 7: two digits of offset, then a Vigenere cipher with a published key."""
    text = match.value
    if len(text) % 2 or not text[:2].isdigit() or int(text[:2]) > 15:
        return None
    try:
        hidden = bytes.fromhex(text[2:].decode("ascii", "replace"))
    except ValueError:
        return None
    plain = bytes(byte ^ CISCO_TYPE7[(int(text[:2]) + i) % len(CISCO_TYPE7)] for i, byte in enumerate(hidden))
    printable = all(0x20 < byte < 0x7F for byte in plain)
    return Verdict(Confidence.VALIDATED, "decodes to printable text") if printable and len(plain) > 2 else None


def ntlm_hash(match: Match) -> Verdict | None:
    """An NT hash that is not the hash of the empty password."""
    return None if match.value.lower() in _EMPTY_HASHES else luhn_like_hex(match)


_AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")


def aws_pair(match: Match) -> Verdict | None:
    """An AWS access key id; with a secret key within 512 characters, the pair. The id alone is public."""
    identifier = match.value
    if identifier[-7:] == b"EXAMPLE":
        return None
    public = {"access_key_id": identifier.decode("ascii", "replace")}
    if account := aws_account(identifier):
        public["account"] = account
    low, high = max(0, match.start - 512), match.end + 512
    near = [m for m in _AWS_SECRET.finditer(match.text, low, high) if _aws_secret(m[0])]
    if not near:
        return Verdict(severity=Severity.INFO, public=public, evidence="an access key id without its secret key")
    best = min(near, key=lambda m: min(abs(m.start() - match.end), abs(match.start - m.end())))
    return Verdict(
        Confidence.VALIDATED,
        "secret key next to its access key id",
        Severity.HIGH,
        public,
        best.span(),
        "aws-secret-key",
        "AWS secret access key",
    )


def _aws_secret(value: bytes) -> bool:
    if re.fullmatch(rb"[0-9a-f]{40}|[0-9A-F]{40}", value) or value.count(b"/") > 5:
        return False
    classes = all(re.search(p, value) for p in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return classes and len(set(value)) >= 16 and not is_placeholder(value)


def aws_account(identifier: bytes) -> str:
    """The account number inside an access key id; empty for ids of the old form."""
    try:
        raw = base64.b32decode(identifier[4:])
    except (binascii.Error, ValueError):
        return ""
    if identifier[4:5] < b"Q":  # ids made before 2019 do not hold the account
        return ""
    return f"{(int.from_bytes(raw[:6], 'big') & 0x7FFFFFFFFF80) >> 7:012d}"


def aws_secret(match: Match) -> Verdict | None:
    """40 characters that look like a secret access key, where the name beside them says so."""
    return Verdict() if _aws_secret(match.value) else None


def _pair(width: int, alphabet: str, kind: str, title: str) -> Validator:
    """An identifier that is public, with a secret of ``width`` characters within 512: the pair."""
    pattern = re.compile(rf"(?<![{alphabet}])[{alphabet}]{{{width}}}(?![{alphabet}=])".encode())

    def judge(match: Match) -> Verdict | None:
        if not is_random(match.value):
            return None
        public = {"id": match.value.decode("ascii", "replace")}
        low, high = max(0, match.start - 512), match.end + 512
        near = [m for m in pattern.finditer(match.text, low, high) if several_cases(m[0])]
        near = [m for m in near if m.end() <= match.start or m.start() >= match.end]
        if not near:
            return Verdict(severity=Severity.INFO, public=public, evidence="an access key id without its secret key")
        best = min(near, key=lambda m: min(abs(m.start() - match.end), abs(match.start - m.end())))
        evidence = "secret key next to its access key id"
        return Verdict(Confidence.VALIDATED, evidence, Severity.HIGH, public, best.span(), kind, title)

    return judge


def discord_bot(match: Match) -> Verdict | None:
    """Discord bot tokens: the first part is the bot's id, a snowflake, in base64."""
    decoded = decode_base64(match.value.partition(b".")[0])
    if decoded is None or not re.fullmatch(rb"\d{17,20}", decoded):
        return None
    return Verdict(Confidence.VALIDATED, "starts with a snowflake in base64", public={"bot_id": decoded.decode()})


def telegram_bot(match: Match) -> Verdict | None:
    """Telegram bot tokens: id, colon, 35 characters."""
    identifier, _, secret = match.value.partition(b":")
    return Verdict(public={"bot_id": identifier.decode("ascii", "replace")}) if is_random(secret) else None


def base64_json(match: Match) -> Verdict | None:
    """A token whose body is base64 of a JSON object."""
    body = re.split(rb"[_.]", match.value, maxsplit=1)[-1].split(b".")[0].split(b"_")[0]
    for cut in range(4):
        decoded = decode_base64(body[: len(body) - cut])
        if decoded is not None and re.match(rb'\{\s?"[\x20-\x7e]{16,}\Z', decoded):
            return Verdict(Confidence.VALIDATED, "base64 of a JSON object")
    return None


def jenkins_secret(match: Match) -> Verdict | None:
    """What ``hudson.util.Secret`` writes: version 1, the lengths of both parts, an initial value, blocks of AES."""
    raw = decode_base64(match.value) or b""
    size = int.from_bytes(raw[5:9], "big")
    whole = raw[:5] == b"\1\0\0\0\x10" and size and size % 16 == 0 and len(raw) == 25 + size
    return Verdict(evidence="lengths of the encrypted value hold") if whole and len(set(raw[9:])) > 12 else None


def json_text(match: Match) -> Verdict | None:
    """Base64, whole, of a JSON object."""
    for cut in range(4):
        decoded = decode_base64(match.value.rstrip(b"=")[: len(match.value) - cut])
        if decoded is not None and re.match(rb'\{\s?"[\x20-\x7e]{16,}\Z', decoded):
            return Verdict(Confidence.VALIDATED, "base64 of a JSON object")
    return None


def matrix_crc(match: Match) -> Verdict | None:
    """Synapse tokens: ``syt_`` local part ``_`` 20 letters ``_`` CRC-32 of all before, in base62, lower case first."""
    head, _, tail = match.value.rpartition(b"_")
    return proof(crc32_base62(head).swapcase().encode() == tail, "CRC-32 in the token holds")


def sasl_plain(match: Match) -> Verdict | None:
    """``authzid NUL user NUL password`` in base64 (RFC 4616)."""
    decoded = decode_base64(match.value)
    parts = decoded.split(b"\0") if decoded else []
    if len(parts) != 3 or not parts[1] or not parts[2] or is_placeholder(parts[2]):
        return None
    public = {"user": parts[1].decode("utf-8", "replace")[:64]}
    return Verdict(Confidence.VALIDATED, "base64 of a SASL PLAIN message", public=public, password=parts[2])


def twitter_bearer(match: Match) -> Verdict | None:
    """Application tokens of X: 20 to 22 times A, then what is random."""
    rest = match.value.lstrip(b"A")
    return Verdict() if is_random(rest) and several_cases(rest) else None


def saml(match: Match) -> Verdict | None:
    """A SAML assertion in clear: an element with an identifier, an instant, and behind it a signature or a subject."""
    if re.search(rb"[%{$]", match.value) or not re.search(rb'ID="[^"]{8,}"', match.value):
        return None
    if not re.search(rb'IssueInstant="\d{4}-\d\d-\d\dT', match.value):
        return None
    end = match.text.find(b"Assertion>", match.end)
    return Verdict(span=(match.start, end + 10)) if end > 0 else Verdict()


def kirbi(match: Match) -> Verdict | None:
    """A Kerberos credential (KRB-CRED, RFC 4120) in base64: application tag 22 around protocol version 5."""
    head = decode_base64(match.value[:32])
    good = head is not None and head[:1] == b"\x76" and b"\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x16" in head
    return Verdict(Confidence.VALIDATED, "protocol version and message type of KRB-CRED") if good else None


def nkey(match: Match) -> Verdict | None:
    """NATS nkey seeds: base32 of two prefix bytes, 32 bytes, and their CRC-16."""
    try:
        raw = base64.b32decode(match.value + b"=" * (-len(match.value) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 36:
        return None
    return proof(binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little"), "CRC-16 in the seed holds")


def base58_checked(match: Match) -> Verdict | None:
    """Base58Check of whatever prefix the rule names."""
    return proof(base58check(match.value.decode("ascii", "replace")) is not None, "Base58Check checksum holds")


VALIDATORS: Mapping[str, Validator] = {
    "alibaba-pair": _pair(30, "A-Za-z0-9", "alibaba-secret-key", "Alibaba Cloud access key secret"),
    "aws-pair": aws_pair,
    "aws-secret": aws_secret,
    "azure-cask": azure_cask,
    "azure-key": azure_key,
    "base58check": base58_checked,
    "base64-32": base64_32,
    "base64-json": base64_json,
    "basic-auth": basic_auth,
    "bech32": bech32_key,
    "bip39": bip39,
    "cisco-type7": cisco_type7,
    "client-secret": client_secret,
    "crc32-base62": crc_base62,
    "discord-bot": discord_bot,
    "entra-secret": entra_secret,
    "extended-key": extended_key,
    "gitlab-routable": gitlab_routable,
    "grafana-crc32": grafana_crc,
    "hex-random": luhn_like_hex,
    "jenkins-secret": jenkins_secret,
    "json-text": json_text,
    "kirbi": kirbi,
    "matrix-crc32": matrix_crc,
    "mixed": mixed,
    "named-token": named_token,
    "nkey": nkey,
    "ntlm-hash": ntlm_hash,
    "plausible-password": plausible_password,
    "prefixed-crc32": prefixed_crc,
    "random": random_token,
    "sasl-plain": sasl_plain,
    "saml": saml,
    "spaces-pair": _pair(43, "A-Za-z0-9+/", "digitalocean-spaces-key", "DigitalOcean Spaces secret key"),
    "telegram-bot": telegram_bot,
    "tencent-pair": _pair(32, "A-Za-z0-9", "tencent-secret-key", "Tencent Cloud secret key"),
    "token-like": token_like,
    "twitter-bearer": twitter_bearer,
    "url-password": url_password,
    "uuid4": uuid_random,
    "wif": wif,
}
"""By the name that rules use."""
