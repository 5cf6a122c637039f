"""Real programs with secrets in them, and the real tool that dumps them.

In CI a program that is missing fails the test; elsewhere it is skipped, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def need(*programs: str) -> None:
    """Skip the test, or fail it in CI, unless all ``programs`` are installed."""
    missing = [name for name in programs if program(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI must install {', '.join(missing)}")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def program(name: str) -> str | None:
    """The path of a program, also of one that only root's search path has."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin")


def run(*command: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its output captured."""
    environment = {**os.environ, "LC_ALL": "C"}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        [str(part) for part in command], capture_output=True, text=True, timeout=300, env=environment, **more
    )
    return done


@contextlib.contextmanager
def running(command: Sequence[str | Path], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the context lasts; it is killed with its children afterwards."""
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
        [str(part) for part in command], start_new_session=True, **{"stdin": subprocess.DEVNULL, **more}
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def gcore(pid: int, folder: Path) -> Path:
    """Dump a running process with gdb's gcore. Skips where the kernel does not let us."""
    need("gcore")
    done = run("gcore", "-a", "-o", folder / "core", str(pid))
    core = folder / f"core.{pid}"
    if not core.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"gcore failed: {done.stderr[-300:]}")
        pytest.skip(f"gcore cannot dump a process here: {done.stderr[-100:]}")
    return core


def free_port() -> int:
    """A TCP port of the loopback address that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Wait till something listens on ``port``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def write_key(key: PrivateKey, path: Path) -> Path:
    """Write ``key`` as unencrypted PKCS#8 PEM."""
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def write_certificate(key: PrivateKey, path: Path, name: str = "dumpscan.test") -> Path:
    """Write a self-signed certificate of ``key``; its dates are fixed."""
    import datetime

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2035, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass(frozen=True)
class NginxCore:
    """A core of an nginx worker after TLS handshakes, and what it must hold."""

    core: Path
    rsa: rsa.RSAPrivateKey
    ec: ec.EllipticCurvePrivateKey


def nginx_core(folder: Path, headers: Sequence[str] = (), requests: int = 4) -> NginxCore:
    """Serve TLS with an RSA and an EC key, shake hands with both, and dump the worker."""
    need("nginx", "gcore")
    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    names: dict[str, PrivateKey] = {"rsa": rsa_key, "ec": ec_key}
    lines = []
    for name, key in names.items():
        write_key(key, folder / f"{name}.key")
        write_certificate(key, folder / f"{name}.crt")
        lines.append(f"ssl_certificate {folder}/{name}.crt; ssl_certificate_key {folder}/{name}.key;")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 16; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3; {' '.join(lines)}\n"
        'location / { return 200 "ok"; } } }\n'
    )
    nginx = program("nginx") or "nginx"
    with running([nginx, "-p", folder, "-c", config, "-g", "user root;" if os.geteuid() == 0 else ""]) as master:
        wait_for_port(port)
        for number in range(requests):
            _https_request(
                port, headers, "ECDHE-RSA-AES128-GCM-SHA256" if number % 2 else "ECDHE-ECDSA-AES256-GCM-SHA384"
            )
        worker = int(run("pgrep", "-P", str(master.pid)).stdout.split()[0])
        core = gcore(worker, folder)
    return NginxCore(core, rsa_key, ec_key)


def _https_request(port: int, headers: Sequence[str], cipher: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="dumpscan.test") as secure,
    ):
        head = "".join(f"{line}\r\n" for line in headers)
        secure.sendall(f"GET / HTTP/1.1\r\nHost: dumpscan.test\r\n{head}Connection: close\r\n\r\n".encode())
        while secure.recv(4096):
            pass
