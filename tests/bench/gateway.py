"""The fixture gateway: Envoy with two versions behind a weighted split, which the fixture API changes."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.shop.operators import ROOT

HOST = "bench.example.com"
DELAY_SECONDS = 0.02
_STARTING_SECONDS = 20.0
_TYPES = "type.googleapis.com/envoy.extensions"
_VERSIONS = ("v1", "v2")

Json = dict[str, Any]


class Gateway:
    """A running Envoy, and its ports: of the split plain and with TLS, of answers after 20 ms, of its admin."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.plain, self.tls, self.delayed, self.admin, *backends = free_ports(6)
        self.certificate = _certificate(folder)
        configuration = folder / "envoy.json"
        configuration.write_text(json.dumps(self._configuration(backends)))
        self._process = subprocess.Popen(
            [program, "-c", configuration, "--concurrency", "2", "--disable-hot-restart", "--log-level", "error"],
            stdin=subprocess.DEVNULL,
        )
        until_answered(self.admin, "/ready", self._process)

    def split(self, percent: int) -> None:
        """Give v2 this share."""
        url = f"http://127.0.0.1:{self.admin}/runtime_modify?split.v1={100 - percent}&split.v2={percent}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5).close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _configuration(self, backends: list[int]) -> Json:
        weighted = {
            "clusters": [
                {"name": version, "weight": weight} for version, weight in zip(_VERSIONS, (90, 10), strict=True)
            ],
            "runtime_key_prefix": "split",
        }
        split = {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}
        fault = {
            "name": "envoy.filters.http.fault",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.fault.v3.HTTPFault",
                "delay": {"fixed_delay": f"{DELAY_SECONDS}s", "percentage": {"numerator": 100}},
            },
        }
        servers = [
            _listener(f"backend {version}", port, _direct(version))
            for version, port in zip(_VERSIONS, backends, strict=True)
        ]
        return {
            "admin": {"address": _address(self.admin)},
            "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
            "static_resources": {
                "listeners": [
                    _listener("plain", self.plain, split),
                    _listener("tls", self.tls, split, tls=self.certificate),
                    _listener("delayed", self.delayed, _direct("v1"), filters=[fault]),
                    *servers,
                ],
                "clusters": [_cluster(version, port) for version, port in zip(_VERSIONS, backends, strict=True)],
            },
        }


def program() -> Path:
    """Return the lab's Envoy, built first if it is not there."""
    cache = _cached()
    if not cache:
        print("  the lab's Envoy is not built yet: tests/lab/lab build core", flush=True)
        subprocess.run([ROOT / "tests/lab/lab", "build", "core"], check=True, stdin=subprocess.DEVNULL)
        cache = _cached()
    return max(cache, key=lambda path: path.stat().st_mtime)


def _cached() -> list[Path]:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return list(home.glob("gradual.canary/lab/builds/envoy-*/envoy"))


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _port in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until_answered(port: int, path: str, process: subprocess.Popen[Any]) -> None:
    """Wait until a server answers with 200."""
    deadline = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Gateway]:
    """Start the fixture gateway, and stop it at the end."""
    gateway = Gateway(program(), folder)
    try:
        yield gateway
    finally:
        gateway.stop()


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _direct(version: str) -> Json:
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps({"version": version})}},
        "response_headers_to_add": [{"header": {"key": "x-version", "value": version}}],
    }


def _cluster(version: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": version,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": version, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _listener(name: str, port: int, route: Json, *, filters: list[Json] | None = None, tls: Path | None = None) -> Json:
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        "http_filters": [*(filters or []), router],
    }
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if tls:
        pair = {"certificate_chain": {"filename": str(tls)}, "private_key": {"filename": str(tls.with_suffix(".key"))}}
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [pair]},
            },
        }
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _certificate(folder: Path) -> Path:
    """Make a key (ECDSA P-256) and a certificate for `HOST`, trusted by itself; return the certificate's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "gateway.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
