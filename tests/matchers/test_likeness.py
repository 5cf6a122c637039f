from __future__ import annotations

import random

import numpy as np
import pytest

from dumpscan.matchers.likeness import random_like

WIDTHS = (28, 32, 48, 56, 57, 64, 66, 96)


@pytest.mark.parametrize("width", WIDTHS)
def test_random_bytes_pass(width: int) -> None:
    """Ten in a million may not; of 100,000 six or more would be one case in 5,000."""
    table = np.frombuffer(random.Random(width).randbytes(100_000 * width), np.uint8).reshape(-1, width)
    assert np.count_nonzero(~random_like(table)) < 6


@pytest.mark.parametrize("width", [32, 48, 66, 96])
def test_text_class_files_and_floats_do_not(width: int) -> None:
    rng = np.random.default_rng(width)
    count = width // 4 + 1
    refused = {
        "text": b"the quick brown fox jumps over the lazy dog, and over another one as well" * 2,
        "Chinese": ("時間區域名稱顯示設定與本地化資料的字串常量池內容" * 2).encode(),
        "class file": bytes.fromhex("0801fa0100120801fc01000d0801fe0100090a02c102c20702c30c02c402c501001308080908") * 3,
        "messages": "Zeitüberschreitung beim Lesen \0\1 Время ожидания ".encode() * 3,
        "code": bytes.fromhex("4889e5415741564989fe488b07488d35f30f1f00e8ff41884c2408488b450089c1c3") * 4,
        "float32": rng.random(count).astype("<f4").tobytes(),
        "float64": np.float64(rng.standard_normal(100)).astype("<f8").tobytes() if width == 96 else bytes(width),
        "zeros": rng.bytes(width - 9) + bytes(9),
    }
    for name, octets in refused.items():
        assert len(octets) >= width
        assert not random_like(np.frombuffer(octets[:width], np.uint8).reshape(1, -1))[0], name


def test_no_rows() -> None:
    assert random_like(np.zeros((0, 32), np.uint8)).tolist() == []
