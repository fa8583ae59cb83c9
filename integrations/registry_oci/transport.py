"""One registry over HTTP: token challenges, guarded redirects, bounded answers. Knows paths and nothing of images.

Credentials go to the registry, and to the token server that it names, over TLS; to nobody else, and to no log.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NoReturn

import httpx

from integrations.outbound import Answer, Service
from integrations.registry_oci.credentials import Credentials
from patchgap.errors import BadInputError, NotFoundError, RefusedError, UnreachableError
from patchgap.graph.documents import parse_json

_REDIRECTS = 3
_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"\\]*)"')
_MOVED = frozenset({301, 302, 303, 307, 308})
_FIX = "Check the registry's address and that these credentials may pull from the repository."


class Transport:
    """A registry. Not safe to share between threads: it holds the token of the repository it last asked for."""

    def __init__(self, host: str, credentials: Credentials | None, *, plain_http: bool, timeout_seconds: float) -> None:
        self.host = host
        self._credentials = credentials
        self._base = f"{'http' if plain_http else 'https'}://{host}"
        self._timeout = timeout_seconds
        self._authorization: dict[str, str] = {}  # by repository

    def get(self, repository: str, path: str, accept: str, largest: int) -> Answer:
        """`GET /v2/REPOSITORY/PATH`, whatever its status below 400. Raises NotFoundError, RefusedError where the
        registry does not let us in, UnreachableError."""
        url = f"{self._base}/v2/{repository}/{path}"
        answer = self._ask(repository, url, accept, largest)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._authorize(repository, answer.headers.get("www-authenticate", ""))
            answer = self._ask(repository, url, accept, largest)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotFoundError(f"registry {self.host} has no {repository}/{path}", "Check the address.")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise RefusedError(f"registry {self.host} does not let us read {repository} ({answer.status})", _FIX)
        if answer.status != HTTPStatus.OK:
            self._fail(f"answered {answer.status} to {repository}/{path}")
        return answer

    def _ask(self, repository: str, url: str, accept: str, largest: int) -> Answer:
        held = self._authorization.get(repository)
        headers = {"Accept": accept, **({"Authorization": held} if held else {})}
        answer = self._send(url, headers, largest)
        for _ in range(_REDIRECTS):
            if answer.status not in _MOVED:
                return answer
            url = self._guarded(str(httpx.URL(url).join(answer.headers.get("location", ""))), "redirects to")
            elsewhere = not url.startswith(f"{self._base}/")
            answer = self._send(url, {"Accept": accept} if elsewhere else headers, largest)
        if answer.status in _MOVED:
            self._fail(f"redirects more than {_REDIRECTS} times")
        return answer

    def _send(self, url: str, headers: Mapping[str, str], largest: int) -> Answer:
        service = Service(f"registry {self.host}", url, timeout_seconds=self._timeout, largest=largest)
        return service.request("GET", url, headers=headers)

    def _guarded(self, url: str, how: str) -> str:
        """The address where it may be asked: over TLS as the registry is, and not within this machine or beside it,
        where a registry that is elsewhere has no business."""
        target = httpx.URL(url)
        if target.scheme != "https" and not (target.scheme == "http" and self._base.startswith("http://")):
            self._fail(f"{how} an address without TLS")
        if _is_near(target.host) and target.host != httpx.URL(self._base).host:
            self._fail(f"{how} {target.host}, an address of this machine or its link")
        return url

    def _authorize(self, repository: str, challenge: str) -> None:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._credentials:
            self._authorization[repository] = self._credentials.basic
        elif scheme.lower() == "bearer":
            self._authorization[repository] = f"Bearer {self._token(repository, dict(_PARAMETER.findall(rest)))}"
        else:
            raise RefusedError(f"registry {self.host} asks for credentials, and there are none for it", _FIX)

    def _token(self, repository: str, challenge: Mapping[str, str]) -> str:
        realm = self._guarded(challenge.get("realm", ""), "sends us for a token to")
        query = {"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull"}
        service = Service(f"the token server of registry {self.host}", realm, timeout_seconds=self._timeout)
        held = self._credentials
        if held and held.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": held.identity_token, "client_id": "patchgap"}
            content = str(httpx.QueryParams({**form, **query})).encode()
            typed = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = service.request("POST", realm, headers=typed, content=content)
        else:
            answer = service.request("GET", realm, query=query, headers={"Authorization": held.basic} if held else {})
        if answer.status != HTTPStatus.OK:
            raise RefusedError(f"{service.name} does not give us one ({answer.status})", _FIX)
        try:
            document = parse_json(answer.body, "the answer")
        except BadInputError:
            document = {}
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            self._fail("has a token server that answered no token")
        return token

    def _fail(self, problem: str) -> NoReturn:
        raise UnreachableError(f"registry {self.host} {problem}", _FIX)


def _is_near(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback or inner.is_link_local or inner.is_unspecified or inner.is_multicast)
