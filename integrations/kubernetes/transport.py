"""Sending one request to an API server by the official client's transport: its TLS, credentials, their renewal.

Owns deadlines and the size of answers. It knows no object, no path and no meaning of a status.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from integrations.kubernetes.answers import trimmed
from patchgap.errors import PatchgapError, UnreachableError

_LARGEST_ANSWER = 256 * 1024 * 1024  # bytes
_LONGEST_LINE = 32 * 1024 * 1024  # bytes: an object has 1.5 MiB at the most in etcd


class HttpAnswer:
    """An answer as it came."""

    def __init__(self, code: int, retry_after: str, body: bytes) -> None:
        self.code = code
        self.retry_after = retry_after
        self.body = body


class Transport(Protocol):
    """Sends one request. Raises UnreachableError where no answer came."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer: ...

    def stream(self, url: str, headers: Mapping[str, str], quiet: float) -> Stream:
        """A GET whose answer goes on; a silence of `quiet` seconds counts as a cut."""
        ...

    def bearer(self, token: str) -> Transport:
        """The same server, with this token as the only credential."""
        ...


class Stream(Protocol):
    """An answer that goes on: its status, and its lines as they come. `close` may be called from another thread, and
    ends the lines."""

    code: int

    def lines(self) -> Iterator[bytes]:
        """Each line, without its end. Raises UnreachableError where the connection is cut in mid-stream."""
        ...

    def whole(self) -> bytes:
        """The body of a refusal."""
        ...

    def close(self) -> None: ...

    def release(self) -> None:
        """Gives the connection up; the thread that read it calls this."""
        ...


class OfficialTransport:
    """The official client's transport: its TLS, its credentials and their renewal, with a deadline over the whole
    answer (its own timeout is for each read)."""

    def __init__(self, name: str, client: Any, timeout: float) -> None:
        self._name = name
        self._client = client
        self._timeout = timeout

    def bearer(self, token: str) -> OfficialTransport:
        """A transport without the client certificate, which a server would believe before the token."""
        from kubernetes.client import ApiClient, Configuration  # imported late: costs 0.6 s

        held = self._client.configuration
        made = Configuration(host=held.host)
        for field in ("verify_ssl", "ssl_ca_cert", "ca_cert_data", "assert_hostname", "tls_server_name", "no_proxy"):
            setattr(made, field, getattr(held, field, None))
        made.proxy, made.retries = held.proxy, False
        made.cert_file = made.key_file = None
        return OfficialTransport(
            self._name, ApiClient(made, header_name="Authorization", header_value=f"Bearer {token}"), self._timeout
        )

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """One request. A connection that the server closed before it answered is tried once more."""
        import urllib3  # imported late, with the client

        try:
            return self._once(method, url, headers, body)
        except urllib3.exceptions.ProtocolError:
            return self._last(method, url, headers, body)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    def stream(self, url: str, headers: Mapping[str, str], quiet: float) -> Stream:
        """A GET whose answer goes on. Raises UnreachableError where no answer comes within the deadline; later on, a
        silence of `quiet` seconds counts as a cut."""
        import urllib3

        try:
            response = self._begin("GET", url, headers, None)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        if response.connection is not None and response.connection.sock is not None:
            response.connection.sock.settimeout(quiet)
        return _OpenAnswer(response, self._unreachable)

    def _last(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        import urllib3

        try:
            return self._once(method, url, headers, body)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        deadline = time.monotonic() + self._timeout
        response = self._begin(method, url, headers, body)
        try:
            read = b"".join(self._read(response, deadline))
        finally:
            response.release_conn()
        return HttpAnswer(response.status, response.headers.get("Retry-After", ""), read)

    def _begin(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
        sent = {**self._client.default_headers, **headers}
        self._client.update_params_for_auth(sent, [], ["BearerToken"], url, method, body)
        return self._client.rest_client.pool_manager.request(
            method,
            self._client.configuration.host + url,
            body=body,
            headers=sent,
            timeout=self._timeout,
            preload_content=False,
        )

    def _read(self, response: Any, deadline: float) -> Iterator[bytes]:
        size = 0
        while chunk := response.read1(1 << 16):
            size += len(chunk)
            if time.monotonic() > deadline or size > _LARGEST_ANSWER:
                response.close()
                raise self._unreachable("the answer took too long or was too large")
            yield chunk

    def _unreachable(self, cause: object) -> PatchgapError:
        reason = trimmed(str(cause)).split("object at 0x")[-1].split(": ", 1)[-1]
        return UnreachableError(
            f"cluster {self._name} did not answer: {reason}",
            "Check its address and the network, or raise kubernetes.timeout_seconds.",
        )


class _OpenAnswer:
    """A response that is read line by line."""

    def __init__(self, response: Any, unreachable: Callable[[object], PatchgapError]) -> None:
        self.code: int = response.status
        self._response = response
        self._unreachable = unreachable
        self._closed = False

    def lines(self) -> Iterator[bytes]:
        """Each line, without its end."""
        rest = b""
        while chunk := self._chunk():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line for line in whole if line.strip())
            if len(rest) > _LONGEST_LINE:
                raise self._unreachable("an event is larger than any object may be")

    def whole(self) -> bytes:
        """The body of a refusal, cut where it is very long."""
        body = self._chunk()
        while len(body) < 1 << 20 and (more := self._chunk()):
            body += more
        return body

    def _chunk(self) -> bytes:
        import urllib3

        try:
            read: bytes = self._response.read1(1 << 16)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            if self._closed:  # by the other thread, under the read
                return b""
            raise self._unreachable(error) from error
        return b"" if self._closed else read

    def close(self) -> None:
        """Ends the lines, also where another thread waits for the next one."""
        self._closed = True
        with suppress(OSError, ValueError, RuntimeError):  # it had ended already
            self._response.shutdown()

    def release(self) -> None:
        """Gives the connection up; the thread that read it calls this."""
        self._closed = True
        self._response.close()
        self._response.release_conn()
