from __future__ import annotations

import random

from cryptography.hazmat.primitives.asymmetric import dsa

from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import Clue, PublicKey, all_clues
from dumpscan.prove import finite_field
from tests.makers.raw_keys import heap, view

RFC3526_1536 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    16,
)


def clues(number: int, size: int) -> list[Clue]:
    data = heap([number.to_bytes(size, "little")], "pointers", random.Random(3))
    return list(all_clues(RAW_INTEGERS.match(view(data), ())))


def test_dsa() -> None:
    numbers = dsa.generate_private_key(2048).private_numbers()
    public = numbers.public_numbers
    group = public.parameter_numbers
    key = PublicKey("dsa", (group.p, group.q, group.g, public.y))
    (found,) = finite_field.prove(clues(numbers.x, 32), [key], lambda _a, _s: b"", [])
    assert (found.kind, found.confidence.label) == ("dsa-private-key", "proven")


def test_dh() -> None:
    x = random.Random(4).getrandbits(256) | 1 << 255
    key = PublicKey("dh", (RFC3526_1536, 2, pow(2, x, RFC3526_1536)))
    (found,) = finite_field.prove(clues(x, 32), [key], lambda _a, _s: b"", [])
    assert (found.kind, found.confidence.label) == ("dh-private-key", "proven")


def test_nothing_from_parameters_that_are_no_key() -> None:
    for numbers in ((), (0, 0, 0), (RFC3526_1536, 2, 1), (4, 2, 3)):
        assert not finite_field.prove(clues((1 << 255) + 99, 32), [PublicKey("dh", numbers)], lambda _a, _s: b"", [])
