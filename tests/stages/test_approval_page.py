"""The page behind a link, over a real socket: reading changes nothing, and an answer counts for whoever proves it is theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx
import pytest
from estate import BAD, World
from test_close import opened

from integrations.webhooks import approvals
from integrations.webhooks.receiver import create_app
from integrations.webhooks.server import serving
from patchgap.errors import BadInputError, UnreachableError
from patchgap.incident.difference import named
from patchgap.model.finding import IncidentId
from patchgap.model.workload import Classification
from patchgap.settings import WebhookSettings
from patchgap.stages import consent, contain
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


@dataclass
class Starter:
    """Notes what it is asked to start."""

    down: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def start(self, flow: str, parameters: Mapping[str, str], idempotency_key: str, tags: Sequence[str] = ()) -> str:
        if self.down:
            raise UnreachableError("the Prefect API does not answer", "Start it.")
        assert idempotency_key
        assert parameters["incident"] in tags
        self.asked.append((flow, parameters["incident"]))
        return "run-1"

    def see(self, flow: str) -> None:
        """Whatever is asked for is there."""


@dataclass
class Page:
    """A receiver, and an incident whose plan waits."""

    engine: Engine
    starter: Starter
    incident: IncidentId
    url: str

    def link(self, person: str = "") -> str:
        return self.url + consent.PATH + self.engine.consent.link(self.incident, person)

    def code(self, person: str = "dana") -> str:
        (code,) = self.engine.consent.approvers.issue(person, "admin")
        return code

    def get(self, link: str) -> httpx.Response:
        return httpx.get(link, trust_env=False)

    def post(self, link: str, **fields: str) -> httpx.Response:
        return httpx.post(link, data=fields, trust_env=False)

    def approvals(self) -> list[str]:
        return [a.approver for a in state_of(self.engine, self.incident).approvals]


@pytest.fixture
def name() -> str:
    """Of the workload that the page is about."""
    return "notebook"


@pytest.fixture
def page(engine: Engine, world: World, name: str) -> Iterator[Page]:
    world.runs(name, BAD, Classification.INTERNAL)
    incident = opened(engine)
    contain.plan(engine, incident)
    starter = Starter()
    app = create_app(engine.settings, engine.inbox, starter, world.clock, graph=engine.graph, consent=engine.consent)
    with serving(app) as address:
        yield Page(engine, starter, incident, address.url)


def test_reading_names_every_target_and_changes_nothing(page: Page) -> None:
    """Whoever follows the link, and however often; nothing on the page is fetched from elsewhere or kept."""
    before = page.engine.ledger.read(page.incident)
    for person in ("", "dana"):
        answer = page.get(page.link(person))
        assert answer.status_code == 200
        plan = state_of(page.engine, page.incident).plan
        assert plan
        for action in plan.actions:
            assert named(action.target) in answer.text
            assert action.verb in answer.text
        assert plan.digest in answer.text
        assert ("Your code" in answer.text) is not bool(person)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.engine.ledger.read(page.incident) == before
    assert page.starter.asked == []


@pytest.mark.parametrize("name", ["note\u202ekoob\x1b[2J"])
def test_a_name_that_turns_a_line_round_is_shown_as_an_escape(page: Page) -> None:
    """Who says yes must see what to."""
    text = page.get(page.link()).text
    assert r"note\u202ekoob\x1b[2J" in text
    assert not {"\u202e", "\x1b"} & set(text)


def test_a_code_approves_and_containment_begins(page: Page) -> None:
    """The run is started, and the code is spent."""
    code = page.code()
    answer = page.post(page.link(), answer="approve", code=code)
    assert (answer.status_code, page.approvals()) == (200, ["dana"])
    assert "dana approved" in answer.text
    assert page.starter.asked == [("contain", page.incident)]
    assert page.post(str(answer.url), answer="approve", code=code).status_code == 403


def test_a_link_to_a_person_needs_no_code(page: Page) -> None:
    """It was sent to them alone."""
    assert page.post(page.link("dana"), answer="approve").status_code == 200
    assert page.approvals() == ["dana"]


def test_where_prefect_is_down_the_yes_stands(page: Page) -> None:
    """The scheduled round carries it out; the page says so."""
    page.starter.down = True
    answer = page.post(page.link("dana"), answer="approve")
    assert "next scheduled round" in answer.text
    assert page.approvals() == ["dana"]


def test_a_no_says_why(page: Page) -> None:
    """Without a reason it is asked for."""
    assert "says not why" in page.post(page.link("dana"), answer="decline").text
    answer = page.post(page.link("dana"), answer="decline", why="a decoy")
    assert (answer.status_code, page.starter.asked) == (200, [])
    declined = state_of(page.engine, page.incident).declined
    assert declined
    assert (declined.who, declined.why) == ("dana", "a decoy")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"answer": "approve", "code": "x"}, "no code that patchgap issued"),
        ({"answer": "approve"}, "no code that patchgap issued"),
        ({"answer": "maybe", "code": "x"}, "neither yes nor no"),
        ({"code": "x"}, "neither yes nor no"),
        ({"answer": "approve", "plan": "another"}, "not what the page"),
    ],
)
def test_what_is_no_answer_is_refused_on_the_page(page: Page, fields: dict[str, str], said: str) -> None:
    """The form is shown again, and nothing is recorded."""
    answer = page.post(page.link(), **fields)
    assert answer.status_code == 403
    assert said in answer.text
    assert "<form" in answer.text
    assert page.approvals() == []


def test_the_requester_approves_nothing_by_link(page: Page) -> None:
    """Nor by a code."""
    asked = page.engine.consent.asked(page.incident)
    assert asked
    token = page.engine.consent.links.token(replace(asked, person="test"))
    assert "no approver" in page.post(page.url + consent.PATH + token, answer="approve").text
    assert "another person" in page.post(page.link(), answer="approve", code=page.code("test")).text
    assert page.approvals() == []


def test_a_forged_link_shows_nothing_of_the_incident(page: Page) -> None:
    """Nor does a body that is none, or too large."""
    for answer in (page.get(page.url + consent.PATH + "abc.def"), page.post(page.url + consent.PATH + "abc.def")):
        assert answer.status_code == 403
        assert page.incident not in answer.text
    large = httpx.post(page.link(), content=b"a=" + b"x" * 10_000, trust_env=False)
    assert large.status_code == 413
    odd = httpx.post(page.link(), content=b"\xff\xfe", trust_env=False)
    assert odd.status_code == 403


def test_what_a_page_says_is_data_in_it() -> None:
    """A name that is markup is shown as it is."""
    context = {"problem": "<script>alert(1)</script>"}
    assert b"&lt;script&gt;" in approvals._html("refused.html.j2", context).body


def test_an_address_needs_the_one_that_browsers_use(page: Page) -> None:
    """The settings say it; without it the fix is named."""
    settings = page.engine.settings
    with pytest.raises(BadInputError, match=r"webhook\.url"):
        consent.address(settings, page.engine.consent, page.incident)
    named = settings.model_copy(update={"webhook": WebhookSettings(url="https://patchgap.example.org/")})
    made = consent.address(named, page.engine.consent, page.incident, "dana")
    assert made.startswith("https://patchgap.example.org/v1/approvals/")
    assert page.engine.consent.links.read(made.rpartition("/")[2], page.engine.clock()).person == "dana"
