# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers on loopback that do what a test tells them, and certificates for them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if t.TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0
"""Seconds after which something that should have happened counts as not happening."""


@dataclasses.dataclass(frozen=True)
class Received:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Conversation:
    """The server's end of one connection."""

    def __init__(self, server: Server, connection: socket.socket, number: int) -> None:
        self.server = server
        self.socket = connection
        self.number = number
        self._buffer = b""

    def requests(self) -> t.Iterator[Received]:
        """Give out requests until the client closes."""
        while (request := self._next()) is not None:
            with self.server.changed:
                self.server.requests.append(request)
                self.server.changed.notify_all()
            yield request

    def _next(self) -> Received | None:
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _version = line.split(" ")
        headers = {name.lower(): value.strip() for name, _colon, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length and self._receive():
            pass
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Received(method, target, headers, body, self.number)

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._buffer:
            if not self._receive():
                return None
        found, _end, self._buffer = self._buffer.partition(end)
        return found

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._buffer += data
        return bool(data)

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a segment of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.socket.sendall(piece)

    def reset(self) -> None:
        """Close so that the client sees a connection reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Behaviour = t.Callable[[Conversation], None]


class Server:
    """Runs a behaviour for every connection, each in a thread; counts what arrives.

    requests: all that arrived; connections: how many were accepted; peak: how many were open at once.
    server_names: SNI of each TLS connection; resumed: whether it resumed a session; stopping: set at the end.
    """

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.open = 0
        self.peak = 0
        self.server_names: list[str | None] = []
        self.resumed: list[bool | None] = []
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self._behaviour = behaviour
        self._tls = tls
        if tls is not None:
            tls.sni_callback = self._note_server_name
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"{'http' if tls is None else 'https'}://{self.address}/"
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stopping.set()
        with self.changed:
            self.changed.notify_all()
            open_sockets = list(self._sockets)
        for one in [self._listener, *open_sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                message = "a server thread did not end"
                raise RuntimeError(message)

    def hang_up(self) -> None:
        """Close all connections, as a server does with idle ones, and wait until that is done."""
        with self.changed:
            for one in self._sockets:
                one.shutdown(socket.SHUT_RDWR)
        self.wait_for(lambda: self.open == 0)

    def wait_for(self, condition: t.Callable[[], bool]) -> None:
        """Wait until the condition holds; it may look at this server's counts. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.stopping.is_set(), PATIENCE):
                message = f"{len(self.requests)} requests on {self.connections} connections came, {self.open} are open"
                raise TimeoutError(message)

    def _note_server_name(self, _connection: object, name: str | None, _context: object) -> None:
        self.server_names.append(name)

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            with self.changed:
                number = self.connections
                self.connections += 1
                self.open += 1
                self.peak = max(self.peak, self.open)
                self._sockets.add(connection)
            thread = threading.Thread(target=self._converse, args=(connection, number))
            self._threads.append(thread)
            thread.start()

    def _converse(self, accepted: socket.socket, number: int) -> None:
        connection = accepted
        # The client may leave at any moment, and that is no failure of the server.
        with contextlib.suppress(OSError):
            if self._tls is not None:
                secured = self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
                connection = secured
                with self.changed:
                    self._sockets.discard(accepted)
                    self._sockets.add(secured)
                secured.do_handshake()
                self.resumed.append(secured.session_reused)
            self._behaviour(Conversation(self, connection, number))
        with self.changed:
            self._sockets.discard(connection)
            self.open -= 1
            connection.close()
            self.changed.notify_all()


def response(body: bytes = b"ok", status: str = "200 OK", **headers: str) -> bytes:
    """Return a response with a Content-Length; ``x_version="v1"`` becomes the header X-Version."""
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-").title(): headers[name] for name in headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def answering(*pieces: bytes) -> Behaviour:
    """Answer each request with these bytes; close when the client asked for it."""

    def behave(conversation: Conversation) -> None:
        for request in conversation.requests():
            conversation.send(*pieces)
            if request.headers.get("connection") == "close":
                return

    return behave


def silent(conversation: Conversation) -> None:
    """Read requests, never answer."""
    for _request in conversation.requests():
        pass


class Authority:
    """A certificate authority of a test; every file is PEM, a certificate together with its key."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        self._certificate = self._sign(self._name, self._key, [x509.BasicConstraints(ca=True, path_length=0)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str) -> Path:
        """Return a file with a certificate for these host names and addresses, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        certificate = self._sign(_common_name(names[0]), key, [alternatives])
        file = self._folder / f"{self.file.stem}-{names[0]}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return file

    def server_context(self, *names: str, require_client: bool = False) -> ssl.SSLContext:
        """Return the context of a server with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(*names))
        if require_client:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extensions: list[x509.ExtensionType]
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        public = self._key.public_key()
        builder = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        if subject == self._name:
            usage = x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(self._key, hashes.SHA256())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
