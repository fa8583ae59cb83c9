"""Tickets: one contract for the folder and the webhook; opened once, found again, and never claimed without proof."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ticket_scene import DRAFT, HINT, INCIDENT, NOW, answering, intent, response, situation

from integrations.outbound import MAX_ANSWER, Service
from integrations.rehearsal.tickets import TicketSink
from integrations.rest import Rest
from integrations.ticketing.actions.open_incident import OpenIncident
from integrations.ticketing.actions.open_ticket import OpenTicket
from integrations.ticketing.opening import TicketParameters
from integrations.ticketing.sinks.file import FileSink
from integrations.ticketing.sinks.webhook import WebhookSink
from patchgap.errors import BadInputError, RefusedError, UnreachableError
from patchgap.model.plan import Control, Outcome, Target
from patchgap.model.telling import Draft, Ticket
from patchgap.ports import Sink

SEV1 = TicketParameters(severity="sev1")


@pytest.fixture(params=["webhook", "folder"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    if request.param == "folder":
        yield FileSink(tmp_path / "tickets")
        return
    with TicketSink() as running:
        yield WebhookSink(Rest(Service("The ticket sink", running.url), HINT))


def test_what_was_never_opened_is_not_found(sink: Sink) -> None:
    """No ticket is None, not an error."""
    assert sink.find(DRAFT.key, NOW) is None


def test_a_ticket_is_found_as_it_was_opened(sink: Sink) -> None:
    """Opening gives the ticket that finding gives afterwards, with an address for a person."""
    opened = sink.open(DRAFT)
    assert sink.find(DRAFT.key, NOW) == opened
    assert opened.url.startswith(("http://", "file://"))


def test_the_same_key_opens_once_and_another_key_another(sink: Sink) -> None:
    """A key is one ticket, however often it is opened."""
    other = replace(DRAFT, key="inc-2-open_incident")
    assert sink.open(DRAFT) == sink.open(DRAFT)
    assert sink.open(other).id != sink.open(DRAFT).id


def test_an_action_opens_once_and_finds_it_again(sink: Sink) -> None:
    """Before it is opened nothing is observed; applied twice it is one ticket with one id."""
    held = situation(sink)
    assert OpenIncident().observe(intent(held), held) is None
    first = OpenIncident().apply(intent(held), held)
    second = OpenIncident().apply(intent(held), held)
    seen = OpenIncident().observe(intent(held), held)
    assert first.outcome is Outcome.DONE
    assert seen is not None
    assert first.result["id"] == second.result["id"] == seen.result["id"]


def test_a_crash_between_opening_and_receipt_leaves_one_ticket(sink: Sink) -> None:
    """What was opened without a receipt is observed, and applying again adds none."""
    held = situation(sink)
    planned = intent(held)
    opened = sink.open(Draft(planned.action.target.name, INCIDENT, "open_incident", "sev1", "t", "b", NOW))
    seen = OpenIncident().observe(planned, held)
    assert seen is not None
    assert seen.result == OpenIncident().apply(planned, held).result
    assert seen.result["id"] == opened.id


def test_the_two_verbs_open_two_tickets(sink: Sink) -> None:
    """A person is called and work is queued under different keys of one incident."""
    held = situation(sink)
    (called,) = OpenIncident().targets(SEV1, held)
    (queued,) = OpenTicket().targets(SEV1, held)
    assert isinstance(called, Target)
    assert isinstance(queued, Target)
    assert called.name != queued.name


def test_a_preview_opens_nothing_and_tells_what_is_open(sink: Sink) -> None:
    """The plan says where and under which title; once open, it says which."""
    held = situation(sink)
    (target,) = OpenIncident().targets(SEV1, held)
    assert isinstance(target, Target)
    (before,) = OpenIncident().preview(SEV1, target, held)
    assert before.startswith(f"tell {sink.shown}: SEV1: PYSEC-2021-874")
    assert sink.find(target.name, NOW) is None
    opened = OpenIncident().apply(intent(held), held).result
    assert OpenIncident().preview(SEV1, target, held) == (f"{opened['id']} ({opened['url']}) is open already",)


def test_what_people_were_told_is_not_taken_back(sink: Sink) -> None:
    """There is no inverse: a release is refused and says who closes a ticket."""
    held = situation(sink)
    receipt = OpenIncident().apply(intent(held), held)
    with pytest.raises(RefusedError, match="Close the ticket where it was opened"):
        OpenIncident().release(Control(intent(held), receipt, held.clock()), held)


@pytest.mark.parametrize("key", ["../evil", "a/b", "", ".hidden", "UPPER", "a\n", "a" * 300, "a\0b"])
def test_a_key_that_is_no_name_touches_no_file(tmp_path: Path, key: str) -> None:
    """A key with a path in it is refused before the folder is looked at."""
    sink = FileSink(tmp_path / "tickets")
    with pytest.raises(BadInputError, match="no file's name"):
        sink.find(key, NOW)
    assert not list(tmp_path.iterdir())


def test_a_ticket_half_written_is_opened_whole(tmp_path: Path) -> None:
    """A page without its index is a crash's, and is no ticket; opening again leaves both files and no drafts."""
    (tmp_path / f"{DRAFT.key}.md").write_text("half")
    sink = FileSink(tmp_path)
    assert sink.find(DRAFT.key, NOW) is None
    sink.open(DRAFT)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{DRAFT.key}.json", f"{DRAFT.key}.md"]
    assert (tmp_path / f"{DRAFT.key}.md").read_text() == "# A title\n\nA body.\n"


@pytest.mark.parametrize("index", ["", "null", "[]", '"x"', "{}", '{"id": "a"}', "{", "\ud800", "[" * 100_000])
def test_a_broken_index_is_named_and_not_taken_for_none(tmp_path: Path, index: str) -> None:
    """What cannot be read is not "no ticket": a second one would be opened."""
    (tmp_path / f"{DRAFT.key}.json").write_bytes(index.encode(errors="surrogatepass"))
    with pytest.raises(UnreachableError, match=rf"{DRAFT.key}\.json cannot be read .* options\.folder"):
        FileSink(tmp_path).find(DRAFT.key, NOW)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: one error with the setting to change."""
    (tmp_path / "tickets").write_text("a file")
    with pytest.raises(UnreachableError, match=r"options\.folder a folder"):
        FileSink(tmp_path / "tickets").open(DRAFT)


BOMB = gzip.compress(gzip.compress(b"0" * 50_000_000))
UNSOUND = {
    "nothing": (b"", "did not answer"),
    "a 500": (response("500 Internal Server Error", b'{"id": "1", "url": "http://x/1"}'), "answered 500"),
    "a 401": (response("401 Unauthorized"), "answered 401"),
    "a redirect": (response("302 Found", b"", "location: http://127.0.0.1:9/elsewhere"), "answered 302"),
    "no JSON": (response("200 OK", b"<html>login</html>"), "no JSON"),
    "no UTF-8": (response("200 OK", b'{"id": "\xff"}'), "no JSON"),
    "a key twice": (response("200 OK", b'{"id": "1", "id": "2", "url": "http://x"}'), "no JSON"),
    "deep": (response("200 OK", b'{"a":' * 100_000), "no JSON"),
    "no id": (response("200 OK", b'{"url": "http://x/1"}'), "answered without"),
    "an id of another kind": (response("200 OK", b'{"id": true, "url": "http://x/1"}'), "answered without"),
    "an id of two lines": (response("200 OK", b'{"id": "a\\nb", "url": "http://x/1"}'), "answered without"),
    "an id without end": (response("200 OK", b'{"id": "%s", "url": "http://x/1"}' % (b"a" * 3000)), "answered without"),
    "an address that runs": (response("200 OK", b'{"id": "1", "url": "javascript:x"}'), "answered without"),
    "a huge one": (response("200 OK", b" " * (MAX_ANSWER + 1)), "more than 4 MiB"),
    "a bomb": (response("200 OK", BOMB, "content-encoding: gzip, gzip"), "encoding that was not asked for"),
    "a cut one": (b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{", "did not answer"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "did not answer"),
}


@pytest.mark.parametrize("name", UNSOUND)
@pytest.mark.parametrize(
    "call", [lambda sink: sink.find(DRAFT.key, NOW), lambda sink: sink.open(DRAFT)], ids=["find", "open"]
)
def test_an_unsound_answer_claims_no_ticket(name: str, call: Callable[[Sink], object]) -> None:
    """Neither a ticket nor "there is none" is read from it; the address and the next step are named."""
    answer, words = UNSOUND[name]
    with answering(answer) as service, pytest.raises(UnreachableError, match=words) as caught:
        call(WebhookSink(service))
    assert f"The ticket sink at {service.service.url}" in str(caught.value)


def test_a_slow_drip_ends_at_the_deadline() -> None:
    """A byte now and then does not hold a request longer than its deadline."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with (
        answering(head, drip=b" ") as service,
        pytest.raises(UnreachableError, match="did not answer within 1 s"),
    ):
        WebhookSink(service).find(DRAFT.key, NOW)


def test_a_slow_drip_of_headers_ends_at_the_deadline() -> None:
    """Nor do headers without end."""
    with (
        answering(b"HTTP/1.1 200 OK\r\nx: ", drip=b"y") as service,
        pytest.raises(UnreachableError, match="did not answer within 1 s"),
    ):
        WebhookSink(service).find(DRAFT.key, NOW)


def test_a_ticket_system_that_is_down_is_named() -> None:
    """No answer is an error that names the system, and no ticket is claimed."""
    held = situation(
        WebhookSink(Rest(Service("the ticket system", "http://127.0.0.1:9/tickets", timeout_seconds=2), HINT))
    )
    with pytest.raises(UnreachableError, match="the ticket system"):
        OpenIncident().apply(intent(held), held)


def test_an_integer_id_is_taken_as_its_digits() -> None:
    """Many systems count their tickets."""
    with answering(response("200 OK", b'{"id": 7, "url": "https://t.example/7"}')) as service:
        assert WebhookSink(service).find(DRAFT.key, NOW) == Ticket("7", "https://t.example/7")


def test_the_whole_draft_is_posted_with_its_key_and_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is resolved for the request; without it the sink refuses, and no word of it is in the error."""
    monkeypatch.setenv("TEST_TICKETS_TOKEN", "t0ken-value")
    with TicketSink(token="t0ken-value") as running:
        service = Rest(Service("The ticket sink", running.url, "env:TEST_TICKETS_TOKEN"), HINT)
        WebhookSink(service).open(DRAFT)
        assert {**running.tickets[0], "id": "", "url": ""} == {
            "key": DRAFT.key,
            "incident": "inc-1",
            "verb": "open_incident",
            "severity": "sev1",
            "title": "A title",
            "body": "A body.\n",
            "id": "",
            "url": "",
        }
        monkeypatch.setenv("TEST_TICKETS_TOKEN", "wr0ng-value")
        with pytest.raises(UnreachableError, match=r"answered 401\. Check its url and token") as caught:
            WebhookSink(service).find(DRAFT.key, NOW)
    assert "wr0ng-value" not in str(caught.value)


@pytest.mark.parametrize("token", ["töken-value", "two\nlines-value", "nul\0-value"])
def test_a_token_that_no_header_can_bear_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """The reference is at fault, not the address, and the value is not shown."""
    monkeypatch.setattr("integrations.outbound.secret", lambda _reference: token)
    service = Rest(Service("The ticket sink", "http://127.0.0.1:9/tickets", "env:TEST_TICKETS_TOKEN", 1), HINT)
    with pytest.raises(BadInputError, match="env:TEST_TICKETS_TOKEN: ") as caught:
        WebhookSink(service).find(DRAFT.key, NOW)
    assert "-value" not in str(caught.value)


def test_a_secret_in_the_address_is_not_shown() -> None:
    """User, password, query and fragment of the address stay out of what a person reads."""
    sink = WebhookSink(Rest(Service("x", "https://user:pass@t.example/hook?key=k3y#f"), HINT))
    assert sink.shown == "https://t.example/hook"


def test_the_index_says_for_programs_what_the_page_says_for_people(tmp_path: Path) -> None:
    """The index holds the incident, verb and severity, and the page's address."""
    opened = FileSink(tmp_path).open(DRAFT)
    index = json.loads((tmp_path / f"{DRAFT.key}.json").read_text())
    assert (index["incident"], index["verb"], index["severity"]) == ("inc-1", "open_incident", "sev1")
    assert index["url"] == opened.url == (tmp_path / f"{DRAFT.key}.md").as_uri()
