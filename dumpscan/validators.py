"""Validators: offline, total and cheap judges of what a signature matched.

Each is a function from a :class:`Match` to a :class:`Verdict`, or to ``None`` where the match is not a credential.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from dumpscan.checksums import base58check, base62, bech32, crc32_base36, crc32_base62, crc32_hex, marvin32, seed_of
from dumpscan.model import Confidence, Severity


@dataclass(frozen=True, slots=True)
class Match:
    """A value at ``[start, end)`` of ``text``, which holds what stands around it; all decoded to ASCII."""

    text: bytes = field(repr=False)
    start: int
    end: int

    @property
    def value(self) -> bytes:
        return self.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator found out; a field that is ``None`` leaves what the signature states.

    ``span`` moves the secret within ``Match.text``; ``kind`` and ``title`` name what it turned out to be.
    """

    confidence: Confidence | None = None
    evidence: str = ""
    severity: Severity | None = None
    public: Mapping[str, str] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    kind: str | None = None
    title: str | None = None


Validator = Callable[[Match], Verdict | None]
_PROVEN = Confidence.PROVEN


def _proof(holds: bool, evidence: str) -> Verdict | None:
    return Verdict(_PROVEN, evidence) if holds else None


def decode_base64(value: bytes) -> bytes | None:
    """Decode base64 of either alphabet, padded or not; ``None`` if that is not what it is."""
    text = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    if len(text) % 4 == 1:
        return None
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


# ---------------------------------------------------------------- plausibility

_PLACEHOLDER = re.compile(
    rb"example|placeholder|changeme|change_me|redacted|your[-_ ]?(?:api|key|token|secret|pass|own|access|account|app)"
    rb"|insert|replace[-_ ]?(?:me|with)|xxxx|\*\*\*|\.\.\.|<[a-z_ -]+>|\$\{|\{\{|\$\(|%[sdxv]|dummy|foobar|deadbeef",
    re.I,
)


def is_placeholder(value: bytes) -> bool:
    """Whether ``value`` stands for a secret rather than being one: a template, a run, one character repeated."""
    if _PLACEHOLDER.search(value):
        return True
    if len(value) < 8:
        return len(set(value)) < 3
    tail = value[-max(12, len(value) // 2) :]
    if max(Counter(tail).values()) * 2 > len(tail):
        return True
    steps = sum(1 for a, b in pairwise(tail) if b - a in (1, -1, 0))
    return steps * 10 >= (len(tail) - 1) * 6


def is_random(value: bytes) -> bool:
    """Whether ``value`` has the variety of a machine-made token: refuses words, identifiers and padding."""
    distinct = len(set(value))
    return distinct >= min(12, max(5, len(value) // 3)) and not is_placeholder(value)


def mixed(match: Match) -> Verdict | None:
    """Letters of both cases or digits among them: not a word, not an identifier in one case."""
    value = match.value
    classes = sum(bool(re.search(p, value)) for p in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return Verdict() if classes >= 2 and re.search(rb"[0-9]", value) and is_random(value) else None


def random_token(match: Match) -> Verdict | None:
    """A machine-made token, whatever its alphabet."""
    return Verdict() if is_random(match.value) else None


_CODE = re.compile(
    rb"[(){}<>;`\\]|\$[A-Za-z_{(]|%[(sdxvl{]|^[./~]|://|^(?:null|none|nil|true|false|undefined|string|bool|int|str)\b"
    rb"|self\.|this\.|args\.|\.(?:get|env|format|py|js|c|h|cc|go|java|json|html|com|org)\b|^@|^&|^--"
    rb"|\w\[|environ|password|passwd|secret",
    re.I,
)


def plausible_password(match: Match) -> Verdict | None:
    """A password by its looks: of mixed characters, and nothing that code or a manual would write there."""
    value = match.value
    if len(value) < 6 or _CODE.search(value) or is_placeholder(value):
        return None
    digit = re.search(rb"[0-9]", value)
    letter = re.search(rb"[A-Za-z]", value)
    other = re.search(rb"[^A-Za-z0-9_.-]", value)
    both = re.search(rb"[a-z]", value) and re.search(rb"[A-Z]", value)
    if not letter or not (digit or other) or len(set(value)) < 5:
        return None
    if re.fullmatch(rb"[0-9a-f]{1,2}(?:[:.][0-9a-f]{1,2})+|v?\d+(?:\.\d+)+\S{0,8}|[A-Za-z]+[-_.]?\d{1,2}", value, re.I):
        return None if len(value) < 7 or not both else Verdict()
    return Verdict()


def url_password(match: Match) -> Verdict | None:
    """The password of a URL: not a template, not the words that manuals use."""
    value = match.value
    if _PLACEHOLDER.search(value) or re.search(rb"[<>{}$`\\\"'|^]|%s", value):
        return None
    if re.fullmatch(
        rb"(?i)pass(?:word|wd)?\d{0,4}|pw|pwd|secret|user(?:name)?|token|x-oauth-basic|port|[a-z]|\d{1,5}", value
    ):
        return None
    return Verdict() if len(set(value)) > 2 else None


def basic_auth(match: Match) -> Verdict | None:
    """``user:password`` in base64 (RFC 7617)."""
    decoded = decode_base64(match.value)
    if decoded is None or not re.fullmatch(rb"[\x20-\x7e]{0,128}:[\x20-\x7e]{1,256}", decoded):
        return None
    user, _, password = decoded.partition(b":")
    if is_placeholder(password) and len(password) > 3:
        return None
    return Verdict(Confidence.VALIDATED, "base64 of user:password", public={"user": user.decode("ascii")[:64]})


def uuid_random(match: Match) -> Verdict | None:
    """A random (version 4) UUID."""
    ok = re.fullmatch(
        rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}", match.value
    )
    return Verdict() if ok and is_random(match.value) else None


def base64_32(match: Match) -> Verdict | None:
    """Base64 of 32 random-looking bytes."""
    decoded = decode_base64(match.value)
    return Verdict() if decoded is not None and len(decoded) == 32 and len(set(decoded)) > 16 else None


# ---------------------------------------------------------------- checksums


def crc_base62(match: Match) -> Verdict | None:
    """GitHub and npm: after the prefix's underscore, the last six characters are the CRC-32 of the rest, in base62."""
    body = match.value.rpartition(b"_")[2]
    return _proof(len(body) > 6 and crc32_base62(body[:-6]).encode() == body[-6:], "CRC-32 in the token holds")


def grafana_crc(match: Match) -> Verdict | None:
    """Grafana service account tokens: ``glsa_`` secret ``_`` CRC-32 of what stands before, in hex."""
    head, _, tail = match.value.rpartition(b"_")
    return _proof(crc32_hex(head).encode() == tail.lower(), "CRC-32 in the token holds")


def gitlab_routable(match: Match) -> Verdict | None:
    """GitLab routable tokens: ``prefix payload . version . length crc``, the CRC-32 over all before it, in base 36."""
    value = match.value
    return _proof(crc32_base36(value[:-7]).encode() == value[-7:], "CRC-32 in the token holds")


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
    return _proof(any(marvin32(raw[:-4], seed) == stated for seed in seeds), "Marvin32 checksum in the key holds")


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
        return Verdict(_PROVEN, "Marvin32 checksum in the key holds", public=public)
    number = int.from_bytes(checksum.to_bytes(4, "little"), "big")
    if base62(number, 0).ljust(6, "0").encode().startswith(value[80:84]):
        return Verdict(_PROVEN, "Marvin32 checksum in the key holds", public=public)
    return Verdict(Confidence.VALIDATED, "signature and layout of a common annotated key", public=public)


def entra_secret(match: Match) -> Verdict | None:
    """Entra client secrets: ``8Q~`` ends in three characters of a Marvin32; ``7Q~`` has no checksum."""
    return Verdict() if is_random(match.value) and mixed(match) else None


def wif(match: Match) -> Verdict | None:
    """Bitcoin wallet import format: Base58Check of 0x80, 32 bytes, and 0x01 if compressed."""
    payload = base58check(match.value.decode("ascii", "replace"))
    if payload is None or payload[:1] not in (b"\x80", b"\xef", b"\xb0"):
        return None
    return _proof(len(payload) == 33 or (len(payload) == 34 and payload[-1] == 1), "Base58Check checksum holds")


def extended_key(match: Match) -> Verdict | None:
    """BIP 32 extended private keys: Base58Check of 78 bytes, with a zero before the key."""
    payload = base58check(match.value.decode("ascii", "replace"))
    return _proof(payload is not None and len(payload) == 78 and payload[45] == 0, "Base58Check checksum holds")


def bech32_key(match: Match) -> Verdict | None:
    """Bech32 text: age identities, Nostr keys."""
    return _proof(bech32(match.value.decode("ascii", "replace")), "Bech32 checksum holds")


def bip39(match: Match) -> Verdict | None:
    """A BIP 39 phrase: 12 to 24 words."""
    words = match.value.decode("ascii", "replace").split()
    if len(words) not in (12, 15, 18, 21, 24) or len(set(words)) < len(words) // 2 + 2:
        return None
    return Verdict(Confidence.POSSIBLE, "words in the number of a BIP 39 phrase")


# ---------------------------------------------------------------- structure

_TYPE7 = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
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
    plain = bytes(byte ^ _TYPE7[(int(text[:2]) + i) % len(_TYPE7)] for i, byte in enumerate(hidden))
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


def luhn_like_hex(match: Match) -> Verdict | None:
    """Hex of random bytes: every digit rare, not a hash of zeros or a repeated word."""
    value = match.value.lower()
    return Verdict() if len(set(value)) >= min(10, len(value) // 3) and not is_placeholder(value) else None


VALIDATORS: Mapping[str, Validator] = {
    "aws-pair": aws_pair,
    "aws-secret": aws_secret,
    "azure-cask": azure_cask,
    "azure-key": azure_key,
    "base64-32": base64_32,
    "base64-json": base64_json,
    "basic-auth": basic_auth,
    "bech32": bech32_key,
    "bip39": bip39,
    "cisco-type7": cisco_type7,
    "crc32-base62": crc_base62,
    "discord-bot": discord_bot,
    "entra-secret": entra_secret,
    "extended-key": extended_key,
    "gitlab-routable": gitlab_routable,
    "grafana-crc32": grafana_crc,
    "hex-random": luhn_like_hex,
    "mixed": mixed,
    "ntlm-hash": ntlm_hash,
    "plausible-password": plausible_password,
    "random": random_token,
    "telegram-bot": telegram_bot,
    "url-password": url_password,
    "uuid4": uuid_random,
    "wif": wif,
}
"""By the name that rules use."""
