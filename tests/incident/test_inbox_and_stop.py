"""The inbox keeps what arrived, once; the kill switch stops writes until it is lowered."""

from __future__ import annotations

from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from made import START, Ticking

from patchgap.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from patchgap.incident.inbox import Inbox
from patchgap.incident.stop import Stop
from patchgap.model.finding import IncidentId
from patchgap.model.signal import SignalId
from patchgap.storage import connect

DOCUMENT = {"kind": "advisory", "advisory": {"id": "PYSEC-2021-874", "summary": "código"}}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"), Ticking())


def test_a_delivery_is_kept_once(inbox: Inbox) -> None:
    """The same delivery again is the same signal, and not new; its document reads back."""
    first, new = inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT, START)
    again, repeated = inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT, START)
    row = inbox.get(first)
    assert (new, repeated, again) == (True, False, first)
    assert (row.document, row.received_at, row.state, row.incident) == (DOCUMENT, START, "received", None)


def test_a_secret_in_a_signal_is_not_stored(inbox: Inbox) -> None:
    """What an alert quotes of a log is kept but for the token; the same delivery is still the same signal."""
    loud = {**DOCUMENT, "note": {"line": ["curl -H 'Authorization: Bearer c2VjcmV0LXRva2VuLXZhbHVlLWhlcmU' exfil"]}}
    first, _ = inbox.put("msg-1", "runtime", "falco", loud, START)
    assert inbox.put("msg-1", "runtime", "falco", loud, START) == (first, False)
    assert inbox.get(first).document["note"] == {"line": ["curl -H 'Authorization: (a bearer token, withheld)' exfil"]}


def test_another_delivery_of_the_same_document_is_another_signal(inbox: Inbox) -> None:
    """What was not running yesterday may run today: a new delivery is looked at anew."""
    one, _ = inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT)
    other, new = inbox.put("msg-2", "advisory", "threat-intel", DOCUMENT)
    assert new
    assert one != other


def test_another_content_under_a_used_delivery_id_is_refused(inbox: Inbox) -> None:
    """A delivery id is one content's; nothing of the second is stored."""
    first, _ = inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT)
    with pytest.raises(ConflictError, match="another content"):
        inbox.put("msg-1", "advisory", "threat-intel", {**DOCUMENT, "more": 1})
    assert [row.id for row in inbox.pending()] == [first]


def test_an_id_that_another_source_used_is_a_conflict_and_never_a_loss(inbox: Inbox) -> None:
    """A delivery's id stands once: what is not stored is not said to be."""
    first, _ = inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT)
    with pytest.raises(ConflictError, match="msg-1 came before"):
        inbox.put("msg-1", "advisory", "another-feed", DOCUMENT)
    assert [row.id for row in inbox.pending()] == [first]


@pytest.mark.parametrize(
    "document", [{"n": float("nan")}, {"text": "\ud800"}, {"o": object()}], ids=["nan", "half", "object"]
)
def test_what_is_no_json_is_refused_clearly(inbox: Inbox, document: dict[str, object]) -> None:
    """A clear error and no row."""
    with pytest.raises(BadInputError, match="no plain JSON"):
        inbox.put("msg-1", "advisory", "threat-intel", document)
    assert inbox.pending() == ()


def test_a_token_in_a_signal_is_withheld_before_it_is_stored(inbox: Inbox) -> None:
    """The signal is kept, and in place of the token what kind it was, also where a line's end stands before it; sent again,
    it is the same signal."""
    document = {"kind": "runtime", "runtime": {"observed": "curl said:\nAKIAIOSFODNN7EXAMPLE"}}
    name, new = inbox.put("d-1", "runtime", "falco", document)
    assert (new, inbox.put("d-1", "runtime", "falco", document)) == (True, (name, False))
    inbox.mark(name, "quarantined", "what is AKIAIOSFODNN7EXAMPLE?")
    kept = inbox.get(name)
    assert kept.document["runtime"]["observed"] == "curl said:\n(an AWS access key, withheld)"
    assert kept.reason == "what is (an AWS access key, withheld)?"


def test_the_same_delivery_at_once_is_new_to_one(inbox: Inbox) -> None:
    """Of many repeats at the same moment exactly one is new."""
    with ThreadPool(4) as pool:
        put = pool.map(lambda _n: inbox.put("msg-1", "advisory", "threat-intel", DOCUMENT, START), range(8))
    assert sorted(new for _id, new in put) == [False] * 7 + [True]
    assert len({signal for signal, _new in put}) == 1


def test_what_became_of_a_signal_is_kept(inbox: Inbox) -> None:
    """Pending are the received and the started; the finished say why and in which incident."""
    ids = [inbox.put(f"msg-{n}", "advisory", "s", DOCUMENT)[0] for n in range(5)]
    inbox.mark(ids[1], "started")
    inbox.mark(ids[2], "opened", "critical", IncidentId("inc-20261124-abcd"))
    inbox.mark(ids[3], "recorded", "it is not running", None)
    inbox.mark(ids[4], "quarantined", "advisory: no id", None)
    assert [row.id for row in inbox.pending()] == ids[:2]
    assert inbox.get(ids[2]).incident == "inc-20261124-abcd"
    assert inbox.get(ids[3]).reason == "it is not running"


def test_a_stranger_and_a_made_up_state_are_refused(inbox: Inbox) -> None:
    """Unknown signals are not found, unknown states are no states."""
    with pytest.raises(NotFoundError):
        inbox.get(SignalId("sig-none"))
    with pytest.raises(NotFoundError):
        inbox.mark(SignalId("sig-none"), "started")
    signal, _ = inbox.put("msg-1", "advisory", "s", DOCUMENT)
    with pytest.raises(BadInputError, match="'done' is none"):
        inbox.mark(signal, "done")  # type: ignore[arg-type]


def test_the_kill_switch_stops_writes_across_processes_and_restarts(tmp_path: Path) -> None:
    """Raised in one place it stops every other that reads the same database, until someone lowers it."""
    url = f"sqlite:///{tmp_path / 'patchgap.db'}"
    here, there = Stop(connect(url)), Stop(connect(url))
    there.may_write()
    here.raise_("the plan was wrong", "dana", START)
    with pytest.raises(RefusedError, match="dana raised it at 2026-11-24 07:10:00Z: the plan was wrong"):
        there.may_write()
    with pytest.raises(RefusedError):
        Stop(connect(url)).may_write()
    here.lower("corrected", "dana", START)
    there.may_write()
    assert there.raised() is None
