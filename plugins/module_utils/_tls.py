# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the sampler trusts and how it shows itself over TLS. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import os
import ssl

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, InvalidInput


class UntrustedCertificate(Error):
    """The server's certificate does not hold, so no answer says anything about the service."""

    code = "untrusted_certificate"


@dataclasses.dataclass(frozen=True)
class Tls:
    """Settings of TLS connections.

    ca_certificate: path of a PEM file to trust instead of the system's authorities.
    client_certificate, client_key: paths of PEM files; the key may be in the certificate's file.
    verify: whether the server's certificate must be valid for the server name.
    """

    ca_certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Return a context with these settings. Raises InvalidInput when a file cannot be used."""
        if self.client_key is not None and self.client_certificate is None:
            message = "client_key is given without client_cert"
            raise InvalidInput(message)
        ca_certificate = _readable("ca_cert", self.ca_certificate)
        try:
            context = ssl.create_default_context(cafile=ca_certificate)
        except (ssl.SSLError, OSError) as error:
            message = f"ca_cert {ca_certificate!r} holds no PEM certificate: {error}"
            raise InvalidInput(message) from error
        context.set_alpn_protocols(["http/1.1"])
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate is not None:
            self._load_client(context, self.client_certificate)
        return context

    def _load_client(self, context: ssl.SSLContext, certificate: str) -> None:
        key = _readable("client_key", self.client_key)
        try:
            context.load_cert_chain(_readable("client_cert", certificate) or certificate, key, _no_password)
        except (ssl.SSLError, OSError) as error:
            message = (
                f"client_cert {certificate!r} and client_key {key or certificate!r}"
                f" are not a PEM certificate and its key: {error}"
            )
            raise InvalidInput(message) from error


def _readable(option: str, path: str | None) -> str | None:
    """Return the path with ``~`` resolved when the file can be read."""
    if path is None:
        return None
    path = os.path.expanduser(path)
    try:
        with open(path, "rb"):
            return path
    except OSError as error:
        message = f"{option} {path!r} cannot be read: {error.strerror}"
        raise InvalidInput(message) from error


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    message = "client_key is encrypted with a password; give a key without one"
    raise InvalidInput(message)
