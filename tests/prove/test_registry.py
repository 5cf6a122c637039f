"""How the proofs are carried out."""

from __future__ import annotations

import threading
import time

import pytest

from dumpscan.model import Candidate, Clue, Clues
from dumpscan.prove import registry
from dumpscan.prove.means import Means

CLUES = [Clue(kind, b"", 0, 1, "") for kind in ("b", "a", "c", "a")]


def _read(_address: int, _size: int) -> bytes:
    return b""


def test_each_prover_gets_the_clues_of_its_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    met: dict[str, list[str]] = {}

    def prover(name: str) -> registry.Prover:
        def prove(clues: Clues, _publics: object, _read: object, limits: list[str], _means: Means) -> list[Candidate]:
            met[name] = [clue.kind for clue in clues]
            limits.append(f"limit of {name}")
            if name == "failing":
                raise ValueError("a secret")
            return []

        prove.__module__ = f"dumpscan.prove.{name}"
        return prove

    provers = tuple((prover(name), kinds) for name, kinds in (("one", ("a",)), ("failing", ("c", "b")), ("two", ())))
    monkeypatch.setattr(registry, "PROVERS", provers)
    found, limits = registry.prove(CLUES, (), _read, Means())
    assert found == []
    assert met == {"one": ["a", "a"], "failing": ["c", "b"], "two": []}
    assert limits == (
        "limit of one",
        "limit of failing",
        "proof failing failed (ValueError)",
        "limit of two",
    )


def test_who_interrupts_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def endless(_clues: Clues, _publics: object, _read: object, _limits: object, _means: Means) -> list[Candidate]:
        over.wait(60)
        return []

    def interrupted(_clues: Clues, _publics: object, _read: object, _limits: object, _means: Means) -> list[Candidate]:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "PROVERS", ((interrupted, ()), (endless, ())))
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            registry.prove(CLUES, (), _read, Means())
        assert time.monotonic() - started < 30
    finally:
        over.set()
