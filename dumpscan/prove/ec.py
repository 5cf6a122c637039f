"""EC keys from raw scalars: d * G = Q, for points of certificates, of the user's keys, or seen in the clear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.curves import EQUATIONS, montgomery_radix, montgomery_unit
from dumpscan.keys import CURVES, ec_key, point_of
from dumpscan.matchers.integers import DIGITS
from dumpscan.matchers.java_scalars import JAVA_WORDS
from dumpscan.matchers.limb_arithmetic import little_endian, members
from dumpscan.model import Candidate, Clue, Clues, PublicKey, Span, all_clues
from dumpscan.prove.beside import beside
from dumpscan.prove.comb import width_for, x_coordinates
from dumpscan.prove.lone import LoneValues
from dumpscan.prove.means import Means, batches
from dumpscan.prove.multiples import among, limbs, limbs_of, low_x_of_multiples
from dumpscan.prove.pointers import pointed_integers
from dumpscan.prove.projective import projective_points

MAX_TESTS = 1_000_000
"""Scalar multiplications of one dump, 10 to 200 µs each, with AVX-512 IFMA 1 to 20, without a compiler 50 to 900; more
is a recorded limit."""

MAX_COORDINATES = 2_000_000
"""Numbers of one width among which the two coordinates of a point are looked for, 0.2 µs each and curve, without a
compiler 2 µs; more is a recorded limit."""

MAX_TURNED = 1000
"""Points of one curve whose scalars are looked for in Montgomery form too: 0.1 to 2 milliseconds each; more is a
recorded limit."""

_BATCH = 4096
"""Values handed out at a time."""

COMB_FROM = {"P-384": 20_000, "secp256k1": 100, "brainpoolP256r1": 100, "brainpoolP384r1": 100, "brainpoolP512r1": 100}
"""Scalars from which the table of a comb pays; OpenSSL is as fast on the other curves."""

Read = Callable[[int, int], bytes]
_Point = tuple[int, int]
_Hashes = NDArray[np.uint64]

KINDS = ("octets-alone", "digits-alone", "integer-pointer", "projective-point")
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """EC keys whose scalar is among ``clues`` (of :data:`KINDS`)."""
    near = [*clues, *beside(publics, ("ec",), means, limits)]
    digits = [clue for clue in all_clues(clues, "digits-alone") if clue.encoding in _TOLD]
    numbers = _Numbers(list(pointed_integers(clues, read, 160, 521, limits)), digits, LoneValues(near))
    points: dict[str, dict[_Point, None]] = {}
    in_structures = projective_points(clues, read, limits)
    for curve, point in chain(_known(publics), in_structures, _pieced_points(numbers, limits, means)):
        points.setdefault(curve, {})[point] = None
    found: dict[bytes, Candidate] = {}
    left = MAX_TESTS
    for curve, seen in points.items():
        wanted = [point for point in seen if point[0] != _generator(curve)[0]]
        values = numbers.of_width(CURVES[curve].key_size) if wanted else {}
        most = left // _readings_of(CURVES[curve].key_size)
        if len(values) > most:
            limits.append("more EC scalars to test than the limit of one dump")
        left -= min(len(values), most) * _readings_of(CURVES[curve].key_size)
        for scalar, octets, encoding in _scalars(curve, wanted, list(islice(values, most)), limits, means):
            spans, stored = values[octets]
            places = (*spans, *numbers.lone.places(octets))
            key = ec_key(curve, scalar, spans=places, encoding=stored or encoding, point=point_of(curve, scalar))
            if key:
                found.setdefault(key.identity, key)
    return list(found.values())


_TOLD = (*DIGITS, JAVA_WORDS)
"""Encodings of ``digits-alone`` clues."""

_Stored = tuple[tuple[Span, ...], str]
_ALONE: _Stored = ((), "")


@dataclass(frozen=True, slots=True)
class _Numbers:
    """All that may be a scalar or a coordinate."""

    pointed: Sequence[int]
    digits: Sequence[Clue]
    lone: LoneValues

    def of_width(self, bits: int) -> dict[bytes, _Stored]:
        """Octets in memory order (of numbers that stood otherwise: little-endian), surest first -> where such a number
        stood, and how."""
        size = (bits + 7) // 8
        found: dict[bytes, _Stored] = {}
        for value in self.pointed:
            if bits - 32 <= value.bit_length() <= bits:
                found[value.to_bytes(size, "little")] = ((), "limbs-le")
        for clue in self.digits:
            value = int.from_bytes(clue.value, "big")
            if bits - 32 <= 8 * len(clue.value) <= bits + 7 and value.bit_length() <= bits:
                found.setdefault(value.to_bytes(size, "little"), ((Span(clue.start, clue.end),), clue.encoding))
        alone = self.lone.of_size(size)
        return {**found, **{octets: _ALONE for octets in alone if octets not in found}}


@cache
def _generator(curve: str) -> _Point:
    """G, which programs hold with the parameters of the curve."""
    return point_of(curve, 1) or (0, 0)


def _known(publics: Sequence[PublicKey]) -> Iterator[tuple[str, _Point]]:
    for key in publics:
        if key.algorithm == "ec" and key.curve in CURVES and len(key.numbers) == 2:
            yield key.curve, (key.numbers[0], key.numbers[1])


def _encodings(size: int) -> tuple[str, ...]:
    """What ``size`` octets in memory order may be."""
    return ("limbs-le", "octets", "words-msw-le32") if size % 4 == 0 else ("limbs-le", "octets")


def _readings_of(bits: int) -> int:
    """How many numbers octets may mean."""
    return len(_encodings((bits + 7) // 8))


def _readings(octets: bytes) -> Iterator[tuple[int, str]]:
    """The numbers that octets in memory order may mean."""
    yield int.from_bytes(octets, "little"), "limbs-le"
    yield int.from_bytes(octets, "big"), "octets"
    if len(octets) % 4 == 0:
        words = b"".join(octets[i : i + 4][::-1] for i in range(0, len(octets), 4))
        yield int.from_bytes(words, "big"), "words-msw-le32"


def _scalars(
    curve: str, wanted: Sequence[_Point], values: Sequence[bytes], limits: list[str], means: Means
) -> Iterator[tuple[int, bytes, str]]:
    """(scalar, octets, encoding) of the private halves of ``wanted`` among ``values``.

    A scalar may be in Montgomery form, d * R modulo the order of G: what such a number leads to is R * Q.
    """
    if not values:
        return
    count = len(values) * _readings_of(CURVES[curve].key_size)
    combed = kernel.curves is None and count >= COMB_FROM.get(curve, MAX_TESTS + 1)
    width = width_for(curve, count) if combed else 0
    told, turned = frozenset(wanted), _turned(curve, wanted, limits)
    work = partial(_multiplied, curve, turned.union(x for x, _ in wanted), width)
    order = EQUATIONS[curve].order if curve in EQUATIONS else 0
    for scalar, octets, encoding in chain.from_iterable(means.spread(work, batches(values, _BATCH))):
        point = point_of(curve, scalar)
        if point in told:
            yield scalar, octets, encoding
        elif point is not None and point[0] in turned:
            plain = scalar * pow(montgomery_radix(order), -1, order) % order
            if point_of(curve, plain) in told:
                yield plain, octets, f"{encoding} (Montgomery)"


def _turned(curve: str, points: Sequence[_Point], limits: list[str]) -> frozenset[int]:
    """x of R * Q for the points Q of ``points``."""
    if curve not in EQUATIONS:
        return frozenset()
    xs = dict.fromkeys(x for x, _ in points)
    if len(xs) > MAX_TURNED:
        limits.append("more EC points than are looked for in Montgomery form")
    order = EQUATIONS[curve].order
    radix = ec.derive_private_key(montgomery_radix(order) % order, CURVES[curve])
    by_x = dict(points)
    found: set[int] = set()
    for x in islice(xs, MAX_TURNED):
        with suppress(ValueError):  # it is not on the curve
            point = ec.EllipticCurvePublicNumbers(x, by_x[x], CURVES[curve]).public_key()
            found.add(int.from_bytes(radix.exchange(ec.ECDH(), point), "big"))
    return frozenset(found)


def _multiplied(
    curve: str, wanted: frozenset[int], width: int, values: Sequence[bytes]
) -> list[tuple[int, bytes, str]]:
    """The readings of ``values`` whose multiple of G has its x in ``wanted``."""
    if kernel.curves is not None:
        return _multiplied_at_once(curve, wanted, values)
    read = [(scalar, octets, encoding) for octets in values for scalar, encoding in _readings(octets)]
    scalars = [scalar for scalar, _, _ in read]
    if width:
        found = x_coordinates(curve, scalars, width)
    else:
        found = [(point_of(curve, scalar) or (-1, 0))[0] for scalar in scalars]
    return [item for item, x in zip(read, found, strict=True) if x in wanted]


def _multiplied_at_once(curve: str, wanted: frozenset[int], values: Sequence[bytes]) -> list[tuple[int, bytes, str]]:
    """As above, by the lowest 64 bits of x; the caller checks all of it."""
    rows = _reading_rows(values, limbs_of(curve))
    each = len(rows) // len(values)
    encodings = _encodings(len(values[0]))
    hits = among(low_x_of_multiples(curve, rows), np.sort(_lowest(wanted)))
    return [
        (int.from_bytes(rows[index].tobytes(), "little"), values[index // each], encodings[index % each])
        for index in hits
    ]


def _reading_rows(values: Sequence[bytes], width: int) -> _Hashes:
    """The numbers of :func:`_readings` in 64-bit words, lowest first: those of the first value, of the second, ..."""
    size = len(values[0])
    octets = np.frombuffer(b"".join(values), np.uint8).reshape(-1, size)
    encodings = _encodings(size)
    rows = np.zeros((len(values), len(encodings), 8 * width), np.uint8)
    for index, encoding in enumerate(encodings):
        rows[:, index, :size] = little_endian(octets, encoding)
    return rows.view("<u8").reshape(-1, width)


def _pieced_points(numbers: _Numbers, limits: list[str], means: Means) -> Iterator[tuple[str, _Point]]:
    """Points whose coordinates are two numbers of the dump, wherever they lie: structures hold them (mbedTLS,
    libgcrypt, libtomcrypt), or they stand alone (nettle). OpenSSL has some in Montgomery form.

    A join of y**2 with x**3 + a * x + b, by their lowest 64 bits.
    """
    by_bits: dict[int, list[bytes]] = {}
    for name, equation in EQUATIONS.items():
        bits = equation.p.bit_length()
        if bits not in by_bits:
            values = numbers.of_width(bits)
            most = MAX_COORDINATES // len(_forms(name, bytes((bits + 7) // 8)))
            if len(values) > most:
                limits.append("more coordinates of EC points to join than the limit of one dump")
            by_bits[bits] = list(islice(values, most))
        yield from ((name, point) for point in _joined(name, by_bits[bits], means))


def _joined(curve: str, values: Sequence[bytes], means: Means) -> Iterator[_Point]:
    if len(values) < 2:
        return
    each = len(_forms(curve, values[0]))
    sides = np.concatenate(list(means.spread(partial(_sides, curve), batches(values, _BATCH))), axis=1)
    squares, cubics = sides
    rooted = members(squares)(cubics)
    if not len(rooted):
        return
    roots: dict[int, list[int]] = {}
    for index in members(cubics[rooted])(squares).tolist():
        roots.setdefault(int(squares[index]), []).append(_forms(curve, values[index // each])[index % each])
    p, a, b, _ = EQUATIONS[curve]
    for index in rooted.tolist():
        x = _forms(curve, values[index // each])[index % each]
        for y in roots.get(int(cubics[index]), ()):
            if x < p and y < p and (y * y - (x * x + a) * x - b) % p == 0:
                yield x, y
                yield x, p - y


def _sides(curve: str, values: Sequence[bytes]) -> _Hashes:
    """Lowest 64 bits of y**2, and those of x**3 + a * x + b, for each form of each value (as y, and as x)."""
    if kernel.curves is not None:
        return _sides_at_once(curve, values)
    p, a, b, _ = EQUATIONS[curve]
    squares, cubics = [], []
    for value in chain.from_iterable(_forms(curve, octets) for octets in values):
        square = value * value % p
        squares.append(square)
        cubics.append((square + a) * value + b)
    return np.array([_lowest(squares), _lowest(cubic % p for cubic in cubics)])


def _sides_at_once(curve: str, values: Sequence[bytes]) -> _Hashes:
    assert kernel.curves is not None
    width = limbs_of(curve)
    rows = _reading_rows(values, width)
    each = len(rows) // len(values)
    p, a, b, _ = EQUATIONS[curve]
    numbers = [limbs(number, width) for number in (p, a % p, b)]
    found = np.empty((2, len(values), each + 1), np.uint64)
    for kept, some, divided in ((slice(each), rows, False), (slice(each, None), rows[::each], True)):
        sides = np.empty((2, len(some)), np.uint64)
        kernel.curves.sides(*numbers, np.ascontiguousarray(some), sides[0], sides[1], divided)
        found[:, :, kept] = sides.reshape(2, len(values), -1)
    return found.reshape(2, -1)


def _lowest(values: Iterable[int]) -> _Hashes:
    return np.array([value & (1 << 64) - 1 for value in values], np.uint64)


def _forms(curve: str, octets: bytes) -> list[int]:
    """The coordinates that octets may mean; little-endian ones in Montgomery form too."""
    p = EQUATIONS[curve].p
    plain = [value for value, _ in _readings(octets)]
    return [*plain, plain[0] * montgomery_unit(curve) % p]
