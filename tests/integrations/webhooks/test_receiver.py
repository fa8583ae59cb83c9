"""The receiver's promises, over a real socket."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from integrations.webhooks.server import serving
from patchgap.errors import PatchgapError
from tests.integrations.webhooks.desk import NEW_SECRET, SECRET, CountingStarter, Desk, Opening, envelope


def test_a_signed_advisory_is_stored_whole_and_its_run_started(desk: Desk) -> None:
    """What was sent is in the inbox before the answer names its signal and run."""
    answer = desk.post(envelope())
    assert answer.status_code == 202
    signal = answer.json()["signal"]
    assert answer.json() == {"signal": signal, "flow_run": "run-0", "duplicate": False}
    held = desk.inbox.get(signal)
    assert (held.document, held.source, held.received_at) == (envelope(), "feed", desk.clock())


def test_a_runtime_signal_is_taken_by_the_same_envelope(desk: Desk) -> None:
    """The second kind of the envelope is accepted too."""
    seen = {"cluster": "prod", "namespace": "training", "kind": "Deployment", "name": "t", "observed": "odd egress"}
    answer = desk.post({"kind": "runtime", "source": "falco", "runtime": seen})
    assert desk.inbox.get(answer.json()["signal"]).kind == "runtime"


def test_a_repeated_delivery_starts_nothing_new(desk: Desk) -> None:
    """The same id and content again is the same signal and the same run, even signed anew an hour later."""
    first = desk.post(envelope()).json()
    desk.clock.advance(hours=1)
    second = desk.post(envelope())
    assert second.status_code == 202
    assert second.json() == {**first, "duplicate": True}
    assert len(desk.starter.runs) == 1


def test_a_repeated_delivery_of_a_settled_signal_asks_for_no_run(desk: Desk) -> None:
    """A signal that became an incident is not looked at again."""
    first = desk.post(envelope()).json()
    desk.inbox.mark(first["signal"], "recorded", "not running here")
    assert desk.post(envelope()).json() == {"signal": first["signal"], "flow_run": None, "duplicate": True}
    assert len(desk.starter.asked) == 1


def test_the_same_id_with_other_content_is_a_conflict(desk: Desk) -> None:
    """A delivery's id belongs to its first content."""
    desk.post(envelope())
    answer = desk.post(envelope(claims={}))
    assert answer.status_code == 409
    assert desk.stored() == 1


def test_parallel_deliveries_of_one_message_are_one_signal(desk: Desk) -> None:
    """Eight senders at once leave one signal, one run, and one answer that is not a duplicate."""
    with ThreadPoolExecutor(8) as pool:
        answers = [a.json() for a in pool.map(lambda _: desk.post(envelope()), range(8))]
    assert len({a["signal"] for a in answers}) == 1
    assert [a["duplicate"] for a in answers].count(False) == 1
    assert desk.stored() == len(desk.starter.runs) == 1


def test_both_secrets_hold_while_one_is_rotated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two secrets, separated by a space, each sign; one that is gone does not."""
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", f"{NEW_SECRET} {SECRET}")
    assert [desk.post(envelope(), secret=s).status_code for s in (SECRET, NEW_SECRET)] == [202, 202]
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", NEW_SECRET)
    assert desk.post(envelope(), secret=SECRET).status_code == 401


@pytest.mark.parametrize("configured", [None, "", "   ", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="])
def test_without_a_usable_secret_nothing_is_accepted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, configured: str | None
) -> None:
    """An unset, empty, broken or short secret fails closed, and is not told to the sender."""
    if configured is None:
        monkeypatch.delenv("TEST_WEBHOOK_SECRET")
    else:
        monkeypatch.setenv("TEST_WEBHOOK_SECRET", configured)
    answer = desk.post(envelope())
    assert answer.status_code == 503
    assert "c2hvcnQ" not in answer.text
    assert desk.stored() == 0


def test_an_unreachable_engine_leaves_the_signal_pending_and_the_sweeper_starts_it(opening: Opening) -> None:
    """202 with no run, then the run without anyone sending again."""
    with opening() as desk:
        desk.starter.down = True
        answer = desk.post(envelope())
        assert (answer.status_code, answer.json()["flow_run"], answer.json()["pending"]) == (202, None, True)
        desk.starter.down = False
        desk.clock.advance(minutes=10)
        assert desk.starter.started.wait(10)
        assert list(desk.starter.runs) == [answer.json()["signal"]]


def test_a_signal_stored_before_a_restart_is_started_after_it(opening: Opening) -> None:
    """What waits is in the database, not in the process."""
    with opening(sweep_every=timedelta(hours=1)) as before:
        before.starter.down = True
        signal = before.post(envelope()).json()["signal"]
    with opening() as after:
        assert after.starter.started.wait(10)
        assert list(after.starter.runs) == [signal]


def test_a_start_that_hangs_does_not_hold_the_answer(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender has its 202 within the time that a start may take: it has less patience than the start takes."""
    over = threading.Event()
    monkeypatch.setattr(CountingStarter, "start", lambda *_args, **_rest: over.wait(120) and "late")
    with opening(start_within=0.1, sweep_every=timedelta(hours=1)) as desk:
        answer = desk.post(envelope())
        over.set()
    assert answer.json().get("pending") is True, answer.text


def test_health_tells_up_and_nothing_else(desk: Desk) -> None:
    """A probe needs no signature and learns one word."""
    answer = httpx.get(f"{desk.url}/healthz", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_tells_whether_a_run_could_be_started(desk: Desk) -> None:
    """A receiver keeps signals while Prefect is away, and says that it is not ready."""
    desk.starter.down = True
    told = [httpx.get(f"{desk.url}/{path}", trust_env=False).status_code for path in ("healthz", "readyz")]
    desk.starter.down = False
    answer = httpx.get(f"{desk.url}/readyz", trust_env=False)
    assert (told, answer.status_code, answer.json()) == ([200, 503], 200, {"status": "ready"})


def test_metrics_count_deliveries_for_this_machine_alone(desk: Desk) -> None:
    """Loopback reads the counters; what came through a proxy does not."""
    desk.post(envelope())
    desk.post(envelope(), webhook_signature="v1,AAAA")
    text = httpx.get(f"{desk.url}/metrics", trust_env=False).text
    assert 'patchgap_webhook_deliveries_total{status="202"} 1.0' in text
    assert 'patchgap_webhook_deliveries_total{status="401"} 1.0' in text
    forwarded = httpx.get(f"{desk.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, trust_env=False)
    assert forwarded.status_code == 403


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/v2/signals"])
def test_other_paths_are_problems_and_nothing_is_described(desk: Desk, path: str) -> None:
    """No route describes the application."""
    answer = httpx.get(desk.url + path, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_taken_port_is_one_clear_error(desk: Desk) -> None:
    """Two receivers on one port: the second says so, and how to go on."""
    port = httpx.URL(desk.url).port
    with pytest.raises(PatchgapError, match="cannot be listened on"), serving(None, port=port):  # type: ignore[arg-type]
        pass


def test_a_problem_is_one_document_with_its_fix(desk: Desk) -> None:
    """RFC 9457, and what the sender sent is not in it."""
    answer = desk.post(envelope(secret_note="do-not-echo"))
    assert answer.headers["content-type"] == "application/problem+json"
    body = json.loads(answer.text)
    assert (body["status"], body["title"], body["type"]) == (400, "Bad Request", "about:blank")
    assert "secret_note" in body["detail"]
    assert "do-not-echo" not in answer.text
