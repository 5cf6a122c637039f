"""The compiled kernel and NumPy say the same of any memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import zstandard

from dumpscan import aes, kernel, windows
from dumpscan.matchers import aes_schedules, ec_scalars, integer_structures, integers, randomness, unaligned_octets
from dumpscan.matchers.base import View
from dumpscan.matchers.likeness import random_like
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.matchers.sieve import native_sieve, without_small_factor
from dumpscan.model import Clue, ClueTable, Mapped, Span
from dumpscan.prove import rsa_products
from tests.makers.raw_keys import filler, heap, rsa_numbers

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")

pytestmark = pytest.mark.skipif(
    kernel.native is None and "CI" not in os.environ, reason="the kernel was built without a compiler"
)


def both(work: Callable[[], T], monkeypatch: pytest.MonkeyPatch) -> tuple[T, T]:
    """What ``work`` gives with the kernel, and without."""
    assert kernel.native is not None
    compiled = work()
    with monkeypatch.context() as patch:
        patch.setattr(kernel, "native", None)
        return compiled, work()


def memory(seed: int, size: int = 1 << 16) -> bytes:
    """A mixture of all kinds of memory, not a whole number of words."""
    source = random.Random(seed)
    out = b""
    while len(out) < size:
        kind = source.choice(["random", "pointers", "text", "zeros", "sparse", "digits", "counts", "key", "schedule"])
        length = 8 * source.randrange(1, 200)
        if kind == "sparse":  # runs of one to ten random words between plain ones
            out += source.randbytes(8 * source.randrange(1, 11)) + source.randrange(1 << 16).to_bytes(8, "little")
        elif kind == "digits":
            mask = source.choice([(30, 4), (28, 4), (60, 8)])
            out += b"".join(source.getrandbits(mask[0]).to_bytes(mask[1], "little") for _ in range(length // 8))
        elif kind == "counts":
            pointer = (0x7FFF00000000 + source.randrange(1 << 30)).to_bytes(8, "little")
            count = source.choice(
                [4, 16, 32, 130, 131, 256, 513, 1 << 16 | 1, 4 << 16 | 1, 16 << 32 | 16, 32 << 32 | 16]
            )
            parts = [pointer, count.to_bytes(8, "little"), source.choice([pointer, bytes(8)])]
            source.shuffle(parts)
            out += b"".join(parts)
        elif kind == "key":
            key = rsa_numbers(1024).p.to_bytes(64, "little")
            out += heap([key], source.choice(["random", "zeros"]), source)
        elif kind == "schedule":
            expanded = aes.expand(
                np.frombuffer(source.randbytes(source.choice([16, 24, 32])), np.uint8).reshape(1, -1, 4)
            )
            out += expanded.tobytes()[source.choice([0, 0, 16, 64]) :] + source.randbytes(4)
        else:
            out += filler(kind, length, source)
    return out + source.randbytes(seed % 8)


def view(data: bytes, phase: int = 0) -> View:
    """``data`` with its first and last kilobyte said to be zero pages."""
    mapped = (Mapped(0, 0x7FFF00000000, len(data)),)
    live = (Span(1024, len(data) // 2), Span(len(data) // 2 + 512, len(data) - 1024))
    return View(memoryview(data), live, phase=phase, address=0x7FFF00000000, mapped=mapped)


SEEDS = range(24)
BYTES = np.zeros(256, np.uint8)
WORDS, FLAGS, PLACES = np.zeros(9, np.uint64), np.zeros(9, np.bool_), np.zeros(9, np.int64)
OCTETS = WORDS.view(np.uint8)
BITS, BEYOND = np.zeros(3, np.uint64), np.array([0, 1 << 9, 0], np.uint64)
DIGITS = np.array([3 << 62, 4, 8, 1, 1, 1], np.uint64)
PARTS = np.arange(6) > 3


def integers_of(**others: object) -> tuple[object, ...]:
    """What the kernel's search for RSA integers takes, but for some arrays."""
    arrays = {
        "octets": OCTETS,
        "dense": FLAGS,
        "begins": PLACES,
        "ends": PLACES,
        "sizes": np.array([64]),
        "least": np.array([40]),
        "places": PLACES.copy(),
        "totals": np.zeros(6, np.int64),
        **others,
    }
    places, totals = arrays.pop("places"), arrays.pop("totals")
    return (*arrays.values(), *native_sieve(512), places, totals, 8, 9, 56)


def mapping_of(**others: object) -> tuple[object, ...]:
    """What the kernel's map of words takes, but for some arrays."""
    arrays = {
        "words": WORDS,
        "firsts": np.array([1]),
        "lasts": np.array([5]),
        "random": FLAGS.copy(),
        "dense": FLAGS.copy(),
        "random_bits": BITS.copy(),
        "dense_bits": BITS.copy(),
    }
    return tuple({**arrays, **others}.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_word_maps(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = memory(seed)

    def mapped() -> list[object]:
        made = randomness.word_map(view(data, phase=seed % 64))
        return [
            made.random.tolist(),
            made.dense.tolist(),
            *(part.tolist() for part in made.borders),
            *(sorted(part.tolist()) for part in ec_scalars._closed(made)),
            sorted(zip(*(part.tolist() for part in ec_scalars._random(made, *ec_scalars._closed(made))), strict=True)),
            ec_scalars._heads(made).tolist(),
            *(
                integers.digit_starts(made, bits, width, least)[0].tolist()
                for bits, width in integers.DIGITS.values()
                for least in (4, 8)
            ),
            *([size, starts.tolist()] for size, starts in unaligned_octets._places(made)),
        ]

    compiled, numpy = both(mapped, monkeypatch)
    assert compiled == numpy
    assert any(compiled)


@pytest.mark.parametrize("seed", SEEDS)
def test_judgements_of_places(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = randomness.word_map(view(memory(seed)))
    starts = np.sort(np.random.default_rng(seed).integers(0, len(made.words) - 70, 700))

    def judged() -> list[list[int]]:
        return [
            *(randomness.pure(made.words, starts, count).tolist() for count in (4, 6, 8, 24)),
            *(randomness.distinct_at(made.octets, 8 * starts, size).tolist() for size in (32, 66, 512)),
            randomness.distinct_at(made.octets, 8 * starts + 3, 8, 8).tolist(),
            *(randomness.various_at(made.octets, 8 * starts, size).tolist() for size in (32, 66, 512)),
            *(random_like(randomness.rows(made.octets, 8 * starts, size)).tolist() for size in (32, 57, 66, 96)),
            randomness.pure(made.words, np.array([len(made.words) - 2]), 8).tolist(),
            *(
                without_small_factor(randomness.rows(made.octets, 8 * starts, size)).tolist()
                for size in (64, 96, 128, 512)
            ),
        ]

    compiled, numpy = both(judged, monkeypatch)
    assert compiled == numpy
    assert len({flag for flags in compiled[:4] for flag in flags}) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_digit_numbers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = randomness.word_map(view(memory(seed)))
    starts = 8 * np.arange(len(made.words))

    def found() -> list[list[int]]:
        return [
            integers.digit_numbers(made, starts, shortest, longest, bits, width)
            for bits, width in integers.DIGITS.values()
            for shortest, longest in ((236, 256), (512, 512), (501, 521), (1000, 1020))
        ]

    compiled, numpy = both(found, monkeypatch)
    assert compiled == numpy


def test_live_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    block = np.zeros(4096 * 70, np.uint8)
    block[[0, 4095 + 4096, 4096 * 5, 4096 * 69 + 2000]] = 1

    def flags() -> list[bool]:
        live = np.zeros(70, np.bool_)
        windows.flag_pages(block, live, 0, 30)
        windows.flag_pages(block, live, 30, 70)
        return live.tolist()

    compiled, numpy = both(flags, monkeypatch)
    assert compiled == numpy
    assert np.flatnonzero(compiled).tolist() == [0, 1, 5, 69]


def test_products_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(1)
    values = np.array([source.getrandbits(64) | 1 for _ in range(900)], np.uint64)
    moduli = np.concatenate([values[:800:7] * values[9:809:7], values[:90]])

    one = np.full(900, 0.75)
    tops = np.concatenate([np.full(len(moduli) - 90, 0.75 * 0.75), np.full(90, 0.5)])

    def pairs() -> list[tuple[int, int]]:
        tasks = [
            rsa_products.Pairing(values, one, moduli, tops, first, min(first + 400, 900), 899)
            for first in (0, 400, 800)
        ]
        return sorted((i, j) for task in tasks for i, j in rsa_products.likely_pairs(task).tolist())

    compiled, numpy = both(pairs, monkeypatch)
    assert compiled == numpy
    assert set(zip(range(0, 800, 7), range(9, 809, 7), strict=True)) <= set(compiled)


@pytest.mark.parametrize(("first", "end", "steps"), [(0, 900, 899), (100, 300, 7), (840, 900, 64), (5, 9, 65)])
def test_products_with_vectors_and_without(first: int, end: int, steps: int) -> None:
    source = random.Random(2)
    values = np.array([source.getrandbits(64) | 1 for _ in range(900)], np.uint64)
    moduli = np.array([source.getrandbits(64) | 1 for _ in range(40_000)], np.uint64)
    moduli[:893] = values[:893] * values[7:]
    moduli[893:1729] = values[:836] * values[64:]
    found = []
    for wide in (True, False):
        pairs = np.zeros(1000 * 900, np.int64)
        assert kernel.native is not None
        count = kernel.native.products(values, moduli, first, end, steps, pairs, wide)
        found.append([divmod(pair, 1 << 32) for pair in pairs[:count].tolist()])
    assert found[0] == found[1]
    wanted = {(i, i + step) for i in range(first, end) for step in (7, 64) if step <= steps and i + step < 900}
    assert wanted <= set(found[0])
    assert all(first <= i < end and i < j <= i + steps for i, j in found[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_structures(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(seed)
    counts = [
        1,
        4,
        5,
        16,
        32,
        56,
        57,
        128,
        130,
        131,
        256,
        513,
        1 << 16 | 1,
        4 << 16 | 1,
        16 << 32 | 16,
        32 << 32 | 17,
        5 << 32,
        415,
        933,
        934,
    ]
    pointers = [0x7FFF00000000, 0x7FFF00000003, 0xFFFF800000000008]
    words = np.array(source.choices([0, 1 << 63, *pointers, *counts], k=8192 + seed), np.uint64)
    for place in (*range(100, 4000, 50), len(words) - 6, len(words) - 5):
        points = (
            source.choices([415, 716, 717], k=1) + source.choices(pointers, [9, 1, 9], k=3) + source.choices([0, 1, 2])
        )
        words[place : place + 5] = points
        words[place - 1] = pointers[0]

    def shapes() -> list[list[list[int]]]:
        found, capped = integer_structures._shapes(words)
        assert not capped
        return [[part.tolist() for part in found[kind]] for kind in sorted(found)]

    compiled, numpy = both(shapes, monkeypatch)
    assert compiled == numpy
    assert all(at for kind, (at, _, _) in enumerate(compiled) if kind != integer_structures._SEED)


def evidence(items: object) -> list[object]:
    """Evidence that can be compared."""
    assert isinstance(items, list)
    flat: list[object] = []
    for item in items:
        flat.extend(item.clues() if isinstance(item, ClueTable) else [item])
    return sorted(flat, key=lambda item: (item.start, repr(item)) if isinstance(item, Clue) else (-1, repr(item)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("phase", [0, 3])
def test_matchers(seed: int, phase: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = memory(seed)

    def found() -> list[object]:
        some = view(data, phase)
        schedules = aes_schedules.AesSchedules().match(some, [])
        return [*evidence(list(RAW_INTEGERS.match(some, []))), *evidence(list(schedules))]

    compiled, numpy = both(found, monkeypatch)
    assert compiled == numpy
    assert compiled


def test_a_real_core(monkeypatch: pytest.MonkeyPatch) -> None:
    core = (ROOT / "testdata" / "nginx-worker.core.zst").read_bytes()
    data = zstandard.ZstdDecompressor().stream_reader(core).read()
    whole = View(memoryview(data), (Span(0, len(data)),), mapped=(Mapped(0, 0x56338BE00000, len(data)),))
    compiled, numpy = both(lambda: evidence(list(RAW_INTEGERS.match(whole, []))), monkeypatch)
    assert compiled == numpy
    assert len(compiled) > 100


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("map_words", mapping_of(random=np.zeros(8, np.bool_))),
        ("map_words", mapping_of(words=np.zeros(9, np.uint8))),
        ("map_words", mapping_of(words=np.zeros(18, np.uint64)[::2])),
        ("map_words", mapping_of(firsts=np.array([-1]))),
        ("map_words", mapping_of(firsts=np.array([5]))),
        ("map_words", mapping_of(lasts=np.array([10]))),
        ("map_words", mapping_of(lasts=np.array([3, 4]))),
        ("map_words", mapping_of(dense_bits=np.zeros(2, np.uint64))),
        ("map_words", mapping_of(random_bits=BEYOND.copy())),
        ("pure", (np.zeros(9, np.uint64), np.array([-1]), np.zeros(1, np.bool_), 8)),
        ("pure", (np.zeros(9, np.uint64), np.array([1, 2]), np.zeros(1, np.bool_), 8)),
        ("distinct", (np.zeros(9, np.uint8), np.array([2]), np.zeros(1, np.int64), 8, 1)),
        ("random_like", (np.zeros(64, np.uint8), np.zeros(9, np.int64), BYTES, np.zeros(2, np.bool_), 32)),
        ("random_like", (np.zeros(64, np.uint8), np.zeros(20, np.int64), BYTES, np.zeros(1, np.bool_), 32)),
        ("random_like", (np.zeros(64, np.uint8), np.zeros(20, np.int64), BYTES[:9], np.zeros(2, np.bool_), 32)),
        ("various", (np.zeros(9, np.uint8), np.array([2]), np.zeros(1, np.bool_), 8, 5, 56)),
        ("distinct", (np.zeros(9, np.uint8), np.array([-1]), np.zeros(1, np.int64), 2, 1)),
        ("aes_relations", (np.zeros(9, np.uint32), np.zeros(9, np.int64), 0, 10)),
        ("structures", (WORDS, np.zeros(9, np.uint8), np.zeros(8, np.uint8), *[np.zeros(7, np.int64)] * 3, 130)),
        ("live_pages", (np.zeros(8192, np.uint8), np.zeros(1, np.bool_))),
        ("copy_live", (np.zeros(8192, np.uint8), np.zeros(4096, np.uint8), np.zeros(2, np.bool_))),
        ("borders", (WORDS, BITS, BITS[:2], *[np.zeros(11, np.int64)] * 2, 5, 56)),
        ("borders", (WORDS, BEYOND, BITS, *[np.zeros(11, np.int64)] * 2, 5, 56)),
        ("borders", (WORDS, BITS, BITS, np.zeros(10, np.int64), np.zeros(11, np.int64), 5, 56)),
        ("digit_starts", (WORDS, BITS[:2], DIGITS, PLACES, np.zeros(1, np.int64))),
        ("digit_starts", (WORDS, BITS, DIGITS[:5], PLACES, np.zeros(1, np.int64))),
        ("digit_starts", (WORDS, BITS, np.array([3 << 62, 4, 9, 1, 1, 1], np.uint64), PLACES, np.zeros(1, np.int64))),
        ("digit_starts", (WORDS, BITS, np.array([1 << 62, 4, 8, 1, 1, 1], np.uint64), PLACES, np.zeros(1, np.int64))),
        ("digit_starts", (WORDS, BITS, DIGITS, PLACES, np.zeros(0, np.int64))),
        ("digit_numbers", (WORDS, np.array([4]), PLACES, 3 << 62, 4, 8, 0, 9)),
        ("digit_numbers", (WORDS, np.array([8, 16]), PLACES[:1], 3 << 62, 4, 8, 0, 9)),
        ("rsa_exponents", (OCTETS, FLAGS[:8], *[PLACES] * 2, np.array([64]), PLACES.copy(), np.zeros(5, np.int64))),
        ("rsa_exponents", (OCTETS, FLAGS, *[PLACES] * 2, np.array([63]), PLACES.copy(), np.zeros(5, np.int64))),
        ("rsa_exponents", (OCTETS, FLAGS, *[PLACES] * 2, np.array([64]), PLACES.copy(), np.zeros(4, np.int64))),
        ("rsa_integers", integers_of(dense=FLAGS[:8])),
        ("rsa_integers", integers_of(begins=np.array([9]))),
        ("rsa_integers", integers_of(ends=np.array([-1]))),
        ("rsa_integers", integers_of(sizes=np.array([60]))),
        ("rsa_integers", integers_of(sizes=np.array([520]))),
        ("rsa_integers", integers_of(totals=np.zeros(5, np.int64))),
        ("unaligned", (WORDS, BEYOND, np.array([32]), PLACES, np.zeros(1, np.int64))),
        ("unaligned", (WORDS, BITS, np.array([31]), PLACES, np.zeros(1, np.int64))),
        ("unaligned", (WORDS, BITS, np.array([32, 48]), PLACES, np.zeros(1, np.int64))),
        ("products", (WORDS, WORDS, 0, 10, 5, PLACES, True)),
        ("products", (WORDS, WORDS, -1, 9, 5, PLACES, True)),
        ("products", (WORDS, WORDS, 0, 9, 10, PLACES, True)),
        ("closed", (WORDS, BEYOND, PARTS, np.zeros(36, np.int64), np.zeros(36, np.int64))),
        ("closed", (WORDS, BITS, PARTS, np.zeros(36, np.int64), np.zeros(35, np.int64))),
        ("closed", (WORDS, BITS, np.ones(5, np.bool_), np.zeros(36, np.int64), np.zeros(36, np.int64))),
        ("closed", (WORDS, BITS, PARTS[:4], np.zeros(36, np.int64), np.zeros(36, np.int64))),
        ("random_numbers", (WORDS, np.array([6]), np.array([4]), PLACES, np.zeros(9, np.int64), 56)),
        ("random_numbers", (WORDS, np.array([0]), np.array([4]), PLACES, np.zeros(4, np.int64), 56)),
        ("random_numbers", (WORDS, np.array([0, 1]), np.array([4, 4]), PLACES[:1], np.zeros(9, np.int64), 56)),
        ("heads", (WORDS, BEYOND, PLACES, 1, 2)),
        ("heads", (WORDS, BITS[:2], PLACES, 1, 2)),
        ("heads", (WORDS, BITS, PLACES[:8], 1, 2)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(function: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises((ValueError, BufferError)):
        getattr(kernel.native, function)(*arguments)


def test_it_can_be_left_out() -> None:
    code = "from dumpscan import kernel; assert kernel.native is None"
    environment = {**os.environ, "DUMPSCAN_KERNEL": "numpy"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)
