"""The inputs of the benchmarks, made once into a folder.

mixed.raw      cores of a JVM and of a Python process with NumPy arrays, one after the other
zeros.core     core of an idle JVM with a large, mostly untouched heap
keys.core      core of a Python process with a hundred keys of RSA-2048
adversarial/   one content that is hard for scanners in each file
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_JAVA = """
import java.util.*;
public class Mixed {
    public static void main(String[] a) throws Exception {
        int mb = Integer.parseInt(a[0]);
        List<Object> keep = new ArrayList<>();
        Map<String, Object> map = new HashMap<>();
        Random r = new Random(7);
        for (int i = 0; i < mb * 1200; i++) {
            map.put("user." + i + ".preferences.colour", "value number " + r.nextInt() + " of the thing");
            if (i % 400 == 0) { byte[] b = new byte[16384]; r.nextBytes(b); keep.add(b); }
            if (i % 100 == 0) { double[] d = new double[512];
                for (int j = 0; j < 512; j++) d[j] = r.nextGaussian(); keep.add(d); }
        }
        System.out.println("ready"); System.out.flush();
        Thread.sleep(600000);
    }
}
"""
_NUMPY = """
import time, random, json, collections
import numpy as np
r = np.random.default_rng(7)
keep = [r.standard_normal(6_000_000), r.integers(0, 1000, 8_000_000)]
keep += [r.random((2000, 1500)).astype('f4'), r.bytes(16 << 20)]
words = [''.join(random.choices('abcdefghijklmnopqrstuvwxyz', k=9)) for _ in range(300_000)]
table = {w: {'id': i, 'name': w * 3, 'tags': words[i % 1000: i % 1000 + 4]} for i, w in enumerate(words)}
text = json.dumps(table)
print('ready', flush=True)
time.sleep(600)
"""

_KEYS = """
import time
from cryptography.hazmat.primitives.asymmetric import rsa
keep = [rsa.generate_private_key(65537, 2048) for _ in range(100)]
keep += [key.private_numbers().d.bit_length() for key in keep]
print('ready', flush=True)
time.sleep(600)
"""


@contextmanager
def _ready(*command: str) -> Iterator[int]:
    """The pid of a program that has said ``ready``."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            for line in process.stdout:
                if "ready" in line:
                    break
            time.sleep(1)
            yield process.pid
        finally:
            process.kill()


def _core(folder: Path, name: str, *command: str) -> Path:
    target = folder / name
    if not target.exists():
        with _ready(*command) as pid:
            subprocess.run(["gcore", "-o", str(folder / "tmp"), str(pid)], check=True, capture_output=True)
            (folder / f"tmp.{pid}").rename(target)
    return target


def make(folder: Path) -> dict[str, Path]:
    """Make what is missing in ``folder``; returns the files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "Mixed.java"
    source.write_text(_JAVA)
    java = _core(folder, "jvm.core", "java", "-Xmx700m", "-Xms500m", "-XX:+AlwaysPreTouch", str(source), "300")
    array = _core(folder, "numpy.core", sys.executable, "-c", _NUMPY)
    mixed = folder / "mixed.raw"
    if not mixed.exists():
        with mixed.open("wb") as out:
            for part in (java, array):
                out.write(part.read_bytes())
    zeros = _core(folder, "zeros.core", "java", "-Xmx1500m", "-Xms1500m", "-XX:+AlwaysPreTouch", str(source), "40")
    keys = _core(folder, "keys.core", sys.executable, "-c", _KEYS)
    files = {"mixed": mixed, "zeros": zeros, "jvm": java, "numpy": array, "keys": keys}
    hostile = folder / "adversarial"
    hostile.mkdir(exist_ok=True)
    for name, content in _adversarial():
        path = hostile / name
        if not path.exists():
            path.write_bytes(content())
        files[name] = path
    return files


_SIZE = 128 << 20


def _adversarial() -> Iterator[tuple[str, object]]:
    rng = np.random.default_rng(1)
    random = rng.bytes

    def near_keys() -> bytes:
        block = bytearray(_SIZE)
        data = np.frombuffer(block, np.uint8).reshape(-1, 64)
        data[:, :33] = rng.integers(0, 256, (len(data), 33), dtype=np.uint8)
        return bytes(block)

    yield "random", lambda: random(_SIZE)
    yield "base64", lambda: base64.b64encode(random(_SIZE * 3 // 4))
    yield "slashes", lambda: b"https://u:p@host/ " * (_SIZE // 18)
    yield "token", lambda: b"Authorization: Bearer 0123456789abcdef; " * (_SIZE // 40)
    yield "near-keys", near_keys
    yield "headers", lambda: b"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" * (_SIZE // 48)
    yield "der", lambda: bytes.fromhex("308204a40201000282010100") * (_SIZE // 12)


if __name__ == "__main__":
    for name, path in make(Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/data")).items():
        print(f"{path.stat().st_size:>13,}  {name}")
