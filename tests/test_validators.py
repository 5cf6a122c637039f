"""Validators: published vectors, broken copies, and no exception on anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.checksums import base58check, bech32, crc32_base62, marvin32_halves
from dumpscan.model import Confidence
from dumpscan.plausibility import is_placeholder, is_scrambled
from dumpscan.signature_examples import expand
from dumpscan.validators import VALIDATORS, aws_account
from dumpscan.verdicts import Match


def judge(name: str, value: str, before: str = "", after: str = "") -> Confidence | str | None:
    text = before + value + after
    verdict = VALIDATORS[name](Match(text.encode(), len(before), len(before) + len(value)))
    return None if verdict is None else verdict.confidence or "kept"


@pytest.mark.parametrize(
    ("seed", "text", "expected"),
    [
        (0xD53CD9CECD0893B7, b"abc", 0x22C74339492769BF),
        (0x0DDDDEEEEFFFF000, b"abcdefghijklmnopqrstuvwxyz", 0xA128EB7E7260ACA2),
        (0x004FB61A001BDBCC, b"", 0x30ED35C100CD3C7D),
        (0x004FB61A001BDBCC, b"\xaf", 0x48E73FC77D75DDC1),
        (0x004FB61A001BDBCC, b"\xe7\x0f", 0xB5F6E1FC485DBFF8),
        (0x004FB61A001BDBCC, b"\x37\xf4\x95", 0xF0B07C789B8CF7E8),
        (0x004FB61A001BDBCC, b"\x86\x42\xdc\x59", 0x7008F2E87E9CF556),
    ],
)
def test_marvin_vectors(seed: int, text: bytes, expected: int) -> None:
    """The vectors of SymCrypt's own test."""
    low, high = marvin32_halves(text, seed)
    assert high << 32 | low == expected


@pytest.mark.parametrize(
    "tail",
    ["+ABa13FZVQ==", "+ASt5mnCaw==", "ACDbOpqrYA==", "APIMHbKhsQ==", "+AEhG2s/8w=", "+ASbHpHeAI=", "AIoTOumzco="],
)
def test_azure_vectors(tail: str) -> None:
    """Keys from the tests of the provider's own library."""
    body = "a" * (76 if tail.endswith("==") else 33)
    assert judge("azure-key", body + tail) is Confidence.PROVEN
    assert judge("azure-key", "b" + body[1:] + tail) is None


def test_crc32_vectors() -> None:
    """The token printed in GitHub's announcement of the format, in pieces."""
    body = "zQWBuTSOoRi4A9sp" + "HcVY5ncnsDkxkJ"
    assert crc32_base62(body.encode()) == "0mLq17"


def test_grafana_vector() -> None:
    """The token of Grafana's own test."""
    assert judge("grafana-crc32", "glsa_" + "iNValIdinValiDinvalid" + "invalidinva_" + "5b582697") is Confidence.PROVEN


def test_aws_account_inside_an_identifier() -> None:
    """The pair that the published analysis of the encoding uses."""
    assert aws_account(b"ASIAQNZGKIQY56" + b"JQ7WML") == "029608264753"


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("gitlab-routable", "glpat-<routable>"),
        ("crc32-base62", "ghp_<base62:30><crc32>"),
        ("grafana-crc32", "glsa_<base62:32>_<crc32hex>"),
        ("azure-cask", "<cask:AZFU>"),
        ("prefixed-crc32", "vcp_<base64url:50><crc32behind>"),
        ("matrix-crc32", "<syt>"),
        ("nkey", "<nkey:U>"),
        ("base58check", "<edsk>"),
        ("extended-key", "<xprv:04b2430c>"),
        ("wif", "<wif:01>"),
        ("wif", "<wif:>"),
        ("extended-key", "<xprv>"),
        ("bech32", "<bech32:nsec>"),
        ("bech32", "<bech32:age-secret-key->"),
    ],
)
def test_checksum_proves_and_refutes(name: str, template: str) -> None:
    good = expand(template)
    middle = len(good) // 2
    swapped = "A" if good[middle] != "A" else "C"
    assert judge(name, good) is Confidence.PROVEN
    assert judge(name, good[:middle] + swapped + good[middle + 1 :]) is not Confidence.PROVEN


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("legal winner thank year wave sausage worth useful legal winner thank yellow", Confidence.PROVEN),
        ("legal winner thank year wave sausage worth useful legal winner thank year", None),
        ("these words are not in the list but they make a phrase of twelve", None),
    ],
)
def test_bip39_vector(phrase: str, expected: Confidence | None) -> None:
    """A vector of BIP 39; the list of words is an optional package."""
    pytest.importorskip("mnemonic")
    assert judge("bip39", phrase) is expected


def test_bip39_without_the_list_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dumpscan.bip39.word_numbers", dict)
    phrase = b"legal winner thank year wave sausage worth useful legal winner thank yellow"
    verdict = VALIDATORS["bip39"](Match(phrase, 0, len(phrase)))
    assert verdict is not None
    assert verdict.confidence is Confidence.POSSIBLE


def test_pairs_take_the_near_secret() -> None:
    identifier, secret = expand("LTAI<base62:20>"), expand("<base62:30>")
    verdict = VALIDATORS["alibaba-pair"](Match(f"{identifier} {secret}".encode(), 0, 24))
    assert verdict is not None
    assert (verdict.span, verdict.public["id"]) == ((25, 55), identifier)
    assert judge("alibaba-pair", identifier) == "kept"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("sasl-plain", "<saslplain>", True),
        ("sasl-plain", "<basic>", False),
        ("twitter-bearer", "AAAAAAAAAAAAAAAAAAAAA<base62:60>", True),
        ("twitter-bearer", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", False),
        ("basic-auth", "<basic>", True),
        ("basic-auth", "YTpi", False),
        ("basic-auth", "Yng6Yng=", False),
        ("url-password", "<base62:12>", True),
        ("url-password", "mypassword", False),
        ("url-password", "xyzzy", False),
        ("url-password", "psw", False),
        ("client-secret", "credential_factory_1.refreshToken", False),
        ("client-secret", "auth41.calculateTokenFromPasswordSha", False),
        ("client-secret", "<base62:32>", True),
        ("url-password", "a%20secret", False),
        ("url-password", "[password]]", False),
        ("url-password", "a%20s3cret", True),
        ("named-token", "<hex:32>", True),
        ("token-like", "win32api.RegOpenKeyEx", False),
        ("token-like", "SG.<base62:22>.<base62:20>", True),
        ("token-like", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE<bytes64:64>", False),
        ("token-like", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA<bytes64:252>", False),
        ("token-like", "MCowBQYDK2VwAyEA<bytes64:32>", False),
        ("token-like", "MC4CAQAwBQYDK2VwBCIEI<bytes64:33>", True),
        ("kirbi", "<kirbi>", True),
        ("token-like", "<hex:40>", True),
        ("token-like", "<base62:40>", True),
        ("token-like", "ghp_<base62:36>", False),
        ("token-like", "com.example.project.TokenFactory2", False),
        ("token-like", "application/vnd.api+json;v=2", False),
        ("token-like", "getAccessTokenFromCache", False),
        ("token-like", "2031-01-01T00:00:00.000Z", False),
    ],
)
def test_structure(name: str, value: str, found: bool) -> None:
    assert (judge(name, expand(value)) is not None) is found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://abc:xyz@example.com/", False),
        ("http://abc:xyz@db.example.org:80", False),
        ("http://abc:xyz@host.invalid", False),
        ("http://abc:xyz@example.com.evil.io", True),
        ("http://abc:xyz@host.internal/", True),
        ("http://abc:Kx7Lp4mVq8Zr@example.com/", True),
    ],
)
def test_urls_of_manuals(url: str, found: bool) -> None:
    start, end = url.index(":", 7) + 1, url.index("@")
    assert (VALIDATORS["url-password"](Match(url.encode(), start, end)) is not None) is found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ('"cache_key":"', False),
        ("partitionKey: ", False),
        ("DEPLOY_PUBLIC_KEY=", False),
        ("next_page_token = ", False),
        ("Items remaining: 0\n    Next page token: ", False),
        ("public key: ", False),
        ('"csrfToken": "', False),
        ("Loaded X.509 cert 'Build time autogenerated kernel key: ", False),
        ("kernel key: ", True),
        ("cache_secret_key=", True),
        ("acme_token = ", True),
        ("", True),
    ],
)
def test_names_of_harmless_keys(name: str, found: bool) -> None:
    text, value = name.encode(), expand("<hex:32>").encode()
    assert (VALIDATORS["named-token"](Match(text + value, len(text), len(text) + 32)) is not None) is found


def test_bitcoin_and_bip173_vectors() -> None:
    assert base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa") is not None
    assert base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb") is None
    assert bech32("A12UEL5L")
    assert not bech32("A12UEL5M")


def test_aws_pair_takes_the_near_secret() -> None:
    identifier, secret = expand("AKIA<base32:16>"), expand("<base64:40>")
    match = Match(f"{identifier}\n{secret}\n".encode(), 0, 20)
    verdict = VALIDATORS["aws-pair"](match)
    assert verdict is not None
    assert verdict.span == (21, 61)
    assert verdict.public["access_key_id"] == identifier
    assert judge("aws-pair", identifier, after=" " * 600 + secret) == "kept"


@pytest.mark.parametrize(
    ("user", "password", "found"),
    [("scott", "tiger", False), ("guest", "guest", False), ("guest", "tiger", True), ("admin", "guest", True)],
)
def test_accounts_of_manuals(user: str, password: str, found: bool) -> None:
    text = f"amqp://{user}:".encode()
    match = Match(text + password.encode() + b"@db.corp.net:5672", len(text), len(text) + len(password))
    assert (VALIDATORS["url-password"](match) is not None) is found


@pytest.mark.parametrize("value", ["Tr0ub4dor&3x", "hunter2Zq9", "c0rrect-Horse!", "P@ssw0rd-2031"])
def test_plausible_passwords(value: str) -> None:
    assert judge("plausible-password", value) is not None


@pytest.mark.parametrize(
    "value",
    ["getpass.getpass()", "password", "None", "${DB_PASS}", "changeme", "%s", "self.secret", "<password>", "xxxxxxxx",
     "1.2.3.4", "utf8", "argv[1]", "required", "********", "{{password}}",
     ":param", ":class:Name", "return:", "rtype:", "pass/word", "**DEPRECATED**"],
)  # fmt: skip
def test_implausible_passwords(value: str) -> None:
    assert judge("plausible-password", value) is None


RANDOM_LETTERS = [
    "KNNHekdbPZiIgD_VvAOyWUlq",
    "kYPxiQltloIGQabxt-ypmKNT",
    "qWmNbXcZlKjHgFdSaPoI",
    "rxUOaBIDNuTAkNymLSrtwPbD",
]


@pytest.mark.parametrize("value", RANDOM_LETTERS)
def test_random_letters_without_a_digit(value: str) -> None:
    for name in ("plausible-password", "mixed", "named-token"):
        assert judge(name, value) is not None
    assert is_scrambled(value.encode())


@pytest.mark.parametrize(
    "name",
    ["getUserNameFromRequest", "AbstractUserDetailsAuthenticationProvider", "current-working-directory", "SetUserGeoID",
     "IBackgroundCopyJobHttpOptions_AddRef", "CMAKE_Swift_LINKER_PREFERENCE_PROPAGATES", "maxByteBufferSize",
     "correcthorsebatterystaple", "TOKENOFTHEUSERACCOUNT", "wszREGSETUPSTATUS", "PyDataMem_SetHandler"],
)  # fmt: skip
def test_names_are_not_random_letters(name: str) -> None:
    assert not is_scrambled(name.encode())
    assert judge("mixed", name) is None
    assert judge("named-token", name) is None


@pytest.mark.parametrize("value", [b"xxxxxxxxxxxxxxxx", b"0123456789abcdef", b"AAAAAAAAAAAAAAAA", b"your-api-key-here"])
def test_placeholders(value: bytes) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize("name", sorted(VALIDATORS))
def test_total(name: str) -> None:
    @given(st.binary(max_size=120), st.integers(0, 120), st.integers(0, 120))
    def never_raises(text: bytes, a: int, b: int) -> None:
        low, high = sorted((min(a, len(text)), min(b, len(text))))
        VALIDATORS[name](Match(text, low, high))

    never_raises()
