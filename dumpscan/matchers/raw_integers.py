"""All matchers of raw integers over one map of the window: the costly part is done once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.ec_scalars import EcScalars
from dumpscan.matchers.integer_structures import IntegerStructures
from dumpscan.matchers.randomness import word_map
from dumpscan.matchers.rsa_exponents import RsaExponents
from dumpscan.matchers.rsa_limbs import RsaLimbs
from dumpscan.matchers.unaligned_octets import UnalignedOctets
from dumpscan.model import Evidence


class RawIntegers:
    """Window matcher: RSA integers, lone scalars and seeds, points, big-number structures."""

    name = "raw-integers"
    anchors: Sequence[bytes] = ()
    reach = RsaLimbs.reach

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        mapped = word_map(view)
        yield from RsaLimbs().from_map(mapped)
        yield from RsaExponents().from_map(mapped)
        yield from EcScalars().from_map(mapped)
        yield from UnalignedOctets().from_map(mapped)
        if view.pointer_size == 8 and view.byte_order == "little":
            yield from IntegerStructures().from_map(mapped, view.mapped)


RAW_INTEGERS = RawIntegers()
