"""Processes that hold what they should not, dumped by gdb's gcore: tokens in two encodings, keys in PEM and DER."""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dumpscan.huffman import huffman_at_each_phase
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from dumpscan.signature_examples import expand
from tests.makers.lib_keys import make_keys
from tests.makers.libraries import granian
from tests.makers.programs import gcore, need, program, run, running, write_key

TOKEN = expand("ghp_<base62:30><crc32>")

HOLDER = """
import ctypes, sys
token = sys.stdin.readline().strip()
narrow = ctypes.create_string_buffer(b"x-token: " + token.encode() + b" end")
wide = ctypes.create_string_buffer("x-token: ".encode("utf-16-le") + token.encode("utf-16-le") + b"\\0\\0")
print("ready", flush=True)
sys.stdin.read()
"""


READER = """
import sys
pem, der = (open(path, "rb").read() for path in sys.argv[1:])
print("ready", flush=True)
sys.stdin.read()
"""


KEYBLOCKS = """
import ctypes, os, sys
krb5 = ctypes.CDLL("libkrb5.so.3")
context, kept = ctypes.c_void_p(), []
assert krb5.krb5_init_context(ctypes.byref(context)) == 0

class Keyblock(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int), ("kind", ctypes.c_int), ("size", ctypes.c_uint), ("octets", ctypes.c_void_p)]

def make(kind, size):
    octets, made = os.urandom(size), ctypes.POINTER(Keyblock)()
    assert krb5.krb5_init_keyblock(context, kind, ctypes.c_size_t(size), ctypes.byref(made)) == 0
    ctypes.memmove(made.contents.octets, octets, size)
    kept.append(made)
    return octets.hex()

with open(sys.argv[1], "w") as truth:
    truth.write("\\n".join(make(*kind) for kind in ((18, 32), (17, 16), (20, 32), (23, 16)) for _ in range(100)))
print("ready", flush=True)
sys.stdin.read()
"""


def views(core: Path, executable: str) -> str:
    """What gdb shows of threads, registers and backtraces."""
    need("gdb")
    commands = ("info threads", "thread apply all bt", "thread apply all info registers")
    arguments = [part for command in commands for part in ("-ex", command)]
    done = run("gdb", "-nx", "-batch", *arguments, executable, core)
    assert "#0 " in done.stdout
    return done.stdout.replace(str(core), "CORE")


def core_of(
    source: str, folder: Path, *arguments: str | Path, told: str = "", says: str = "ready", **more: object
) -> Path:
    """The core of a program in Python, which was told a line and has said one."""
    command = [sys.executable, "-c", source, *arguments]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{told}\n".encode() if told else b"")
        process.stdin.flush()
        assert process.stdout.readline().decode().strip() == says
        return gcore(process.pid, folder)


def test_kerberos_keys_of_a_process(tmp_path: Path) -> None:
    """Keys as tickets and keytabs in memory have them: raw, and told by krb5's own objects, which point to them."""
    if ctypes.util.find_library("krb5") is None:
        need("libkrb5.so.3")
    core = core_of(KEYBLOCKS, tmp_path, tmp_path / "truth")
    keys = [bytes.fromhex(line) for line in (tmp_path / "truth").read_text().splitlines()]
    assert all(key in core.read_bytes() for key in keys)
    scan = scan_path(str(core), Options(jobs=1))
    found = {part.value for secret in scan.secrets for part in secret.components.values() if part.name == "key"}
    assert len(found & set(keys)) >= len(keys) - 2  # one random key of 10,000 is not varied enough
    assert {finding.kind for finding in scan.report.findings} >= {"kerberos-key"}
    redact_path(str(core), tmp_path / "copy", Options(jobs=1))
    content = (tmp_path / "copy").read_bytes()
    assert sum(key[:16] in content or key[-16:] in content for key in keys) <= 2


def test_a_token_in_utf_8_and_utf_16_is_one_finding(tmp_path: Path) -> None:
    core = core_of(HOLDER, tmp_path, told=TOKEN)
    content = core.read_bytes()
    wide = TOKEN.encode("utf-16-le")
    assert TOKEN.encode() in content
    assert wide in content
    report = scan_path(str(core), Options(jobs=1)).report
    (finding,) = (f for f in report.findings if f.kind == "github-token")
    assert finding.confidence.label == "proven"
    assert {"utf-8", "utf-16le"} <= {o.encoding for o in finding.occurrences}
    for form in (TOKEN.encode(), wide):
        at = content.find(form)
        while at >= 0:
            assert any(o.offset <= at and at + len(form) <= o.offset + o.length for o in finding.occurrences)
            at = content.find(form, at + 1)
    copy = tmp_path / "copy"
    redact_path(str(core), copy, Options(jobs=1))
    after = copy.read_bytes()
    for form in (TOKEN.encode(), wide):
        assert not any(form[i : i + 16] in after for i in range(4, len(form) - 15, 2))
    assert views(copy, sys.executable) == views(core, sys.executable)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_pem_and_der_buffers_of_openssl(kind: str, tmp_path: Path) -> None:
    """``openssl`` waits for data to sign: it has read the key's file, and holds what it was parsed to."""
    need("openssl")
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    pem = write_key(key, tmp_path / "key.pem")
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.der").write_bytes(der)
    buffers = core_of(READER, tmp_path, pem, tmp_path / "key.der")
    signing = ["openssl", "dgst", "-sha256", "-sign", str(pem)]
    with running(signing, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(b"x" * 100_000)  # it reads these once the key is there
        process.stdin.flush()
        parsed = gcore(process.pid, tmp_path)
    held = buffers.read_bytes()
    assert pem.read_bytes()[60:200] in held
    assert der in held
    for core, executable in ((buffers, sys.executable), (parsed, program("openssl") or "")):
        report = scan_path(str(core), Options(jobs=1)).report
        found = [f for f in report.findings if f.kind == f"{kind}-private-key" and "test_key" not in f.public]
        assert [f.confidence.label for f in found] == ["proven"], [
            (f.title, f.evidence, f.public, len(f.occurrences)) for f in found
        ]
        if core == buffers:
            places = [o.offset for o in found[0].occurrences]
            assert any(held.index(der) <= offset < held.index(der) + len(der) for offset in places)
            assert any(o.encoding.startswith(("pem", "base64")) for o in found[0].occurrences)
        copy = core.with_name(core.name + ".copy")
        redact_path(str(core), copy, Options(jobs=1))
        secret = der[-64:-32] if kind == "rsa" else key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        content = copy.read_bytes()
        assert not any(secret[i : i + 16] in content for i in range(len(secret) - 15))
        assert views(copy, executable) == views(core, executable)


MAKER = """
import sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(getattr(ec, sys.argv[1])())
print("ready", flush=True)
sys.stdin.readline()
public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
print(format(key.private_numbers().private_value, "x"), public.hex(), flush=True)
"""


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1", "SECP256K1"])
def test_an_ec_key_just_made_and_not_yet_used(curve: str, tmp_path: Path) -> None:
    """OpenSSL has its point in projective coordinates, if nobody has asked for others."""
    command = [sys.executable, "-c", MAKER, curve]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline().strip() == b"ready"
        core = gcore(process.pid, tmp_path)
        process.stdin.write(b"\n")
        process.stdin.flush()
        told, public = process.stdout.readline().split()
    report = scan_path(str(core), Options(jobs=1)).report
    (finding,) = (f for f in report.findings if f.kind == "ec-private-key")
    assert finding.confidence.label == "proven"
    assert finding.public["spki_sha256"] == hashlib.sha256(bytes.fromhex(public.decode())).hexdigest()
    copy = tmp_path / "copy"
    redact_path(str(core), copy, Options(jobs=1))
    content, scalar = copy.read_bytes(), int(told, 16)
    octets = scalar.to_bytes((scalar.bit_length() + 7) // 8, "big")
    assert octets[::-1] in core.read_bytes()
    for form in (octets, octets[::-1]):
        assert not any(form[i : i + 16] in content for i in range(len(form) - 15))
    assert views(copy, sys.executable) == views(core, sys.executable)


AUTHENTICATOR = """
import hashlib, hmac, os
key = os.environ["JWT_SECRET"].encode()
kept = [hmac.new(key, b"message", "sha256"), hmac.new(key, b"message", lambda data=b"": hashlib.sha256(data))]
print("ready", flush=True)
input()
"""


def test_the_key_of_an_hmac_in_its_padded_form(tmp_path: Path) -> None:
    """Python's own HMAC leaves the key XORed with 0x36 and 0x5c behind, as Go's and Java's do."""
    key = expand("<base62:40>")
    core = core_of(AUTHENTICATOR, tmp_path, env={**os.environ, "JWT_SECRET": key})
    copy = tmp_path / "copy"
    redact_path(str(core), copy, Options(jobs=1))
    before, after = core.read_bytes(), copy.read_bytes()
    pads = [bytes(octet ^ pad for octet in key.encode()) for pad in (0x36, 0x5C)]
    assert any(pad in before for pad in pads)
    for form in (key.encode(), *pads):
        assert not any(form[at : at + 16] in after for at in range(len(form) - 15))


HTTP_2 = """
import httpx, sys
client = httpx.Client(http2=True, verify=False)
token = sys.stdin.readline().strip()
for _ in range(3):
    answer = client.get(sys.argv[1], headers={"authorization": f"Bearer {token}"})
print(answer.http_version, flush=True)
sys.stdin.read()
"""


def test_a_token_that_was_sent_by_http_2(tmp_path: Path) -> None:
    """It is in the connection's buffers as a Huffman code."""
    sent = next(huffman_at_each_phase(f"Bearer {TOKEN}".encode()))
    with granian(make_keys(tmp_path), "p256") as (_, port):
        core = core_of(HTTP_2, tmp_path, f"https://127.0.0.1:{port}/", told=TOKEN, says="HTTP/2")
    copy = tmp_path / "copy"
    redact_path(str(core), copy, Options(jobs=1))
    pieces = [sent[at : at + 12] for at in range(8, len(sent) - 11)]
    assert all(piece in core.read_bytes() for piece in pieces)
    assert not any(piece in copy.read_bytes() for piece in pieces)
    assert views(copy, sys.executable) == views(core, sys.executable)


@pytest.mark.heavy
def test_the_key_of_an_onion_service(tmp_path: Path) -> None:
    """Tor has the scalar and the prefix of an Ed25519 key, never its seed."""
    need("tor")
    service = tmp_path / "service"
    service.mkdir(mode=0o700)
    settings = {"DataDirectory": tmp_path / "data", "HiddenServiceDir": service, "HiddenServicePort": "80"}
    settings |= {"SocksPort": "0", "DisableNetwork": "1", "DisableDebuggerAttachment": "0"}
    (tmp_path / "torrc").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with running(["tor", "-f", tmp_path / "torrc"], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (service / "hostname").exists() and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
        core = gcore(process.pid, tmp_path)
    secret = (service / "hs_ed25519_secret_key").read_bytes()[32:]
    public = (service / "hs_ed25519_public_key").read_bytes()[32:]
    report = scan_path(str(core), Options(jobs=1)).report
    spki = hashlib.sha256(bytes.fromhex("302a300506032b6570032100") + public).hexdigest()
    (finding,) = (f for f in report.findings if f.public.get("spki_sha256") == spki)
    assert finding.confidence.label == "proven"
    copy = tmp_path / "copy"
    redact_path(str(core), copy, Options(jobs=1))
    before, after = core.read_bytes(), copy.read_bytes()
    assert secret in before
    assert not any(secret[at : at + 16] in after for at in range(49))
