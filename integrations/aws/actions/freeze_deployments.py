"""freeze_deployments: nothing is deployed over the affected workloads while the incident is handled, but for their mend.

Owns what a freeze consists of: the deploying roles, denied; and the pipelines' stages that deploy, stopped. Each is a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from integrations.aws import denials, deployers, pipelines, seen
from integrations.aws.accounts import PLATFORM
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.inventory.functions import FUNCTION
from integrations.aws.pipelines import Stage
from integrations.aws.reach import account_of
from integrations.verbs import FreezeParameters, done, reach_of
from patchgap.errors import ConflictError, NotFoundError, PatchgapError
from patchgap.model.codec import digest
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

ROLE, STAGE = "Role", "PipelineStage"


@action
class FreezeDeployments:
    """Denies the roles that deploy (`deployers` of the account) to change the services and functions of the reach, and stops
    the transitions into those stages of CodePipeline that deploy them.

    A service may still be updated to a task definition that runs the incident's patched images alone, by digest. What is in a
    stage already goes on.

    Example::

        freeze_deployments:
          reach: affected_namespaces
    """

    verb: ClassVar[str] = "freeze_deployments"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unfreeze_deployments"
    permissions: ClassVar[tuple[str, ...]] = (*deployers.PERMISSIONS, *pipelines.PERMISSIONS)
    parameters: ClassVar[type[Parameters]] = FreezeParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:
        """A target a deploying role and a stage; a workload of which nobody knows how it is deployed is uncovered."""
        whole = parameters.reach == "affected_namespaces"
        for name in dict.fromkeys(w.ref.cluster for w in situation.on(PLATFORM)):
            mine = [w for w in situation.on(PLATFORM) if w.ref.cluster == name]
            held = [w for w in mine if w.ref.kind in (SERVICE, FUNCTION)]
            found = (*self._roles(name, held, situation), *self._stages(name, held, situation, whole=whole))
            yield from found
            told = {w for t in found for w in ((t.target,) if isinstance(t, Uncovered) else t.workloads)}
            for w in mine:
                if str(w.ref) not in told:
                    why = "nothing that deploys it is known: name its roles as `deployers` of the account"
                    yield Uncovered(self.verb, str(w.ref), why)

    def _roles(self, name: str, held: list[Workload], situation: Situation) -> Iterator[Target | Uncovered]:
        account, named = account_of(situation, name), tuple(str(w.ref) for w in held)
        for role in account.settings.deployers if held else ():
            try:
                found = denials.role_of(account, role)
            except PatchgapError as error:
                yield from (Uncovered(self.verb, w, f"role {role}: {error}") for w in named)
                continue
            if found["Arn"] == account.caller():
                yield from (Uncovered(self.verb, w, f"role {role} is patchgap's own") for w in named)
                continue
            yield Target(PLATFORM, name, "", ROLE, role, str(found["RoleId"]), named)

    def _stages(
        self, name: str, held: list[Workload], situation: Situation, *, whole: bool
    ) -> Iterator[Target | Uncovered]:
        account = account_of(situation, name)
        for region in dict.fromkeys(w.region for w in held):
            here = [w for w in held if w.region == region]
            try:
                for stage in pipelines.stages(account, region):
                    named = tuple(str(w.ref) for w in here if pipelines.deploys(stage, w.ref, beside=whole))
                    if named:
                        yield Target(PLATFORM, name, region, STAGE, f"{stage.pipeline}:{stage.name}", stage.uid, named)
            except PatchgapError as error:
                yield from (Uncovered(self.verb, str(w.ref), str(error)) for w in here)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:
        """The policy with what it denies, or the transition. AWS has no dry run of these calls."""
        account = account_of(situation, target.cluster)
        if target.kind == STAGE:
            stage = _stage(target, situation)
            now = pipelines.transition(account, target.namespace, stage)
            return (f"the transition into stage {stage.name} of pipeline {stage.pipeline}: {_named(now)} -> stopped",)
        denials.role_of(account, target.name, target.uid)
        wanted = _wanted(target, situation, parameters.reach)
        return tuple(
            f"role {target.name} may not {', '.join(s['Action'])} on {', '.join(s['Resource'])}"
            for s in wanted["Statement"]
        )

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """Who may become the role; or what the stage deploys, and whether anything entered it before any incident."""
        account = account_of(situation, target.cluster)
        if target.kind == ROLE:
            return seen.of_role(denials.role_of(account, target.name, target.uid))
        stage = _stage(target, situation)
        now = pipelines.transition(account, target.namespace, stage)
        entered = "running" if pipelines.found(now)["ran"] else _named(now)
        return {"transition": entered, "deploys": digest(stage.deploys)}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """How the transition was before any incident held it; nothing for a role, whose policy is the incident's own."""
        target, account = action.target, account_of(situation, action.target.cluster)
        if target.kind == STAGE:
            return pipelines.found(pipelines.transition(account, target.namespace, _stage(target, situation)))
        denials.role_of(account, target.name, target.uid)
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Stops the transition, or puts the policy; brings it up to date with the mend."""
        target, incident = intent.action.target, str(situation.incident)
        account = account_of(situation, target.cluster)
        if target.kind == STAGE:
            pipelines.hold(account, target.namespace, _stage(target, situation), incident, intent.found)
            return _receipt(intent)
        denials.role_of(account, target.name, target.uid)
        wanted = _wanted(target, situation, reach_of(intent.action))
        denials.put(account, target.name, denials.policy_name(incident, deployers.WHAT), wanted)
        return _receipt(intent)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it stands as it should now, the mend's task definitions included."""
        return None if self.differences(intent, situation) else _receipt(intent)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what stands is not that; () where it is, or where role or stage is gone."""
        target, incident = intent.action.target, str(situation.incident)
        account = account_of(situation, target.cluster)
        try:
            if target.kind == STAGE:
                now = pipelines.transition(account, target.namespace, _stage(target, situation))
                stands = incident in now.holders or not (intent.found["ran"] or now.enabled)
                return () if stands else (f"the transition into {target.name} is {_named(now)}",)
            denials.role_of(account, target.name, target.uid)
        except NotFoundError:
            return ()
        policy = denials.policy_name(incident, deployers.WHAT)
        return denials.differences(account, target.name, policy, _wanted(target, situation, reach_of(intent.action)))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Takes the policy away, or lets the transition run where this incident stopped it."""
        intent, incident = control.intent, str(situation.incident)
        target = intent.action.target
        account = account_of(situation, target.cluster)
        if target.kind == ROLE:
            return done(intent, (denials.remove(account, target.name, denials.policy_name(incident, deployers.WHAT)),))
        try:
            stage = _stage(target, situation)
        except (ConflictError, NotFoundError):
            return done(intent, (f"{target} was deleted or replaced meanwhile: there is nothing to let run",))
        return done(intent, (pipelines.let_go(account, target.namespace, stage, incident, intent.found),))


def _stage(target: Target, situation: Situation) -> Stage:
    pipeline, _, name = target.name.partition(":")
    return pipelines.stage(account_of(situation, target.cluster), target.namespace, pipeline, name, target.uid)


def _wanted(target: Target, situation: Situation, reach: str) -> dict[str, Any]:
    account = account_of(situation, target.cluster)
    held = [w for w in situation.on(PLATFORM) if str(w.ref) in target.workloads]
    mends = deployers.mends(account, held, situation.patched)
    return denials.document(*deployers.statements(held, mends, whole=reach == "affected_namespaces"))


def _named(now: pipelines.Transition) -> str:
    return "running" if now.enabled else f"stopped ({now.reason})"


def _receipt(intent: Intent) -> Receipt:
    target = intent.action.target
    if target.kind == STAGE:
        return done(intent, (f"nothing enters {target.name} from now on; what is in it already goes on",))
    return done(
        intent, (f"role {target.name} changes nothing of the reach but to the mend; IAM takes minutes to apply it",)
    )
