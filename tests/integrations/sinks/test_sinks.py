"""One contract for every sink, over real sockets: told once, found again, added to once, resolved, and no foreign text
that does anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from services import TOKEN
from sink_cases import ASKABLE, ENV, KINDS, LIMITED, Case, made, mail, running, settings

from integrations.ticketing.directory import Sinks
from patchgap.errors import BadInputError, PatchgapError, UnreachableError
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.model.unknown import Unknown
from patchgap.registry import load
from patchgap.settings import Settings

INCIDENT = "inc-20261124-7k3f"
SINCE = datetime.now(UTC) - timedelta(hours=1)
DRAFT = Draft(
    f"{INCIDENT}-open_incident", INCIDENT, "open_incident", "sev1", "SEV1: it is here", "What `runs`.\n", SINCE
)
NOTE = Note(f"{INCIDENT}-verifying-9", INCIDENT, "verifying", "it is verifying", "Two controls stand.\n")
END = replace(
    NOTE, key=f"{INCIDENT}-closed-20", status="closed", title="it is closed", body="All proved.\n", ended=True
)


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    with running(request.param, tmp_path, monkeypatch) as started:
        yield started


@pytest.fixture(params=ASKABLE)
def askable(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    with running(request.param, tmp_path, monkeypatch) as started:
        yield started


@pytest.fixture(params=LIMITED)
def limited(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    with running(request.param, tmp_path, monkeypatch) as started:
        yield started


def test_what_is_opened_says_what_was_drafted(case: Case) -> None:
    """One thing stands there, with its title and its body."""
    assert not isinstance(case.sink.find(DRAFT.key, SINCE), Ticket)
    case.sink.open(DRAFT)
    (text,) = case.opened()
    assert "SEV1: it is here" in text
    assert "What `runs`." in text


def test_what_is_opened_is_found_again_and_nothing_else(askable: Case) -> None:
    """By its key alone, whatever else stands there; another verb of the incident is another."""
    assert askable.sink.find(DRAFT.key, SINCE) is None
    opened = askable.sink.open(DRAFT)
    assert askable.sink.find(DRAFT.key, SINCE) == opened
    assert askable.sink.find(f"{INCIDENT}-notify", SINCE) is None
    assert askable.sink.find("inc-20261124-zzzz-open_incident", SINCE) is None


@pytest.mark.parametrize("name", ["pagerduty", "email"])
def test_what_cannot_be_asked_is_one_for_its_readers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding says that it cannot, and opening twice under one key is one alert, or one message."""
    with running(name, tmp_path, monkeypatch) as case:
        case.sink.open(DRAFT)
        assert isinstance(case.sink.find(DRAFT.key, SINCE), Unknown)
        case.sink.open(DRAFT)
        assert len(case.opened()) == 1


def test_an_answer_that_was_lost_opens_no_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service took it, the line broke: the error claims nothing, and the next run finds it."""
    paths = {"jira-cloud": "/issue", "servicenow": "/incident", "github": "/issues", "slack": "chat.postMessage"}
    for name, path in paths.items():
        with running(name, tmp_path, monkeypatch) as case:
            assert case.service is not None
            case.service.drop_after = path
            with pytest.raises(UnreachableError):
                case.sink.open(DRAFT)
            assert isinstance(case.sink.find(DRAFT.key, SINCE), Ticket), name
            assert len(case.opened()) == 1


def test_a_note_is_said_once_and_the_end_resolves(case: Case) -> None:
    """However often it is told; what has notes holds each once."""
    opened = case.sink.open(DRAFT)
    for note in (NOTE, NOTE, END, END):
        case.sink.add(opened, note)
    assert case.over()
    assert len(case.opened()) <= (5 if "Slack webhook" in case.sink.shown else 3)


def test_notes_stand_where_they_were_said(askable: Case) -> None:
    """Once each, on what was opened, and it stays one thing."""
    opened = askable.sink.open(DRAFT)
    for note in (NOTE, NOTE):
        askable.sink.add(opened, note)
    (text,) = askable.opened()
    if askable.service is not None and hasattr(askable.service, "messages"):
        text = "".join(str(m["blocks"]) for m in askable.service.messages if "thread_ts" in m)
    assert text.count("Two controls stand.") == 1


def test_a_service_that_asks_to_wait_is_waited_for(limited: Case) -> None:
    """As long as its Retry-After says, then it is told once."""
    assert limited.service is not None
    limited.service.limited = 1
    limited.sink.open(DRAFT)
    assert limited.waits == [2.0]
    assert len(limited.opened()) == 1


def test_a_service_that_asks_to_wait_for_ever_is_left(limited: Case) -> None:
    """A run does not hang on it: a later one tells it."""
    assert limited.service is not None
    limited.service.limited = 100
    with pytest.raises(UnreachableError, match="asks to wait longer"):
        limited.sink.open(DRAFT)
    assert sum(limited.waits) <= 30
    assert limited.opened() == []


@pytest.mark.parametrize("name", [k for k in KINDS if k not in {"file", "slack-webhook"}])
def test_a_wrong_token_is_an_error_without_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither found nor opened is claimed, and the value stands nowhere in the error or its causes."""
    with running(name, tmp_path, monkeypatch) as case:
        monkeypatch.setenv(ENV, "wr0ng-value")
        with pytest.raises(UnreachableError) as caught:
            case.sink.open(DRAFT)
        assert case.opened() == []
        told: BaseException | None = caught.value
        while told is not None:
            assert "wr0ng-value" not in str(told)
            told = told.__cause__


def test_an_incoming_webhooks_address_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is the secret: not in what is shown, not in an error."""
    with running("slack-webhook", tmp_path, monkeypatch) as case:
        assert case.service is not None
        monkeypatch.setenv(ENV, f"{case.service.url}/services/wrong/{TOKEN}")
        with pytest.raises(UnreachableError) as caught:
            case.sink.open(DRAFT)
        assert TOKEN not in str(caught.value) + case.sink.shown
        monkeypatch.setenv(ENV, f"http://127.0.0.1:9/services/wrong/{TOKEN}")
        with pytest.raises(UnreachableError) as caught:
            case.sink.open(DRAFT)
        assert TOKEN not in str(caught.value) + str(caught.value.__cause__)


WILD = "<!channel> <@U1> *b* <http://e.example|x> & {noformat} {html}<b>[code]<script>x</script>[/code] <!-- y -->\nBcc: e@e.example"


def test_foreign_text_is_text(case: Case) -> None:
    """It goes in whole and turns nothing on: no mention, no markup, no header, no end of the block it is in."""
    case.sink.open(replace(DRAFT, body=WILD))
    case.sink.add(case.sink.open(replace(DRAFT, key=f"{INCIDENT}-notify")), replace(NOTE, body=WILD))
    texts = "".join(case.opened())
    assert "script" in texts
    if case.service is None:
        return
    held: Any = case.service
    for message in [*getattr(held, "messages", ()), *_posts(held)]:
        assert "<" not in message["text"]
        assert {b["type"] for b in message.get("blocks", [])} <= {"header", "rich_text"}
    for row in getattr(held, "rows", ()):
        assert "[code]" not in row["work_notes"]
    for message in getattr(held, "received", ()):
        assert message["Bcc"] is None
        assert message.get_content_type() == "text/plain"
    for issue in getattr(held, "issues", ()):
        description = issue.get("fields", {}).get("description")
        assert not isinstance(description, str) or description.count("{noformat}") == 2


def _posts(held: Any) -> list[Any]:
    import json

    return [json.loads(p) for p in getattr(held, "posts", ())]


def test_mail_of_an_incident_is_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has its own id, and all refer to the incident's."""
    monkeypatch.setenv(ENV, TOKEN)
    with mail(tmp_path) as case:
        case.sink.add(case.sink.open(DRAFT), NOTE)
        first, second = case.service.received  # type: ignore[union-attr]
        assert first["Message-ID"] != second["Message-ID"]
        assert first["References"] == second["References"] == f"<{INCIDENT}@example.org>"


def test_mail_is_not_sent_to_a_server_that_cannot_prove_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for ends it before the password is said."""
    monkeypatch.setenv(ENV, TOKEN)
    with mail(tmp_path, ca=None) as case, pytest.raises(UnreachableError, match="SSLCertVerificationError"):
        case.sink.open(DRAFT)


def test_slack_keeps_the_first_message_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second verb of the incident is a reply in its thread; the state is said in place; others' chatter is passed."""
    with running("slack", tmp_path, monkeypatch) as case:
        held: Any = case.service
        first = case.sink.open(DRAFT)
        held.chatter()
        second = case.sink.open(replace(DRAFT, key=f"{INCIDENT}-notify"))
        assert case.sink.find(f"{INCIDENT}-notify", SINCE) == second
        assert second.id.split("/")[0] == first.id.split("/")[0]
        case.sink.add(first, NOTE)
        (root,) = case.opened()
        assert "[verifying] SEV1: it is here" in root
        assert "What `runs`." in root


BAD = [
    ("pagerduty", {"token": ""}, "token is not set"),
    ("jira", {"url": "https://j.example"}, r"options\.project: Field required"),
    ("jira", {"url": "https://j.example", "options": {"project": 'S" OR 1'}}, r"options\.project: "),
    ("github", {"options": {"repository": "../x"}}, r"options\.repository: "),
    ("slack", {"options": {"channel": "#general"}}, r"options\.channel: "),
    ("slack-webhook", {"url": "https://hooks.slack.example/services/x"}, "its secret"),
    ("email", {"options": {"host": "h", "sender": "a@b", "to": ["a@b\nBcc: x@y"], "user": "u"}}, r"options\.to: "),
    ("email", {"options": {"host": "h", "sender": "a@b", "to": ["a@b"]}}, "go together"),
    ("webhook", {}, "url is not set"),
    ("file", {"options": {"dir": "x"}}, r"options\.dir: Extra inputs"),
]


@pytest.mark.parametrize(("kind", "changes", "words"), BAD)
def test_a_sink_that_cannot_be_made_is_named(kind: str, changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    """The sink, its field and where to correct it."""
    with pytest.raises(BadInputError, match=rf"sink 'it' \({kind}\): .*{words}"):
        made(settings(kind, **changes), tmp_path)


def connected(tmp_path: Path, *sinks: dict[str, Any]) -> Sinks:
    document = {"home": str(tmp_path), "database_url": "sqlite://", "sinks": sinks}
    return Sinks.connect(Settings.model_validate(document))


def test_sinks_are_routed_by_verb_and_severity(tmp_path: Path) -> None:
    """Each takes what it is configured for; a call for a person is of every severity."""
    sinks = connected(
        tmp_path,
        {"name": "all", "kind": "file"},
        {"name": "loud", "kind": "file", "verbs": ["open_incident", "person_called"], "severities": ["sev1"]},
    )
    assert [e.name for e in sinks.taking("open_incident", "sev1")] == ["all", "loud"]
    assert [e.name for e in sinks.taking("open_incident", "sev2")] == ["all"]
    assert [e.name for e in sinks.taking("person_called", "sev2")] == ["all", "loud"]


def test_without_sinks_there_is_a_folder(tmp_path: Path) -> None:
    """Nothing configured is a folder in the data folder, for every verb."""
    (entry,) = connected(tmp_path).taking("open_ticket", "sev3")
    assert entry.sink.shown == str(tmp_path / "tickets")


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ({"name": "x", "kind": "fax"}, "of kind 'fax', and there is none.*pagerduty"),
        ({"name": "x", "kind": "pagerduty", "verbs": ["open_ticket"]}, "cannot take open_ticket.*open_incident"),
    ],
)
def test_a_sink_of_no_kind_or_verb_is_named(sink: dict[str, Any], words: str, tmp_path: Path) -> None:
    """With what there is."""
    with pytest.raises(PatchgapError, match=words):
        connected(tmp_path, sink)


@pytest.mark.parametrize("kind", sorted(load().sinks))
def test_the_example_of_each_kind_loads(kind: str, tmp_path: Path) -> None:
    """What its docstring shows is taken as it stands."""
    import tomllib

    text = (type(load().sinks[kind]).__doc__ or "").partition("Example::")[2]
    one = {**tomllib.loads("\n".join(line.strip() for line in text.splitlines())), "name": "it"}
    assert kind == one["kind"]
    assert made(
        settings(kind, **{"token": "", **{k: v for k, v in one.items() if k not in {"name", "kind"}}}), tmp_path
    )
    assert load().sinks[kind].permissions
