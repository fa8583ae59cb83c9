"""What strangers send: each is refused with a status and a sentence, and nothing of it is stored."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from datetime import UTC, datetime

import httpx
import pytest

from integrations.webhooks import server
from integrations.webhooks.sign import sign
from patchgap.errors import BadInputError
from tests.integrations.webhooks.desk import ADVISORY, SECRET, Desk, Opening, envelope

OTHER = "whsec_" + "QUFB" * 11


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert SECRET not in answer.text


def test_a_signature_by_another_secret_is_refused(desk: Desk) -> None:
    """Only the configured secret signs."""
    refused(desk.post(envelope(), secret=OTHER), 401, "does not fit the body")
    assert desk.stored() == 0


def test_a_changed_body_is_refused(desk: Desk) -> None:
    """The signature covers the raw bytes: one space more breaks it."""
    raw = json.dumps(envelope()).encode()
    headers = sign(SECRET, "msg_1", desk.clock(), raw)
    refused(
        httpx.post(f"{desk.url}/v1/signals", content=raw + b" ", headers=headers, trust_env=False),
        401,
        "does not fit the body",
    )


def test_a_signature_is_bound_to_its_id_and_time(desk: Desk) -> None:
    """Neither header can be exchanged under the signature."""
    refused(desk.post(envelope(), webhook_id="msg_2"), 401, "does not fit")
    later = str(int(desk.clock().timestamp()) + 1)
    refused(desk.post(envelope(), webhook_timestamp=later), 401, "does not fit")


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_missing_header_is_named(desk: Desk, name: str) -> None:
    """The sender learns which of the three is missing."""
    refused(desk.post(envelope(), **{name: None}), 401, f"{name} is missing")


def test_a_header_that_stands_twice_is_refused(desk: Desk) -> None:
    """Two readers could take two values: neither is taken."""
    raw = json.dumps(envelope()).encode()
    headers = [*sign(SECRET, "msg_1", desk.clock(), raw).items(), ("webhook-id", "msg_1")]
    refused(httpx.post(f"{desk.url}/v1/signals", content=raw, headers=headers, trust_env=False), 401, "stands twice")


@pytest.mark.parametrize(
    "text",
    ["nan", "NaN", "inf", "-inf", "1_674", "1e9", "１６７４", "-5", "", " 1", "9" * 40, "17.5"],  # noqa: RUF001
)
def test_a_timestamp_that_is_no_plain_number_is_refused(desk: Desk, text: str) -> None:
    """What float() or int() would take leniently is not a time."""
    answer = _raw_headers(desk, "webhook-timestamp", text.encode())
    assert answer == 401
    assert desk.stored() == 0


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["ü".encode(), "ü".encode("latin-1"), b"v1,\xff\xfe", b"v1,\xc3\xa9"])
def test_headers_beyond_ascii_are_refused(desk: Desk, name: str, value: bytes) -> None:
    """No comparison fails open or crashes over bytes that no sender signs with."""
    assert _raw_headers(desk, name, value) == 401


def _raw_headers(desk: Desk, name: str, value: bytes) -> int:
    """Sent by hand: a client library would refuse or encode such a value."""
    raw = json.dumps(envelope()).encode()
    headers = {k.encode(): v.encode() for k, v in sign(SECRET, "msg_1", desk.clock(), raw).items()}
    headers |= {name.encode(): value, b"content-length": str(len(raw)).encode(), b"host": b"x", b"connection": b"close"}
    lines = b"".join(k + b": " + v + b"\r\n" for k, v in headers.items())
    return _speak(desk, b"POST /v1/signals HTTP/1.1\r\n" + lines + b"\r\n" + raw)


def _speak(desk: Desk, sent: bytes) -> int:
    url = httpx.URL(desk.url)
    with socket.create_connection((url.host, url.port), timeout=10) as line:
        line.sendall(sent)
        return int(line.recv(4096).split()[1])


def test_a_replayed_message_is_refused_with_its_reason(desk: Desk) -> None:
    """A recorded delivery is worth nothing six minutes later, nor one from the future."""
    raw = json.dumps(envelope()).encode()
    recorded = sign(SECRET, "msg_1", desk.clock(), raw)
    for minutes in (6, -12):
        desk.clock.advance(minutes=minutes)
        answer = httpx.post(f"{desk.url}/v1/signals", content=raw, headers=recorded, trust_env=False)
        refused(answer, 401, "more than 300 s from this machine's clock")
    assert desk.stored() == 0


def test_a_huge_body_is_refused_before_it_is_read(desk: Desk) -> None:
    """The announced length is enough: no byte of the body was sent here."""
    head = b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n"
    assert _speak(desk, head) == 413


def test_a_huge_body_without_a_length_is_cut_off(desk: Desk) -> None:
    """A chunked body is counted as it streams."""
    head = (
        b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    assert _speak(desk, head + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17) == 413


def test_a_compressed_body_is_refused(desk: Desk) -> None:
    """Nothing is decompressed for a stranger."""
    raw = gzip.compress(json.dumps(envelope()).encode())
    answer = httpx.post(
        f"{desk.url}/v1/signals",
        content=raw,
        headers={"content-type": "application/json", "content-encoding": "gzip"},
        trust_env=False,
    )
    refused(answer, 415, "content encoding")


def test_another_content_type_is_refused(desk: Desk) -> None:
    """A form is not a signal."""
    refused(desk.post(envelope(), content_type="text/plain"), 415, "application/json")


def test_a_slow_drip_is_given_up_on(opening: Opening) -> None:
    """A body that never ends holds its connection no longer than allowed."""
    with opening(body_within=0.2) as desk:
        head = b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        assert _speak(desk, head) == 408


def test_headers_that_never_end_are_given_up_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-sent requests do not hold the receiver's connections: each is closed at its deadline, a byte or not."""
    monkeypatch.setattr(server, "HEADERS_WITHIN", 0.2)
    url = httpx.URL(desk.url)
    for heads in [(b"",), (b"POST /v1/sig",), (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /healthz HTT")]:
        with socket.create_connection((url.host, url.port), timeout=3) as line:
            for head in heads[:-1]:
                line.sendall(head)
                assert b" 200 OK" in line.recv(4096)
            line.sendall(heads[-1])
            while line.recv(4096):
                pass  # ends where the receiver closes; three seconds without an end would be a TimeoutError


@pytest.mark.parametrize(
    "other", ["/v1/signals/", "//v1/signals", "/v1/signals/../metrics", "/v1/%73ignals%00", "/V1/signals"]
)
def test_no_other_spelling_is_the_route(desk: Desk, other: str) -> None:
    """Nothing is redirected, normalised or guessed."""
    assert _speak(desk, f"POST {other} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()) == 404


def test_another_source_cannot_take_a_delivery_s_id(desk: Desk) -> None:
    """409, and neither a second signal nor a run for one that is not stored."""
    desk.post(envelope())
    refused(desk.post(envelope(source="another-feed")), 409, "came before with another content")
    assert (desk.stored(), len(desk.starter.runs)) == (1, 1)


@pytest.mark.parametrize("places", [1, 16])
def test_one_sound_signature_among_sixteen_is_enough(desk: Desk, places: int) -> None:
    """A sender that rotates sends several; the seventeenth is one too many."""
    raw = json.dumps(envelope()).encode()
    sound = sign(SECRET, "msg_1", desk.clock(), raw)["webhook-signature"]
    offered = [*["v1a,AAAA", "v2,AAAA", *["v1,AAAA"] * 13][: places - 1], sound]
    assert desk.post(envelope(), webhook_signature=" ".join(offered)).status_code == 202
    refused(desk.post(envelope(), webhook_signature=f"{'v1,AAAA ' * 16}{sound}"), 401, "does not fit")


def test_an_advisory_of_ten_thousand_packages_is_taken(desk: Desk) -> None:
    """Within the limit of size, a long list is a signal like another."""
    assert desk.post(envelope(advisory={**ADVISORY, "affected": ADVISORY["affected"] * 5_000})).status_code == 202


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"kind": "advisory", "kind": "runtime"}', "twice"),
        (b'{"kind": NaN}', "not a number"),
        (b'{"claims": {"epss": 1e999}}', "too large"),
        (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "nested"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
        (b"[]", "not a JSON object"),
        (b'{"kind": ', "line 1"),
        (b'{"kind": "advisory", "source": "\\u0000"}', "NUL"),
        (b'{"kind": "advisory", "source": "\\ud800"}', "surrogate"),
        (b'{"kind": "weather", "source": "x"}', "kind"),
        (b'{"kind": "advisory", "source": "x"}', "field advisory"),
        (b'{"kind": "advisory", "source": "x", "advisory": {}, "flow": "rm"}', "flow"),
    ],
)
def test_bad_json_is_refused_by_name_though_signed(desk: Desk, body: bytes, words: str) -> None:
    """A valid signature does not make a document sound."""
    refused(desk.post(body), 400, words)
    assert desk.stored() == 0


def test_a_body_that_is_no_text_is_refused(desk: Desk) -> None:
    """Bytes that are no UTF-8 cannot be signed text."""
    headers = sign(SECRET, "msg_1", desk.clock(), b"{}")
    answer = httpx.post(f"{desk.url}/v1/signals", content=b"\xff\xfe{}", headers=headers, trust_env=False)
    refused(answer, 400, "not UTF-8")


def test_what_is_no_text_cannot_be_signed() -> None:
    """It says so itself, with what to do."""
    with pytest.raises(BadInputError, match=r"the body: it is not UTF-8 text\. Sign and send it unpacked"):
        sign(SECRET, "msg_1", datetime.now(UTC), gzip.compress(b"{}"))


@pytest.mark.parametrize(
    ("to", "headers", "status", "chunked"),
    [
        ("/v1/sboms", {"patchgap-artifact": "app:latest"}, 400, False),
        ("/v1/sboms", {"patchgap-artifact": "app:latest"}, 400, True),
        ("/v1/sboms", {"content-encoding": "gzip", "patchgap-artifact": f"app@sha256:{'a' * 64}"}, 415, False),
        ("/v1/signals", {}, 413, False),
        ("/v1/signals", {}, 413, True),
        ("/v1/nowhere", {}, 404, False),
    ],
)
def test_who_sends_all_before_it_reads_is_answered(
    desk: Desk, to: str, headers: dict[str, str], status: int, chunked: bool
) -> None:
    """As Python's own client does, which also asks for the connection to be closed: no refusal breaks the pipe."""
    body = b" " * 12_000_000
    signed = sign(SECRET, "msg_1", desk.clock(), b"{}") | headers | {"connection": "close"}
    url = httpx.URL(desk.url)
    line = http.client.HTTPConnection(str(url.host), url.port, timeout=20)
    line.request("POST", to, iter([body]) if chunked else body, signed, encode_chunked=chunked)
    answer = line.getresponse()
    assert (answer.status, json.loads(answer.read())["status"]) == (status, status)
    line.close()


def test_who_asks_first_whether_to_send_is_told_no_at_once(desk: Desk) -> None:
    """A body that will not come is not waited for."""
    head = b"POST /v1/sboms HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99\r\n\r\n"
    assert _speak(desk, head) == 401


def test_an_advisory_that_is_no_osv_document_names_its_field(desk: Desk) -> None:
    """The OSV document is read before anything is stored."""
    answer = desk.post(envelope(advisory={"id": "X-1", "modified": "2023-05-25T05:07:00Z", "affected": "all"}))
    assert answer.status_code == 400
    assert "affected" in answer.json()["detail"]
    assert desk.stored() == 0
