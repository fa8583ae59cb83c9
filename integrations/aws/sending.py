"""One request to AWS, bounded as a whole: botocore's own time-out is for each read, so that an answer which drips would hold
a run for ever.

Owns the deadline of a try. It knows no operation; botocore tries again by its own rules.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

_SLOWEST = 64 << 10  # bytes a second: what is on its way at that rate or faster is waited for
_GRACE = 1.0  # seconds: the transport's own errors, which say more, come first
_PIECE = 64 << 10
_LARGEST = 256 << 20  # bytes of an answer
_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<([\w.-]+)")


def bound(client: Any, seconds: float) -> None:
    """From now on no request of that client takes longer than this, and than its bytes take at a slow rate."""
    held = client._endpoint.http_session  # noqa: SLF001  (botocore's hook wants an answer, and offers no other way to get one)
    protocol = client.meta.service_model.resolved_protocol
    client.meta.events.register("before-send", partial(_sent, held, seconds, protocol))


def _sent(session: Any, seconds: float, protocol: str, request: Any, event_name: str, **_event: Any) -> Any:
    """The answer, whole. Raises botocore's ReadTimeoutError where it did not come in time: then nobody knows whether the
    request took effect, and it is not sent again by this thread."""
    from botocore.exceptions import ReadTimeoutError  # imported late: half a second

    moved = [len(request.body) if isinstance(request.body, bytes | bytearray) else 0]
    future: Future[Any] = Future()
    speaks = partial(_is_answer, protocol, event_name.rpartition(".")[2])
    threading.Thread(target=_run, args=(session, request, speaks, moved, future), daemon=True, name="ask AWS").start()
    began = time.monotonic()
    while (left := began + seconds + _GRACE + sum(moved) / _SLOWEST - time.monotonic()) > 0:
        try:
            return future.result(left)
        except TimeoutError as error:
            if future.done():  # it is the answer's own error
                raise ReadTimeoutError(endpoint_url=request.url) from error
    raise ReadTimeoutError(endpoint_url=request.url)


def _run(session: Any, request: Any, speaks: Callable[[bytes], bool], moved: list[int], future: Future[Any]) -> None:
    try:
        future.set_result(_whole(session, request, speaks, moved))
    except BaseException as error:  # noqa: BLE001  (told to the thread that waits)
        future.set_exception(error)


def _whole(session: Any, request: Any, speaks: Callable[[bytes], bool], moved: list[int]) -> Any:
    from botocore.awsrequest import AWSResponse

    request.stream_output = True  # else the body is read where nobody counts it
    answer = session.send(request)
    try:
        body = _read(answer, request, speaks, moved)
    except BaseException:
        answer.raw.close()
        raise
    answer.raw.release_conn()
    return AWSResponse(answer.url, answer.status_code, answer.headers, body)


def _read(answer: Any, request: Any, speaks: Callable[[bytes], bool], moved: list[int]) -> _Body:
    """The body. botocore takes one that broke off for whole, and a proxy's page, or what ended with the connection, for an
    answer with nothing in it."""
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
    from urllib3.exceptions import HTTPError
    from urllib3.exceptions import ReadTimeoutError as Slow

    body = _Body()
    try:
        while (piece := answer.raw.read1(_PIECE)) and body.tell() <= _LARGEST:
            moved.append(len(piece))
            body.write(piece)
    except Slow as error:
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except HTTPError as error:
        raise ConnectionClosedError(endpoint_url=request.url, request=request, error=error) from error
    told = answer.headers.get("Content-Length", "")
    if request.method != "HEAD" and told.isascii() and told.isdigit() and int(told) != body.tell():
        raise ConnectionClosedError(endpoint_url=request.url, request=request, error="the answer broke off")
    if answer.status_code == HTTPStatus.OK and not speaks(body.getvalue()):
        raise ConnectionClosedError(endpoint_url=request.url, request=request, error="no answer of AWS")
    body.seek(0)
    return body


def _is_answer(protocol: str, operation: str, body: bytes) -> bool:
    """Whether it is a JSON object (some operations answer with nothing), or XML whose root names the operation. S3's is an
    object's own bytes or nothing: its headers speak for it."""
    if protocol in ("query", "ec2"):
        root = _ROOT.match(body)
        return root is not None and root[1] == f"{operation}Response".encode()
    try:
        return "json" not in protocol or isinstance(json.loads(body or b"{}"), dict)
    except ValueError:
        return False


class _Body(io.BytesIO):
    """A body that was read, as botocore reads one."""

    def stream(self, *_given: Any, **_named: Any) -> Iterator[bytes]:
        """All of it."""
        yield self.read()
