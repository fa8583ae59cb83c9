"""Consent: a person's yes or no to one plan, proved to be theirs; and doing without it in an emergency.

Every way to say yes (the command line, the link of a notification, the form of a run) ends in one entry of the ledger,
bound to the plan's digest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from patchgap.errors import BadInputError, RefusedError
from patchgap.incident.approvers import Approvers
from patchgap.incident.events import Approved, Declined, GlassBroken, PersonCalled, Planned, PlanRefused
from patchgap.incident.ledger import Entry, Ledger
from patchgap.incident.links import Asked, Links
from patchgap.incident.shape import same_person, second_person
from patchgap.incident.state import ENDED, IncidentState, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, Plan, PlannedAction
from patchgap.ports import Clock
from patchgap.settings import Settings

PATH = "/v1/approvals/"  # of the receiver: what follows is a link's last part
LONGEST = timedelta(hours=12)  # that a glass stays broken
_DEFAULT = timedelta(hours=1)  # that an approval holds where no tier says how long
_DIGITS = re.compile("[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a plan. A no says why."""

    incident: IncidentId
    plan: str  # its digest
    yes: bool
    why: str = ""


@dataclass(frozen=True)
class Desk:
    """Where answers are taken. `people` may say yes, where any are named; `linked` may have a link of their own."""

    ledger: Ledger
    approvers: Approvers
    links: Links
    clock: Clock
    people: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    def by_code(self, answer: Answer, code: str) -> Approved | Declined:
        """The answer of whoever holds the code, which is spent by it. Raises RefusedError where the code is not good
        (nothing is spent), or the plan is not one that this person may answer."""
        person = self.approvers.person_of(code)
        self._may_answer(answer, person, self.ledger.read(answer.incident))
        self.approvers.spend(code, answer.incident)
        return self._record(answer, person)

    def by_form(self, answer: Answer, code: str) -> Approved | Declined:
        """As `by_code`, for a form that is stored by others as it was filled in: the code is spent even where the
        answer is refused, so that what is kept there is worth nothing."""
        try:
            return self.by_code(answer, code)
        except (RefusedError, BadInputError):
            with suppress(RefusedError):  # it was no good code
                self.approvers.spend(code, answer.incident)
            raise

    def meant(self, incident: IncidentId, digest: str) -> str:
        """The whole digest of the plan that waits for an answer, of which 8 hex digits or more may be given. Raises
        RefusedError where that plan takes no answer now, BadInputError for what names none: before a code is asked for."""
        state, entries = self._read(incident)
        return must_wait(state, entries, _whole(incident, entries, digest), self.clock()).digest

    def asked(self, incident: IncidentId) -> Asked | None:
        """The plan that waits for a yes that may still come, of whoever has a code; None where none does."""
        state, entries = self._read(incident)
        held = waits(state, entries, self.clock())
        return Asked(incident, held.digest, "", until(held, entries[state.plan_seq - 1])) if held else None

    def by_link(self, token: str, *, yes: bool, why: str = "", code: str = "") -> Approved | Declined:
        """The answer of whom the link names; one that names nobody needs a code. Raises RefusedError as `by_code`."""
        asked = self.links.read(token, self.clock())
        answer = Answer(asked.incident, asked.plan, yes, why)
        if not asked.person:
            return self.by_code(answer, code)
        self._must_be_linked(asked.person)
        self._must_be_unused(asked)
        return self._record(answer, asked.person)

    def may_have_link(self, state: IncidentState, person: str) -> bool:
        """Whether a link of their own may be made to that person: it would answer for them."""
        return _among(person, self.linked) and _is_second(state, person)

    def may_say_yes(self, state: IncidentState) -> tuple[str, ...]:
        """Who of the named approvers may: whoever did not ask for the plan."""
        return tuple(p for p in self.people if _is_second(state, p))

    def _must_be_linked(self, person: str) -> None:
        if not _among(person, self.linked):
            raise RefusedError(
                f"{person} is no approver of the settings: whoever holds a link to them would answer for them",
                "Name them under `approvers` in patchgap.toml, or use a link to nobody: it asks for a code.",
            )

    def _must_be_unused(self, asked: Asked) -> None:
        """A link to a person serves once, and for the wait that it was made in: a plan that was declined and made again
        has the same digest."""
        state, entries = self._read(asked.incident)
        held = must_wait(state, entries, asked.plan, self.clock())
        since = entries[state.plan_seq :]
        said = {e.body.approver for e in since if isinstance(e.body, Approved)}
        if asked.person in said or asked.until != until(held, entries[state.plan_seq - 1]):
            raise RefusedError(
                f"that link of {asked.person} has served already", "Ask for a new one, or answer by a code of yours."
            )

    def link(self, incident: IncidentId, person: str = "") -> str:
        """The last part of a link to the plan that waits, for that person or for whoever has a code. Raises
        RefusedError where no plan waits, or where it may not answer for that person."""
        asked = self.asked(incident)
        if asked is None:
            raise RefusedError(f"{incident} waits for nobody", f"See `patchgap incident show {incident}`.")
        if person := person.strip():
            self._must_be_linked(person)
            if not self.may_have_link(self._read(incident)[0], person):
                raise _no_second_person()
        return self.links.token(replace(asked, person=person))

    def _read(self, incident: IncidentId) -> tuple[IncidentState, tuple[Entry, ...]]:
        entries = self.ledger.read(incident)
        return fold(entries), entries

    def _may_answer(self, answer: Answer, person: str, entries: tuple[Entry, ...]) -> tuple[IncidentState, Plan]:
        state = fold(entries)
        held = must_wait(state, entries, answer.plan, self.clock())
        if answer.yes and not _is_second(state, person):
            raise _no_second_person()
        if answer.yes and self.people and not _among(person, self.people):
            raise RefusedError(
                f"{person} is no approver of the settings",
                "Ask one of `approvers` in patchgap.toml, or name them there.",
            )
        if not answer.yes and not answer.why.strip():
            raise BadInputError("a no", "it says not why", "Say why, in a sentence.")
        return state, held

    def _record(self, answer: Answer, person: str) -> Approved | Declined:
        """Recorded after just the entries that it was weighed against; what slips in between is weighed as well."""

        def weigh(entries: tuple[Entry, ...]) -> Approved | Declined:
            state, held = self._may_answer(answer, person, entries)
            if answer.yes:
                return Approved(held.digest, person, requester(state), self.clock() + holds(held))
            return Declined(held.digest, person, answer.why.strip())

        return self.ledger.append_after(answer.incident, weigh, person)


def address(settings: Settings, desk: Desk, incident: IncidentId, person: str = "") -> str:
    """The link to the plan that waits, for that person (send it to them alone) or for whoever has a code. Raises
    RefusedError where no plan waits, BadInputError where the settings do not say under which address the receiver is
    reached."""
    if not settings.webhook.url:
        raise BadInputError(
            "webhook.url", "nothing says how a person reaches the receiver", "Set it to the address that browsers use."
        )
    return settings.webhook.url.rstrip("/") + PATH + desk.link(incident, person)


def requester(state: IncidentState) -> str:
    """Who asks for the plan: who reported the signal."""
    return state.finding.signal.source


def requesters(state: IncidentState) -> tuple[str, ...]:
    """Everybody whose word the plan rests on: a signal that joined may be what made it."""
    return tuple(dict.fromkeys((requester(state), *(signal.source for signal in state.joined))))


def _is_second(state: IncidentState, person: str) -> bool:
    """Whether the plan rests on nobody's word that may be that person's."""
    return all(second_person(person, asked) for asked in requesters(state))


def holds(held: Plan) -> timedelta:
    """For how long a yes to it holds, and how long it waits for one."""
    return timedelta(seconds=held.approval.within_seconds) if held.approval else _DEFAULT


def until(held: Plan, planned: Entry) -> datetime:
    """When the wait for a yes ends as a no."""
    return planned.at + holds(held)


def waits(state: IncidentState, entries: tuple[Entry, ...], now: datetime) -> Plan | None:
    """The plan, where something of it waits for a yes that may still come."""
    held = state.plan
    if held is None or state.status in ENDED:
        return None
    if held.refusals or not any(_lacks(state, a, now) for a in held.actions):
        return None
    return None if late(state, entries, now) or state.declined else held


def _lacks(state: IncidentState, action: PlannedAction, now: datetime) -> bool:
    """Whether the action needs a yes that it has not, and is still to be done."""
    seen = state.receipt(action.id)
    released = state.releasing.get(action.id, 0) > state.plan_seq
    return not released and (seen is None or seen.outcome is not Outcome.DONE) and not state.consented(action, now)


def late(state: IncidentState, entries: tuple[Entry, ...], now: datetime) -> bool:
    """Whether the plan waited for a yes longer than its playbook allows: none came, or it expired with something left."""
    held = state.plan
    if held is None or held.approval is None or not any(_lacks(state, a, now) for a in held.actions):
        return False
    said = (a.expires_at for a in state.approvals if a.plan_digest == held.digest)
    return now > max((until(held, entries[state.plan_seq - 1]), *said))


def must_wait(state: IncidentState, entries: tuple[Entry, ...], digest: str, now: datetime) -> Plan:
    """The plan of that digest, which can be answered now. Raises RefusedError with why it cannot."""
    if state.status in ENDED:
        raise RefusedError(
            f"{state.id} is {state.status}: its plan waits for no answer", f"See `patchgap incident show {state.id}`."
        )
    held, again = state.plan, f"Plan again with `patchgap incident contain {state.id}`, and approve that plan."
    if held is None or held.digest != digest:
        raise _another_plan(state.id, digest, held)
    if held.refusals:
        raise RefusedError(f"the plan of {state.id} is refused", again, held.refusals)
    if state.declined is not None:
        raise RefusedError(f"{state.declined.who} said no to the plan of {state.id}: {state.declined.why}", again)
    if late(state, entries, now):
        raise RefusedError(f"the plan of {state.id} waited for its approval too long: the answer is no", again)
    return held


def _whole(incident: IncidentId, entries: tuple[Entry, ...], digest: str) -> str:
    """The digest of the one plan of the incident, of all that were ever made for it, that begins so."""
    given = digest.strip().rstrip("…").removeprefix("sha256:")
    if not _DIGITS.fullmatch(given):
        raise BadInputError(
            "--plan",
            f"{digest!r} is no digest of a plan, nor 8 hex digits of one",
            f"See `patchgap incident show {incident}`.",
        )
    plans = (e.body.plan for e in entries if isinstance(e.body, (Planned, PlanRefused)))
    made = {p.digest for p in plans if p is not None and p.digest.startswith(f"sha256:{given}")}
    if len(made) > 1:
        raise RefusedError(f"several plans of {incident} begin with {digest}", "Give more digits of the one you read.")
    return next(iter(made), digest)


def _no_second_person() -> RefusedError:
    return RefusedError("an approval needs another person than the requester", "Ask a second person to approve.")


def _among(person: str, named: tuple[str, ...]) -> bool:
    return any(same_person(person, one) for one in named)


def _another_plan(incident: IncidentId, digest: str, held: Plan | None) -> RefusedError:
    return RefusedError(
        f"{incident} has another plan than {digest}: {held.digest if held else 'none yet'}",
        f"Read it with `patchgap incident plan {incident}` and name that digest.",
    )


def break_glass(
    ledger: Ledger, incident: IncidentId, who: str, why: str, lasts: timedelta, now: datetime, plan: str = ""
) -> GlassBroken:
    """Does without a second person's yes for that long: to any plan of the incident, or to the one of that digest alone.
    Limits, protected objects and the kill switch stand as they do. A person is called. Raises BadInputError without a
    name, a reason or a bearable time, RefusedError for a digest that is not that of the incident's plan."""
    if not who.strip() or not why.strip():
        raise BadInputError("--why and --as", "who breaks the glass says so, and why", "Give both in words.")
    if not timedelta(0) < lasts <= LONGEST:
        raise BadInputError(
            "--for", "it is not within 12 hours", "Break it for as long as the work takes, such as 30m."
        )
    entries = ledger.read(incident)
    held, plan = fold(entries).plan, _whole(incident, entries, plan) if plan else ""
    if plan and (held is None or held.digest != plan):
        raise _another_plan(incident, plan, held)
    body = GlassBroken(who=who.strip(), why=why.strip(), expires_at=now + lasts, plan_digest=plan)
    ledger.append(incident, body, who.strip())
    of = f" for plan {plan} alone" if plan else ", for any plan of it"
    told = f"{body.who} broke the glass of {incident}{of}, until {body.expires_at:%Y-%m-%d %H:%M} UTC: {body.why}"
    ledger.append(incident, PersonCalled(why=told), who.strip())
    return body
