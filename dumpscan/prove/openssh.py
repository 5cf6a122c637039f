"""Opens OpenSSH's shielded private keys with the prekeys of the same dump (sshkey.c, ``sshkey_unshield_private``)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dumpscan.matchers.openssh_shield import PREKEY_SIZE
from dumpscan.model import Candidate, Clue, Clues, Component, PublicKey, Span, all_clues
from dumpscan.prove.means import Means
from dumpscan.ssh_wire import private_key

Read = Callable[[int, int], bytes]
"""(address, size) -> the bytes there, fewer or none where the dump does not hold them."""
Locate = Callable[[int, int], Span | None]
"""(address, size) -> where those bytes lie in the file; ``None`` if they do not, or not in one piece."""

_OTHERS = 256
"""Prekeys tried on a ciphertext besides its own."""

KINDS = ("sshkey-prekey", "sshkey-shielded")
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """:func:`unshield` with the signature that all proofs share; only ``clues`` and ``read`` are needed."""
    return unshield(tuple(all_clues(clues)), read)


def unshield(clues: Sequence[Clue], read: Read, locate: Locate | None = None) -> list[Candidate]:
    """Every shielded key of ``clues`` that a prekey opens and arithmetic proves.

    The spans are the ciphertext and the prekey, where ``locate`` or a clue tells their place in the file, else the
    pointers to them; both are components too, so that all their copies are swept.
    """
    prekeys = [clue for clue in clues if clue.kind == "sshkey-prekey"]
    found: dict[tuple[bytes, bytes], Candidate] = {}
    for clue in clues:
        if clue.kind == "sshkey-shielded" and len(clue.note) == 24:
            candidate = _open(clue, prekeys, read, locate)
            if candidate:
                found.setdefault((candidate.identity, clue.note), candidate)
    return list(found.values())


def _open(clue: Clue, prekeys: Sequence[Clue], read: Read, locate: Locate | None) -> Candidate | None:
    address, size, prekey_address = struct.unpack(">3Q", clue.note)
    ciphertext = read(address, size)
    if len(ciphertext) != size:
        return None
    for prekey in _prekeys(prekey_address, prekeys, read):
        candidate = decrypted(ciphertext, prekey)
        if candidate:
            spans = _spans(clue, prekeys, prekey, locate)
            parts = Component("ciphertext", ciphertext, "raw"), Component("prekey", prekey, "whole")
            return replace(candidate, spans=spans, components=(*candidate.components, *parts))
    return None


def _prekeys(address: int, prekeys: Sequence[Clue], read: Read) -> Iterator[bytes]:
    """The prekey that the structure points to, then the others."""
    own = read(address, PREKEY_SIZE)
    if len(own) == PREKEY_SIZE:
        yield own
    yield from (clue.value for clue in prekeys[:_OTHERS] if clue.value != own)


def decrypted(ciphertext: bytes, prekey: bytes) -> Candidate | None:
    """The key in ``ciphertext`` if ``prekey`` opens it; its spans count in the ciphertext."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # here, for few dumps hold such a key

    digest = hashlib.sha512(prekey).digest()
    cipher = Cipher(algorithms.AES(digest[:32]), modes.CTR(digest[32:48]))
    if cipher.decryptor().update(ciphertext[:16])[:3] != b"\0\0\0":  # the length of the type's name
        return None
    plain = cipher.decryptor().update(ciphertext)
    parsed = private_key(plain, encoding="sshkey-shielded")
    if parsed is None:
        return None
    candidate, end = parsed
    if not _padded(plain[end:]):
        return None
    evidence = f"{candidate.evidence}; unshielded with the prekey of the same dump"
    return replace(candidate, evidence=evidence)


def _padded(padding: bytes) -> bool:
    """1, 2, 3, … up to a multiple of the cipher's 16 bytes."""
    return padding == bytes(range(1, len(padding) + 1)) and len(padding) < 16


def _spans(clue: Clue, prekeys: Sequence[Clue], prekey: bytes, locate: Locate | None) -> tuple[Span, ...]:
    address, size, prekey_address = struct.unpack(">3Q", clue.note)
    spans = [span for span in (locate(address, size), locate(prekey_address, PREKEY_SIZE)) if span] if locate else []
    spans += [Span(other.start, other.end) for other in prekeys if other.value == prekey]
    unique = tuple(sorted(set(spans), key=lambda span: span.start))
    return unique or (Span(clue.start, clue.end),)
