# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to sample a URL, as options say it. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._clients import (
    KEPT_ALIVE,
    NEW_CONNECTIONS,
    POPULATIONS,
)
from ansible_collections.gradual.canary.plugins.module_utils._crowd import Crowd, Crowds
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._identify import Identify
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sampler, Tls
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Params = t.Mapping[str, t.Any]


class Sampling:
    """Makes samplers for one URL; with a match, for the requests that carry it.

    Raises InvalidInput and MissingLibrary at once, before anything is sent.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._tls = Tls(
            ca_certificate=params["ca_cert"],
            client_certificate=params["client_cert"],
            client_key=params["client_key"],
            verify=params["validate_certs"],
        )
        self.identify = Identify(**(params["identify"] or {}))
        self._request({})

    def sampler(self, match: Match | None = None, limit: int | None = None) -> Sampler:
        return self._sampler(self._request(carried_by(match) if match else {}), limit=limit)

    def crowds(self) -> Crowds:
        """Return the clients of the populations that are asked for beside new connections."""
        count = self._params["clients"]
        return Crowds(
            Crowd(
                population,
                self._sampler(self._request({}), keep_alive=population == KEPT_ALIVE, clients=count, limit=count),
                self.identify,
            )
            for population in POPULATIONS
            if population in self._params["populations"] and population != NEW_CONNECTIONS
        )

    def _sampler(self, request: Request, **options: t.Any) -> Sampler:
        params = self._params
        return Sampler(
            request,
            tls=self._tls,
            rate=params["rate"],
            concurrency=params["concurrency"],
            timeout=params["request_timeout"],
            want_body=self.identify.needs_body,
            **options,
        )

    def _request(self, carried: dict[str, str]) -> Request:
        params = self._params
        headers = {str(name): str(value) for name, value in (params["headers"] or {}).items()}
        clash = {name.lower() for name in headers} & {name.lower() for name in carried}
        if clash:
            raise InvalidInput(f"headers has {', '.join(sorted(clash))}, which the match routes set themselves")
        return Request(
            params["url"],
            method=params["method"],
            headers={**headers, **carried},
            host=params["host"],
            server_name=params["server_name"],
            address=params["address"],
            paths=params["paths"] or (),
            unique_query=params["unique_query"],
        )


def carried_by(match: Match) -> dict[str, str]:
    """Return the header that makes a request fit the match."""
    if match.operator == "regex":
        raise Unsupported(f"no request can be made up for '{match}'; verify a match route by value instead")
    value = match.value if match.operator == "exact" else "always"
    return {"Cookie": f"{match.name}={value}"} if match.kind == "cookie" else {match.name: str(value)}
