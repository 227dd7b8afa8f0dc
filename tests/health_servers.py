"""HTTP servers of every temper, for health checks; each is a thread with a socket of its own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Talk = Callable[[socket.socket, bytes], None]
"""Answers a request whose head came; the socket is closed when it returns."""


@dataclass
class Server:
    """A listening socket, what was asked of it, and how many connections are open."""

    port: int
    host: str = "127.0.0.1"
    asked: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/health"


@contextmanager
def serving(
    talk: Talk,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    until: bytes = b"\r\n\r\n",
) -> Iterator[Server]:
    """Serve until the block ends; a `talk` that lasts looks at `server.stop`.

    A request has come once *until* stands in it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    if family is socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind((host, 0))
    listening.listen()
    server = Server(port=listening.getsockname()[1], host=host)
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            head = b""
            while (not head or until not in head) and (piece := connection.recv(4096)):
                head += piece
            server.asked.append(head)
            talk(connection, head)
        with suppress(OSError):
            connection.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield server
    finally:
        server.stop.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in threads:
            each.join()


def saying(
    body: bytes = b"ok", status: str = "200 OK", *headers: str, length: int | None = None
) -> Talk:
    """Answer with one status, headers and body; *length* is what the head claims of it."""
    size = len(body) if length is None else length
    head = "".join(f"{each}\r\n" for each in (*headers, f"Content-Length: {size}"))

    def talk(connection: socket.socket, _: bytes) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return talk


def dripping(first: bytes, drop: bytes, stop: Callable[[], threading.Event]) -> Talk:
    """Send *first*, then a drop each 0.2 s, for as long as somebody listens."""

    def talk(connection: socket.socket, _: bytes) -> None:
        connection.sendall(first)
        while not stop().wait(0.2):
            connection.sendall(drop)

    return talk


def resetting(connection: socket.socket, _: bytes) -> None:
    """Break the connection as a killed process does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# --- certificates -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and the file that trusts it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def context(self, *names: str, days: tuple[int, int] = (-1, 30)) -> ssl.SSLContext:
        """Return a server's side of TLS, with a certificate for *names* from day to day."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(names[0], key, self.certificate.subject, self.key, days, names)
        path = self.folder / "server.pem"
        path.write_bytes(_pem(made) + _private(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def authority(folder: Path) -> Authority:
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    called = f"authority {folder.name}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    made = _signed(called, key, name, key, (-400, 400), ())
    found = Authority(key=key, certificate=made, folder=folder)
    found.file.write_bytes(_pem(made))
    return found


def _signed(
    common: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    days: tuple[int, int],
    names: tuple[str, ...],
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        built = built.add_extension(
            x509.SubjectAlternativeName([_name(each) for each in names]), critical=False
        )
    return built.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
