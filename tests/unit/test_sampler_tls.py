# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling real servers over TLS."""

from __future__ import annotations

import typing as t

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sample, Sampler, Tls
from ansible_collections.gradual.canary.plugins.module_utils._tls import UntrustedCertificate
from tests.unit.servers import PATIENCE, Authority, Conversation, Server, answering, response

if t.TYPE_CHECKING:
    from pathlib import Path

OK = response(b"v1")
URL = "https://shop.test:8443/"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def shop(authority: Authority) -> t.Iterator[Server]:
    with Server(answering(OK), tls=authority.server_context("shop.test")) as server:
        yield server


def sample(server: Server, tls: Tls, limit: int = 1, url: str = URL, **options: t.Any) -> list[Sample]:
    request = Request(url, address=server.address, **options)
    with Sampler(request, tls=tls, rate=0, limit=limit, concurrency=1, timeout=PATIENCE) as sampler:
        return list(sampler)


def test_a_server_of_the_given_authority_is_trusted(shop: Server, authority: Authority) -> None:
    (one,) = sample(shop, Tls(ca_certificate=str(authority.file)))
    assert (one.status, one.error, one.body) == (200, None, b"v1")
    assert shop.server_names == ["shop.test"]
    assert shop.requests[0].headers["host"] == "shop.test:8443"


def test_an_untrusted_certificate_fails_the_sampling_at_once_and_says_what_to_do(shop: Server) -> None:
    with pytest.raises(
        UntrustedCertificate, match=r"127\.0\.0\.1.*'shop\.test' is not trusted.*set ca_cert to "
    ) as raised:
        sample(shop, Tls(), limit=1000)
    assert raised.value.failure()["code"] == "untrusted_certificate"
    assert (shop.connections, shop.requests) == (1, [])


def test_a_certificate_for_another_name_is_untrusted(shop: Server, authority: Authority) -> None:
    with pytest.raises(UntrustedCertificate, match=r"Hostname mismatch.*'other\.test'"):
        sample(shop, Tls(ca_certificate=str(authority.file)), url="https://other.test/")


def test_the_server_name_may_differ_from_the_host_header(shop: Server, authority: Authority) -> None:
    tls = Tls(ca_certificate=str(authority.file))
    (one,) = sample(shop, tls, url="https://other.test/", server_name="shop.test")
    assert (one.status, shop.requests[0].headers["host"], shop.server_names) == (200, "other.test", ["shop.test"])


def test_the_server_name_follows_the_host_header(shop: Server, authority: Authority) -> None:
    (one,) = sample(shop, Tls(ca_certificate=str(authority.file)), url=shop.url, host="shop.test:8443")
    assert (one.status, shop.server_names) == (200, ["shop.test"])


def test_an_address_in_the_certificate_is_trusted(authority: Authority) -> None:
    with Server(answering(OK), tls=authority.server_context("127.0.0.1")) as server:
        (one,) = sample(server, Tls(ca_certificate=str(authority.file)), url=server.url)
    assert (one.status, one.error) == (200, None)


def test_without_verification_any_certificate_will_do(shop: Server) -> None:
    (one,) = sample(shop, Tls(verify=False))
    assert (one.status, one.error) == (200, None)


def test_a_client_certificate_is_shown(authority: Authority) -> None:
    context = authority.server_context("shop.test", require_client=True)
    with Server(answering(OK), tls=context) as server:
        tls = Tls(ca_certificate=str(authority.file), client_certificate=str(authority.issue("client.test")))
        (one,) = sample(server, tls)
        assert (one.status, one.error) == (200, None)


def test_a_server_that_misses_a_client_certificate_gives_tls_errors(authority: Authority) -> None:
    context = authority.server_context("shop.test", require_client=True)
    with Server(answering(OK), tls=context) as server:
        samples = sample(server, Tls(ca_certificate=str(authority.file)), limit=3)
        assert server.requests == []
    # The alert may be lost when the server's reset overtakes it.
    assert {one.error for one in samples} <= {"tls", "reset"}
    assert len(samples) == 3


def test_plain_http_on_a_tls_port_is_a_tls_error() -> None:
    def speak_plainly(conversation: Conversation) -> None:
        conversation.send(response(b"", status="400 Bad Request"))
        # Kept open until the client has read it and left.
        conversation.socket.recv(65536)
        conversation.socket.recv(65536)

    with Server(speak_plainly) as server:
        (one,) = sample(server, Tls())
    assert (one.error, one.status) == ("tls", None)


def test_sessions_are_resumed(shop: Server, authority: Authority) -> None:
    samples = sample(shop, Tls(ca_certificate=str(authority.file)), limit=5)
    assert [one.error for one in samples] == [None] * 5
    assert shop.resumed == [False, True, True, True, True]


def test_a_kept_tls_connection_survives_session_tickets(shop: Server, authority: Authority) -> None:
    request = Request(URL, address=shop.address)
    tls = Tls(ca_certificate=str(authority.file))
    with Sampler(request, tls=tls, rate=0, limit=50, concurrency=2, keep_alive=True) as sampler:
        assert [one.error for one in sampler] == [None] * 50
    assert shop.connections == 2


def test_a_body_of_many_records_arrives_whole(authority: Authority) -> None:
    body = bytes(range(256)) * 3000
    with Server(answering(response(body)), tls=authority.server_context("shop.test")) as server:
        (one,) = sample(server, Tls(ca_certificate=str(authority.file)))
    assert (one.error, one.body == body) == (None, True)


def test_files_that_cannot_be_used_are_named(tmp_path: Path, authority: Authority) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    encrypted = tmp_path / "encrypted.pem"
    pair = authority.issue("client.test")
    key = serialization.load_pem_private_key(pair.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    encrypted.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret),
    )
    cases = [
        (Tls(ca_certificate="/no/such.pem"), r"ca_cert '/no/such\.pem' cannot be read: No such file"),
        (Tls(ca_certificate=str(empty)), r"ca_cert .*empty\.pem' holds no PEM certificate"),
        (Tls(client_certificate="/no/such.pem"), r"client_cert '/no/such\.pem' cannot be read"),
        (Tls(client_certificate=str(authority.file)), "are not a PEM certificate and its key"),
        (Tls(client_certificate=str(pair), client_key=str(encrypted)), "client_key is encrypted"),
        (Tls(client_key=str(pair)), "client_key is given without client_cert"),
    ]
    for tls, message in cases:
        with pytest.raises(InvalidInput, match=message):
            tls.context()
