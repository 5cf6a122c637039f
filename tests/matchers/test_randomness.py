"""What passes for random bytes, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from dumpscan import kernel
from dumpscan.matchers.randomness import various, various_at


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("size", "rows"), [(32, 400_000), (48, 200_000), (66, 100_000), (128, 50_000), (512, 20_000)])
def test_random_bytes_pass(size: int, rows: int, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(kernel, "native", None)
    octets = np.random.default_rng(size).integers(0, 256, size * rows, np.uint8)
    flags = various_at(octets, np.arange(rows) * size, size)
    assert (~flags).sum() <= 5 + rows // 20_000


@pytest.mark.parametrize(
    "octets",
    [
        "任意の鍵がない漢字の文".encode() + b"!",
        bytes.fromhex("0a00b600b70700b80c00b900ba010015016a617661070801020304050607080900"),
        bytes.fromhex("28e10a00d4d364fffd00000000410e108602430d06428d034a8c04830502c80a"),
        b"plain text of thirty-two octets.",
        bytes(range(32)),
    ],
)
def test_what_only_looks_so_does_not(octets: bytes) -> None:
    assert not various(np.frombuffer(octets[:32], np.uint8).reshape(1, -1))[0]
