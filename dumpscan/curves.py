"""The curve equations: is a pair of numbers a point?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple


class Curve(NamedTuple):
    """y**2 = x**3 + a * x + b (mod p); ``order`` is the number of its points, a prime."""

    p: int
    a: int
    b: int
    order: int


def _weierstrass(p: str, a: str, b: str, order: str) -> Curve:
    return Curve(*(int(text, 16) for text in (p, a, b, order)))


_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P384 = 2**384 - 2**128 - 2**96 + 2**32 - 1
_P521 = 2**521 - 1

EQUATIONS = {
    "P-256": Curve(
        _P256,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "P-384": Curve(
        _P384,
        -3,
        int("B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF", 16),
        2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    ),
    "P-521": Curve(
        _P521,
        -3,
        int(
            "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E1"
            "56193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00",
            16,
        ),
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
    ),
    "secp256k1": Curve(2**256 - 2**32 - 977, 0, 7, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141),
    "brainpoolP256r1": _weierstrass(
        "A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377",
        "7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9",
        "26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6",
        "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7",
    ),
    "brainpoolP384r1": _weierstrass(
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53",
        "7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826",
        "04A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11",
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565",
    ),
    "brainpoolP512r1": _weierstrass(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330871"
        "7D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3",
        "7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC"
        "2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA",
        "3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A7"
        "2BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723",
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870"
        "553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069",
    ),
}
"""SEC 2 version 2 (P-256, P-384, P-521, secp256k1) and RFC 5639."""


ORDER_25519 = 2**252 + 27742317777372353535851937790883648493
"""Of the generator of Curve25519 and of edwards25519: L of RFC 8032, section 5.1."""


def montgomery_radix(modulus: int) -> int:
    """R of arithmetic in Montgomery form, in words of 64 bits: the first power of 2**64 above ``modulus``."""
    return 1 << 64 * -(-modulus.bit_length() // 64)


@cache
def montgomery_unit(curve: str) -> int:
    """What turns a coordinate in Montgomery form, of whole words of 64 bits, into the coordinate: the inverse of R."""
    p = EQUATIONS[curve].p
    return pow(montgomery_radix(p), -1, p)


def curves_of(x: int, y: int, size: int) -> Iterator[str]:
    """The curves, of coordinates ``size`` bytes wide, that (x, y) is on."""
    for name, (p, a, b, _) in EQUATIONS.items():
        if (p.bit_length() + 7) // 8 == size and x < p and 0 < y < p and (y * y - (x * x + a) * x - b) % p == 0:
            yield name
