"""Real programs, one for each cryptographic library, that hold keys known to the test, and cores of them.

``LIBRARIES`` is the list. The Debian packages are in ``PACKAGES``; a program whose package is
missing skips its test with a reason, and fails it in CI.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.makers.lib_keys import Asymmetric, Held, Keys, held_asymmetric, make_keys
from tests.makers.lib_sources import ASGI, GO, GO_MAKER, JAVA, JAVA_MAKER, NODE, PYTHON
from tests.makers.programs import free_port, gcore, need, program, run, running, wait_for_port

PACKAGES = (
    *("gcc", "g++", "gdb", "openssl", "libssl-dev", "gnutls-bin", "libgcrypt20-dev", "libnss3-tools", "libmbedtls-dev"),
    *("libsodium-dev", "nettle-dev", "libgmp-dev", "libtomcrypt-dev", "libtommath-dev", "dropbear-bin", "golang-go"),
    *("libbotan-2-dev", "libcrypto++-dev", "libwolfssl-dev", "openjdk-17-jdk-headless", "nodejs", "openssh-client"),
    *("gpg", "gpg-agent", "gpgconf"),
)

_C = Path(__file__).parent / "c"


@dataclass(frozen=True)
class Target:
    """A process to be dumped: its program (for the debugger) and the keys it holds.

    ``core``: the dump that the program wrote itself.
    """

    pid: int
    executable: str
    held: tuple[Held, ...]
    core: Path | None = None


@dataclass(frozen=True)
class Dumped:
    """A core of a program of ``library``."""

    library: str
    core: Path
    executable: str
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Library:
    """A library: the program that uses it, started by ``start`` in a folder of its own.

    ``sealed``: what the program keeps encrypted, so that no component stands in the clear, and still is found.
    """

    name: str
    start: Callable[[Path], contextlib.AbstractContextManager[Target]]
    heavy: bool = False
    sealed: frozenset[str] = frozenset()


def dump(library: Library, folder: Path) -> Dumped:
    """Start the program of ``library``, let it use its keys, and dump it."""
    need("gcore", "gdb")
    with library.start(folder) as target:
        core = target.core or gcore(target.pid, folder)
    return Dumped(library.name, core, target.executable, target.held)


@contextlib.contextmanager
def ready(command: Sequence[str | Path], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has said ``ready`` and waits for its standard input."""
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip() == b"ready", f"{Path(str(command[0])).name} said {line!r}"
        yield process


def compiled(name: str, flags: str, folder: Path) -> Path:
    """The program ``name`` in C or C++; its test is skipped (in CI failed) where the library's headers are missing."""
    source = next(_C.glob(f"{name}.c*"))
    compiler = "gcc" if source.suffix == ".c" else "g++"
    need(compiler)
    binary = folder / f"held-{name}"
    done = run(compiler, "-O1", "-g", "-o", binary, source, *flags.split())
    if done.returncode and os.environ.get("CI"):
        pytest.fail(f"CI must install the library of {source.name}: {done.stderr[-300:]}")
    if done.returncode:
        pytest.skip(f"the library of {source.name} is not installed")
    return binary


def c_program(name: str, flags: str, *holds: str) -> Callable[[Path], contextlib.AbstractContextManager[Target]]:
    """A program of this directory that loads the keys ``holds``."""

    @contextlib.contextmanager
    def start(folder: Path) -> Iterator[Target]:
        keys = make_keys(folder)
        binary = compiled(name, flags, folder)
        with ready([binary, folder]) as process:
            yield Target(process.pid, str(binary), keys.held(*holds))

    return start


_BOTAN = "-I/usr/include/botan-2 -lbotan-2"
_ALL = ("rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519")
_AES = ("aes128", "aes256")


def _built(source: str, folder: Path) -> Path:
    """The program of a file in Go."""
    need("go")
    (folder / "held.go").write_text(source)
    binary = folder / "held-go"
    caches = {"GOCACHE": str(folder / "cache"), "GOPATH": str(folder / "path"), "GO111MODULE": "off"}
    done = subprocess.run(
        ["go", "build", "-o", str(binary), str(folder / "held.go")],
        env={**os.environ, **caches, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return binary


@contextlib.contextmanager
def go(folder: Path) -> Iterator[Target]:
    """The packages crypto/… of Go."""
    keys = make_keys(folder)
    binary = _built(GO, folder)
    with ready([binary, folder]) as process:
        yield Target(process.pid, str(binary), keys.held(*_ALL, *_AES))


@contextlib.contextmanager
def go_maker(folder: Path) -> Iterator[Target]:
    """Go, with keys that it has made itself: their making leaves more behind than their use."""
    binary = _built(GO_MAKER, folder)
    with ready([binary, folder]) as process:
        yield Target(process.pid, str(binary), _made(folder, "rsa2048", "ed25519"))


def _made(folder: Path, *names: str) -> tuple[Held, ...]:
    """The keys that a program has made, and written to files."""
    return tuple(held_asymmetric(name, _asymmetric((folder / f"{name}.made").read_bytes())) for name in names)


def _asymmetric(file: bytes) -> Asymmetric:
    key = serialization.load_der_private_key(file, None)
    assert isinstance(key, Asymmetric)
    return key


@contextlib.contextmanager
def java(folder: Path) -> Iterator[Target]:
    """SunRsaSign, SunEC and SunJCE of a small JVM."""
    need("java", "javac")
    keys = make_keys(folder)
    options = ("-Xmx48m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
    with _jvm("Held", JAVA, folder, *options) as (pid, executable):
        yield Target(pid, executable, keys.held("rsa2048", "p256", "p384", "p521", "ed25519", *_AES))


@contextlib.contextmanager
def _jvm(name: str, source: str, folder: Path, *options: str) -> Iterator[tuple[int, str]]:
    """A running Java program, which was given the folder: its pid and its executable."""
    (folder / f"{name}.java").write_text(source)
    assert run("javac", "-d", folder, folder / f"{name}.java").returncode == 0
    with ready(["java", *options, "-cp", folder, name, folder]) as process:
        yield process.pid, str(Path(f"/proc/{process.pid}/exe").readlink())


@contextlib.contextmanager
def java_maker(folder: Path) -> Iterator[Target]:
    """Java, with keys that it has made itself: of RSA it leaves more behind than anything else."""
    need("java", "javac")
    with _jvm("Made", JAVA_MAKER, folder, "-Xmx200m") as (pid, executable):
        yield Target(pid, executable, _made(folder, "rsa2048", "p256"))


@contextlib.contextmanager
def node(folder: Path) -> Iterator[Target]:
    """The module crypto of Node.js."""
    need("node")
    keys = make_keys(folder)
    (folder / "held.js").write_text(NODE)
    with ready(["node", folder / "held.js", folder]) as process:
        yield Target(process.pid, program("node") or "node", keys.held(*_ALL, *_AES))


@contextlib.contextmanager
def python(folder: Path) -> Iterator[Target]:
    """The package ``cryptography``; of two keys Python also holds the numbers."""
    keys = make_keys(folder)
    (folder / "held.py").write_text(PYTHON)
    with ready([sys.executable, folder / "held.py", folder]) as process:
        yield Target(process.pid, str(Path(sys.executable).resolve()), keys.held(*_ALL, "x25519", *_AES))


def certificates(keys: Keys, *names: str) -> None:
    """Write a self-signed certificate ``NAME.crt`` for each key."""
    need("openssl")
    for name in names:
        pem, certificate = keys.folder / f"{name}.pem", keys.folder / f"{name}.crt"
        done = run("openssl", "req", "-x509", "-new", "-key", pem, "-out", certificate, "-subj", f"/CN={name}.test",
                   "-days", "9")  # fmt: skip
        assert done.returncode == 0, done.stderr


def shake_hands(port: int, *ciphers: str) -> None:
    """One TLS connection for each cipher (TLS 1.2), or one of TLS 1.3 for ``-``."""
    for cipher in ciphers:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if cipher != "-":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(cipher)
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(OSError):
                while secure.recv(4096):
                    pass


_RSA_AND_EC = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256") * 2


@contextlib.contextmanager
def gnutls(folder: Path) -> Iterator[Target]:
    """gnutls-serv with an RSA, an EC and an Ed25519 certificate, after handshakes."""
    need("gnutls-serv")
    keys = make_keys(folder)
    names = ("rsa2048", "p256", "ed25519")
    certificates(keys, *names)
    port = free_port()
    files = [part for n in names for part in (f"--x509keyfile={folder}/{n}.pem", f"--x509certfile={folder}/{n}.crt")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(["gnutls-serv", "--quiet", "--http", f"--port={port}", *files], **quiet) as process:
        wait_for_port(port)
        shake_hands(port, *_RSA_AND_EC, "-")
        yield Target(process.pid, program("gnutls-serv") or "", keys.held(*names))


@contextlib.contextmanager
def granian(keys: Keys, name: str) -> Iterator[tuple[int, int]]:
    """The server granian (rustls, ring and hyper) with the key ``name``: the process that serves, and its port."""
    if importlib.util.find_spec("granian") is None:
        need("granian")
    certificates(keys, name)
    (keys.folder / "application.py").write_text(ASGI)
    port = free_port()
    server: list[str | Path] = [
        *(sys.executable, "-m", "granian", "--no-log", "--interface", "asgi"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ssl-certificate", keys.folder / f"{name}.crt", "--ssl-keyfile", keys.folder / f"{name}.pem"),
        "application:application",
    ]
    with running(server, cwd=keys.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        (worker,) = psutil.Process(process.pid).children()
        yield worker.pid, port


def rustls(name: str) -> Callable[[Path], contextlib.AbstractContextManager[Target]]:
    """granian after handshakes."""

    @contextlib.contextmanager
    def start(folder: Path) -> Iterator[Target]:
        keys = make_keys(folder)
        with granian(keys, name) as (pid, port):
            shake_hands(port, "-", "-")
            yield Target(pid, str(Path(sys.executable).resolve()), keys.held(name))

    return start


@contextlib.contextmanager
def nss(folder: Path) -> Iterator[Target]:
    """NSS's selfserv with an RSA and an EC certificate, after handshakes."""
    need("selfserv", "certutil", "pk12util")
    keys = make_keys(folder)
    certificates(keys, "rsa2048", "p256")
    store = f"sql:{folder}/db"
    (folder / "db").mkdir()
    assert run("certutil", "-N", "-d", store, "--empty-password").returncode == 0
    for name in ("rsa2048", "p256"):
        p12 = folder / f"{name}.p12"
        run("openssl", "pkcs12", "-export", "-in", folder / f"{name}.crt", "-inkey", folder / f"{name}.pem",
            "-name", name, "-out", p12, "-passout", "pass:")  # fmt: skip
        done = run("pk12util", "-i", p12, "-d", store, "-W", "")
        assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    server = ["selfserv", "-d", store, "-p", str(port), "-n", "rsa2048", "-e", "p256", "-V", "tls1.2:tls1.3"]
    with running(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        shake_hands(port, *_RSA_AND_EC)
        yield Target(process.pid, program("selfserv") or "", keys.held("rsa2048", "p256"))


@contextlib.contextmanager
def dropbear(folder: Path) -> Iterator[Target]:
    """dropbear's server (libtomcrypt, libtommath), after key exchanges."""
    need("dropbear", "dropbearkey", "ssh-keyscan")
    names = ("rsa2048", "p256", "ed25519")
    keys = make_keys(folder)
    for name in names:
        done = run("dropbearconvert", "openssh", "dropbear", folder / f"{name}.openssh", folder / f"{name}.dropbear")
        assert done.returncode == 0, done.stderr
    port = free_port()
    files = [part for name in names for part in ("-r", folder / f"{name}.dropbear")]
    server = ["dropbear", "-F", "-E", "-s", "-p", f"127.0.0.1:{port}", "-P", folder / "pid", *files]
    with running([program("dropbear") or "dropbear", *server[1:]], stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        run("ssh-keyscan", "-p", str(port), "-t", "rsa,ecdsa,ed25519", "127.0.0.1")
        yield Target(process.pid, program("dropbear") or "", keys.held(*names))


@contextlib.contextmanager
def ssh_agent(folder: Path) -> Iterator[Target]:
    """ssh-agent, whose keys are shielded except while it signs."""
    need("ssh-agent", "ssh-add", "ssh-keygen")
    names = ("rsa2048", "rsa3072", "p256", "ed25519")
    keys = make_keys(folder)
    sock = folder / "agent"
    environment = {**os.environ, "SSH_AUTH_SOCK": str(sock)}
    with running(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL) as process:
        while not sock.exists():
            assert process.poll() is None
        for name in names:
            file = folder / f"{name}.openssh"
            public = subprocess.run(["ssh-keygen", "-y", "-f", str(file)], capture_output=True, check=True).stdout
            (folder / f"{name}.pub").write_bytes(public)
            subprocess.run(["ssh-add", "-q", str(file)], env=environment, check=True, capture_output=True)
            sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", str(folder / f"{name}.pub")]
            subprocess.run(sign, env=environment, input=b"a message", check=True, capture_output=True)
        yield Target(process.pid, program("ssh-agent") or "", keys.held(*names))


@contextlib.contextmanager
def gpg_agent(folder: Path) -> Iterator[Target]:
    """gpg-agent after it made an RSA key and signed with it."""
    need("gpg", "gpg-agent", "gpg-connect-agent", "gpgconf")
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    (home / "common.conf").touch()
    options = ("--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
    try:
        assert run("gpg", *options, "--quick-gen-key", "a@test.invalid", "rsa2048", "sign").returncode == 0
        (folder / "message").write_text("a message")
        for _ in range(3):
            assert run("gpg", *options, "--yes", "--sign", folder / "message").returncode == 0
        told = run("gpg-connect-agent", "--homedir", home, "getinfo pid", "/bye").stdout
        pid = int(told.split()[1])
        yield Target(pid, program("gpg-agent") or "", tuple(_gpg_keys(home)))
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all")


def _gpg_keys(home: Path) -> Iterator[Held]:
    for file in sorted((home / "private-keys-v1.d").glob("*.key")):
        numbers = {name: int.from_bytes(value, "big") for name, value in _numbers(file.read_bytes())}
        public = rsa.RSAPublicNumbers(numbers["e"], numbers["n"])
        p, q, d = numbers["p"], numbers["q"], numbers["d"]
        private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
        yield held_asymmetric("rsa2048", private.private_key())


def _numbers(expression: bytes) -> Iterator[tuple[str, bytes]]:
    """The numbers of a canonical S-expression, or of its text form in hexadecimal."""
    for match in re.finditer(rb"\(1:([nedpqu])(\d+):", expression):
        yield match[1].decode(), expression[match.end() : match.end() + int(match[2])]
    for match in re.finditer(rb"\(([nedpqu])\s+#([0-9A-F\s]+)#\)", expression):
        yield match[1].decode(), bytes.fromhex(b"".join(match[2].split()).decode())


LIBRARIES = (
    Library("OpenSSL", c_program("openssl", "-lcrypto", *_ALL, "x25519", *_AES)),
    Library("GnuTLS", gnutls, heavy=True),
    Library("libgcrypt", c_program("gcrypt", "-lgcrypt", "rsa2048", "p256", "ed25519", *_AES), heavy=True),
    Library("gpg-agent", gpg_agent, heavy=True),
    Library("NSS", nss, heavy=True),
    Library("mbedTLS", c_program("mbedtls", "-lmbedcrypto", "rsa2048", "p256", "p384", *_AES), heavy=True),
    Library("libsodium", c_program("sodium", "-lsodium", "ed25519", "x25519", "aes256"), heavy=True),
    Library("nettle", c_program("nettle", "-lhogweed -lnettle -lgmp", "rsa2048", "p256", "ed25519", *_AES), heavy=True),
    Library("libtomcrypt", c_program("tomcrypt", "-ltomcrypt -ltommath", "rsa2048", "p256", "aes128"), heavy=True),
    Library("Botan", c_program("botan", _BOTAN, "rsa2048", "p256", "p384", "ed25519"), heavy=True),
    Library("Crypto++", c_program("cryptopp", "-lcryptopp", "rsa2048", "ed25519"), heavy=True),
    Library("wolfSSL", c_program("wolfssl", "-lwolfssl", "rsa2048", "p256"), heavy=True),
    Library("dropbear", dropbear, heavy=True),
    Library("Go", go, heavy=True),
    Library("Go, keys made", go_maker, heavy=True),
    Library("Java", java, heavy=True),
    Library("Java, keys made", java_maker, heavy=True),
    Library("Node.js", node, heavy=True),
    Library("Python", python),
    *(Library(f"rustls, {name}", rustls(name)) for name in ("rsa2048", "p384")),
    *(Library(f"rustls, {name}", rustls(name), heavy=True) for name in ("p256", "ed25519")),
    Library("ssh-agent", ssh_agent, sealed=frozenset({"rsa2048", "rsa3072", "p256", "ed25519"})),
)
