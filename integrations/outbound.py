"""One HTTP request with bounds: a deadline for the whole of it, a cap on its answer, nothing taken from the environment.

Owns how patchgap asks HTTP services that are not a control plane's own client. Knows nothing of what it asks for.
httpx alone bounds each read, not the request, and trusts proxy variables; a slow drip would hold it for ever.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from patchgap.errors import BadInputError, UnreachableError
from patchgap.settings import secret

MAX_ANSWER = 4 * 1024 * 1024
_GRACE = 1.0  # a name that resolves slowly holds its thread longer; the caller does not wait for that


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole. Header names are in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """An HTTP service. `token` is a reference ("" for none), resolved for each request and held nowhere; it is sent as a
    bearer token, or with a `user` as basic authentication."""

    name: str  # for a person: "Prometheus"
    url: str
    token: str = ""
    timeout_seconds: float = 10
    largest: int = MAX_ANSWER  # bytes of an answer
    user: str = ""
    hides_path: bool = False  # where the path is the secret

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        url = httpx.URL(self.url)
        if self.hides_path:
            return f"{url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"
        return str(url.copy_with(username=None, password=None, query=None, fragment=None))

    def request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """The answer, of whatever status. Raises UnreachableError where none came whole within the deadline and the
        cap, BadInputError where the token's reference cannot be resolved."""
        try:
            target = httpx.URL(url)
            if query:
                target = target.copy_merge_params(dict(query))
            request = httpx.Request(method, target, headers=self._headers(headers or {}), content=content)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadInputError(f"{self.name}'s url", "it is not an address", "Write http(s)://HOST:PORT.") from error
        future: Future[Answer] = Future()
        # A thread of its own: the caller may already be inside an event loop.
        threading.Thread(target=self._run, args=(request, future), daemon=True, name=f"ask {self.name}").start()
        try:
            return future.result(self.timeout_seconds + _GRACE)
        except TimeoutError as error:
            raise self._unreachable(f"did not answer within {self.timeout_seconds:g} s") from error

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        auth = {"Authorization": self._authorization()} if self.token else {}
        return {"Accept": "application/json", "Accept-Encoding": "identity", **auth, **headers}

    def _authorization(self) -> str:
        if not self.user:
            return f"Bearer {self._bearer()}"
        return f"Basic {b64encode(f'{self.user}:{self._bearer()}'.encode()).decode('ascii')}"

    def _bearer(self) -> str:
        value = secret(self.token)
        if not (value.isascii() and value.isprintable()):
            raise BadInputError(self.token, "what it holds is no line of ASCII", "Store the token alone, in one line.")
        return value

    def _run(self, request: httpx.Request, future: Future[Answer]) -> None:
        try:
            future.set_result(asyncio.run(self._ask(request)))
        except BaseException as error:  # noqa: BLE001  (handed to the caller's thread whole)
            future.set_exception(error)

    async def _ask(self, request: httpx.Request) -> Answer:
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=self.timeout_seconds, verify=_certificates()
                ) as client,
            ):
                answer = await client.send(request, stream=True)
                return Answer(answer.status_code, await self._body(answer), dict(answer.headers))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise self._unreachable(f"did not answer within {self.timeout_seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._unreachable(f"did not answer ({type(error).__name__})") from error

    async def _body(self, answer: httpx.Response) -> bytes:
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise self._unreachable("answered in a content encoding that was not asked for")
        body = bytearray()
        async for part in answer.aiter_raw():
            body += part
            if len(body) > self.largest:
                raise self._unreachable(f"answered with more than {_size(self.largest)}")
        return bytes(body)

    def _unreachable(self, problem: str) -> UnreachableError:
        return UnreachableError(
            f"{self.name} at {self.shown} {problem}", "Check that address from this machine, then try again."
        )


@lru_cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"
