"""A Windows program under Wine that holds keys of CNG and CryptoAPI, crashes, and writes its own minidump.

Wine's rsaenh.dll keeps its keys in the Windows heap, as libtommath's digits. Its bcrypt.dll hands them to GnuTLS, whose
heap is Linux's: no minidump holds that, but a core of the process does. ``WINDOWS`` has both, and the program
that keeps the blobs it exported; of 64 bits, and of 32.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.makers.lib_keys import Held, held_asymmetric, make_keys
from tests.makers.libraries import Library, Target, ready
from tests.makers.planted import github_token
from tests.makers.programs import need, run

PACKAGES = ("wine", "wine64", "gcc-mingw-w64-x86-64", "lldb-14", "python3-lldb-14")
PACKAGES_32 = ("wine32:i386", "gcc-mingw-w64-i686")
"""For programs of 32 bits, after ``dpkg --add-architecture i386``."""

_COMPILERS = {64: "x86_64-w64-mingw32-gcc", 32: "i686-w64-mingw32-gcc"}
_PREFIXES = {64: "win64", 32: "win32"}
_SOURCE = Path(__file__).parent / "c" / "windows.c"
_CALG = {16: 0x660E, 24: 0x660F, 32: 0x6610}
_READ = {"rsa2048": "capi-rsa2048-read", "aes128": "capi-aes128", "rsa3072": "cng-rsa3072", "aes256": "cng-aes256"}
"""The keys that the program is given, and what they are called in it."""
_QUIET = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe="}


@dataclass(frozen=True)
class Crashed:
    """The program after its crash, waiting: its minidump, its process, and what it holds."""

    pid: int
    minidump: Path
    folder: Path
    held: tuple[Held, ...]
    token: str
    password: str


@contextlib.contextmanager
def wine(folder: Path, bits: int = 64) -> Iterator[dict[str, str]]:
    """The environment of a Wine of its own, below ``folder``."""
    need("wine", "wineserver")
    environment = {
        **os.environ,
        **_QUIET,
        "WINEPREFIX": str(folder / "prefix"),
        "WINEARCH": _PREFIXES[bits],
        **dict.fromkeys(("HOME", "TMPDIR"), str(folder)),
    }
    try:
        done = subprocess.run(
            ["wine", "wineboot", "-i"], env=environment, capture_output=True, timeout=300, check=False
        )
        if done.returncode and bits == 32 and not os.environ.get("CI"):
            pytest.skip("no Wine of 32 bits: wine32:i386 is not installed")
        assert done.returncode == 0, done.stderr[-500:]
        yield environment
    finally:
        subprocess.run(["wineserver", "-k"], env=environment, capture_output=True, timeout=60, check=False)
        shutil.rmtree(folder / "prefix", ignore_errors=True)


@contextlib.contextmanager
def crashed(folder: Path, *, keeps_blobs: bool = False, bits: int = 64) -> Iterator[Crashed]:
    """Compile and run the program in ``folder``; with ``keeps_blobs`` the keys that it exported stay in its heap."""
    need(_COMPILERS[bits])
    keys = make_keys(folder)
    (folder / "rsa3072.rsa2").write_bytes(_cng_blob(keys.asymmetric["rsa3072"]))
    (folder / "rsa2048.capi").write_bytes(_capi_blob(keys.asymmetric["rsa2048"]))
    aes = keys.symmetric["aes128"]
    (folder / "aes128.capi").write_bytes(struct.pack("<BBHII", 8, 2, 0, _CALG[len(aes)], len(aes)) + aes)
    token, password = github_token(random.Random()), os.urandom(20).hex()
    (folder / "token").write_text(token)
    binary = folder / "held.exe"
    done = run(_COMPILERS[bits], "-O1", "-g", "-o", binary, _SOURCE, "-lbcrypt", "-ldbghelp", "-ladvapi32")
    assert done.returncode == 0, done.stderr[-500:]
    with wine(folder, bits) as environment:
        environment = {**environment, "BILLING_DB_PASSWORD": password}
        command: list[str | Path] = ["wine", binary, ".", *(["keep"] if keeps_blobs else [])]
        with ready(command, cwd=folder, env=environment) as process:
            held = (*_made(folder), *(replace(key, name=_READ[key.name]) for key in keys.held(*_READ)))
            yield Crashed(process.pid, folder / "crash.dmp", folder, held, token, password)


def _cng_blob(key: object) -> bytes:
    """BCRYPT_RSAPRIVATE_BLOB."""
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers, size = key.private_numbers(), key.key_size // 8
    head = struct.pack("<4s5I", b"RSA2", 8 * size, 3, size, size // 2, size // 2)
    public = numbers.public_numbers
    sized = ((public.e, 3), (public.n, size), (numbers.p, size // 2), (numbers.q, size // 2))
    return head + b"".join(number.to_bytes(width, "big") for number, width in sized)


def _capi_blob(key: object) -> bytes:
    """PRIVATEKEYBLOB of a signature key."""
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers, size = key.private_numbers(), key.key_size // 8
    head = struct.pack("<BBHI4sII", 7, 2, 0, 0x2400, b"RSA2", 8 * size, numbers.public_numbers.e)
    halves = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    body = b"".join(number.to_bytes(size // 2, "little") for number in halves)
    return head + numbers.public_numbers.n.to_bytes(size, "little") + body + numbers.d.to_bytes(size, "little")


def _made(folder: Path) -> Iterator[Held]:
    """The keys that the program made, from what it exported."""
    at = 24 + 3  # the header and e
    blob = (folder / "cng-rsa2048.rsa2").read_bytes()
    yield held_asymmetric("cng-rsa2048", _rsa(*(int.from_bytes(blob[at + a : at + b], "big") for a, b in _N_P_Q)))
    blob = (folder / "capi-rsa2048.private").read_bytes()
    yield held_asymmetric("capi-rsa2048", _rsa(*(int.from_bytes(blob[20 + a : 20 + b], "little") for a, b in _N_P_Q)))
    for name, curve in (("p256", ec.SECP256R1()), ("p384", ec.SECP384R1())):
        blob = (folder / f"cng-{name}.ecc").read_bytes()
        scalar = int.from_bytes(blob[-curve.key_size // 8 :], "big")
        yield held_asymmetric(f"cng-{name}", ec.derive_private_key(scalar, curve))


_N_P_Q = ((0, 256), (256, 384), (384, 512))


def _rsa(n: int, p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(65537, n)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


_CAPI = ("capi-rsa2048", "capi-rsa2048-read", "capi-aes128")
_CNG = ("cng-rsa2048", "cng-rsa3072", "cng-p256", "cng-p384", "cng-aes256")


def _library(name: str, *holds: str, minidump: bool, keeps_blobs: bool = False, bits: int = 64) -> Library:
    @contextlib.contextmanager
    def start(folder: Path) -> Iterator[Target]:
        with crashed(folder, keeps_blobs=keeps_blobs, bits=bits) as state:
            held = tuple(key for name in holds for key in state.held if key.name == name)
            executable = str(Path(f"/proc/{state.pid}/exe").readlink())
            yield Target(state.pid, executable, held, core=state.minidump if minidump else None)

    return Library(name, start, heavy=True)


WINDOWS = (
    _library("Wine, minidump", *_CAPI, "cng-aes256", minidump=True),
    _library("Wine, core", *_CAPI, *_CNG, minidump=False),
    _library("Wine, blobs kept, minidump", *_CAPI, *_CNG, minidump=True, keeps_blobs=True),
    _library("Wine (32 bits), minidump", *_CAPI, "cng-aes256", minidump=True, bits=32),
    _library("Wine (32 bits), core", *_CAPI, *_CNG, minidump=False, bits=32),
    _library("Wine (32 bits), blobs kept, minidump", *_CAPI, *_CNG, minidump=True, keeps_blobs=True, bits=32),
)
