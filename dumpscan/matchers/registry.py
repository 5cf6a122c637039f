"""The matchers. A new one is one file and one entry here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dumpscan.matchers.aes_schedules import AesSchedules
from dumpscan.matchers.base import Matcher
from dumpscan.matchers.certificates import CERTIFICATES
from dumpscan.matchers.chacha import CHACHA
from dumpscan.matchers.cng import CNG
from dumpscan.matchers.ctr_drbg import CTR_DRBG
from dumpscan.matchers.der import DER
from dumpscan.matchers.jwk import JWK
from dumpscan.matchers.jwt import Jwt
from dumpscan.matchers.kerberos import KERBEROS
from dumpscan.matchers.known_moduli import KnownKeys
from dumpscan.matchers.krb5_keyblocks import KRB5_KEYBLOCKS
from dumpscan.matchers.named_values import NAMED_VALUES
from dumpscan.matchers.openpgp import OPENPGP
from dumpscan.matchers.openssh import OPENSSH
from dumpscan.matchers.openssh_shield import OpensshShield
from dumpscan.matchers.pem import PEM
from dumpscan.matchers.pkcs12 import PKCS12
from dumpscan.matchers.process_settings import PROCESS_SETTINGS
from dumpscan.matchers.putty import PUTTY
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.matchers.sexp import Sexp
from dumpscan.matchers.sexp_text import SEXP_TEXT
from dumpscan.matchers.signatures import SignatureMatcher
from dumpscan.matchers.ssh_public import SSH_PUBLIC
from dumpscan.matchers.tls_secrets import TLS_SECRETS
from dumpscan.matchers.wine_keys import WINE_KEYS
from dumpscan.matchers.xml_rsa import XML_RSA
from dumpscan.model import PublicKey
from dumpscan.signatures_loader import Ruleset, load

_STRUCTURAL: tuple[Matcher, ...] = (
    PEM,
    DER,
    PKCS12,
    OPENSSH,
    PUTTY,
    OPENPGP,
    CERTIFICATES,
    CNG,
    WINE_KEYS,
    JWK,
    XML_RSA,
    SSH_PUBLIC,
    Sexp(),
    SEXP_TEXT,
    RAW_INTEGERS,
    AesSchedules(),
    CTR_DRBG,
    CHACHA,
    TLS_SECRETS,
    NAMED_VALUES,
    PROCESS_SETTINGS,
    KERBEROS,
    KRB5_KEYBLOCKS,
)


def build_matchers(
    signature_paths: Sequence[Path] = (),
    now: int | None = None,
    known_keys: Sequence[PublicKey] = (),
    byte_order: str = "little",
) -> tuple[Matcher, ...]:
    """Every matcher, with the built-in signatures and those of the user.

    ``now`` tells expired tokens. The private halves of ``known_keys`` are looked for at every word.
    """
    ruleset = load(user_paths=signature_paths)
    return (
        *_STRUCTURAL,
        OpensshShield(byte_order),
        Jwt(now),
        SignatureMatcher(ruleset),
        *_foreign(ruleset),
        *([KnownKeys(tuple(known_keys))] if known_keys else []),
    )


def _foreign(ruleset: Ruleset) -> Iterator[Matcher]:
    """The matcher of a user's rules that are run as they are written, if there are such."""
    if ruleset.foreign:
        from dumpscan.matchers.user_rules import ForeignMatcher  # here, for few users have them

        yield ForeignMatcher(ruleset.foreign)
