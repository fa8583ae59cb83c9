"""block_artifacts: no affected image is started again, anywhere in the clusters of the scope.

Owns what a block refuses, its expiry, and the proof that the API server denies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.digests import blocked, exposed_digests
from integrations.kubernetes import admission, block_parameters, proof, standing
from integrations.kubernetes.block_parameters import Live
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import PLATFORM, cluster_of, settings_of
from integrations.kubernetes.resources import POLICIES
from integrations.verbs import BlockParameters, done
from patchgap.errors import UnreachableError
from patchgap.model.exposure import repository_of
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

EXPIRES = "patchgap.dev/expires"
_NAMED = 20  # of what is new, in a receipt
_WRITES = ("CREATE", "UPDATE")
_BLOCKED = (
    f"({admission.by_digest('digest')}) || (!i.contains('@')"
    " && ('namespace.' + request.namespace) in params.data"
    " && params.data.exists(r, r.startsWith('repository.')"
    " && (i == params.data[r] || i.startsWith(params.data[r] + ':'))))"
)
_MORE = (  # an image that stands as often as it did is not what this write brings in
    "variables.images.filter(a, a == i).size() > variables.oldImages.filter(b, b == i).size()"
)
_VARIABLES = (
    *admission.IMAGES,
    ("refused", f"variables.images.filter(i, ({_MORE}) && ({_BLOCKED}))"),
)
_RULES = (
    admission.rule("", _WRITES, "pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"),
    admission.rule("apps", _WRITES, "deployments", "statefulsets", "daemonsets", "replicasets"),
    admission.rule("batch", _WRITES, "jobs", "cronjobs"),
)


@action
class BlockArtifacts:
    """Refuses the affected images, by digest, in every workload of the cluster, and proves it by a dry run.

    In the affected workloads' namespaces an image of an affected repository must also be named by digest.
    What runs keeps running; an update that leaves the images as they are is admitted.

    Example::

        block_artifacts:
          expires: 30d
    """

    verb: ClassVar[str] = "block_artifacts"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unblock_artifacts"
    permissions: ClassVar[tuple[str, ...]] = (
        *admission.PERMISSIONS,
        *standing.HOME_PERMISSIONS,
        *proof.PERMISSIONS,
    )
    parameters: ClassVar[type[Parameters]] = BlockParameters

    def targets(
        self,
        parameters: BlockParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """A target a cluster of the scope; a workload is uncovered where no digest of it is known."""
        name = policy_name(situation.incident)
        for cluster in dict.fromkeys(w.ref.cluster for w in situation.on(PLATFORM)):
            served = [w for w in situation.on(PLATFORM) if w.ref.cluster == cluster]
            named = tuple(str(w.ref) for w in served)
            if not blocked(situation, exposed_digests(situation)):
                yield from (Uncovered(self.verb, n, "no digest of the affected images is known") for n in named)
                continue
            yield Target(PLATFORM, cluster, "", POLICIES.kind, name, "", named)

    def preview(self, parameters: BlockParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """The objects that would be made, and how much they would refuse."""
        found = _found(parameters, target, situation)
        cluster = cluster_of(situation, target.cluster)
        count = len(wanted(_live(cluster, situation, target), situation, found))
        said = f"{count} image digest(s) refused in every namespace but {', '.join(_exempt(situation))}"
        return (said, *standing.preview(cluster, _with_home(cluster, situation, target, found)))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """When the block expires, and the namespaces and repositories that it is about. One that stands and grows
        expires when it did."""
        found = _found(BlockParameters.model_validate(action.parameters), action.target, situation)
        begun = next((c for c in situation.controls if c.intent.action.id == action.id), None)
        return {**found, "expires": begun.intent.found["expires"]} if begun else found

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy, or brings its digests up to date, and proves it. Raises UnreachableError where the API
        server does not deny the image within 15 s: the policy is in place then, but not proved."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        before = _live(cluster, situation, target)
        objects = standing.put(cluster, _with_home(cluster, situation, target, intent.found))
        proofs = proof.awaited(cluster, target.name, list(intent.found["asked"].items()), proof.WAIT)
        if unproved := [p.said for p in proofs if not p.holds]:
            raise UnreachableError(
                f"cluster {cluster.name}: the block is in place but not proved: {unproved[0]}",
                "Run the step again; the policy may not be loaded yet.",
            )
        return _receipt(intent, objects, proofs, situation, before)

    def behind(self, control: Control, situation: Situation) -> tuple[str, ...]:
        """The digests that are to be refused by now and are not yet. Empty where the block was taken away or emptied by
        someone: that is `policy_in_sync`'s to tell, and nobody's to undo unasked."""
        target = control.intent.action.target
        live = _live(cluster_of(situation, target.cluster), situation, target)
        if not live.digests:
            return ()
        return tuple(sorted(wanted(live, situation, control.intent.found) - live.digests))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands as it should now and the API server denies the image."""
        if self.differences(intent, situation):
            return None
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        proofs = proof.awaited(cluster, target.name, list(intent.found["asked"].items()), 0)
        objects = self.made(intent, situation)
        before = _live(cluster, situation, target)
        return _receipt(intent, objects, proofs, situation, before) if all(p.holds for p in proofs) else None

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from what this control wants; () where it does not."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        return standing.differences(cluster, _manifests(cluster, situation, target, intent.found))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Deletes the policy that was made, and nothing else."""
        cluster = cluster_of(situation, control.intent.action.target.cluster)
        made = control.receipt.result.get("objects") or self.made(control.intent, situation)
        return done(control.intent, standing.remove(cluster, made))

    def made(self, intent: Intent, situation: Situation) -> tuple[dict[str, str], ...]:
        """What is there of it now, also of one that was cut off."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        return standing.stand(cluster, _manifests(cluster, situation, target, intent.found))


def policy_name(incident: str) -> str:
    """The name of an incident's block in each cluster."""
    return standing.object_name(incident, "block")


def wanted(live: Live, situation: Situation, found: Mapping[str, Any]) -> frozenset[str]:
    """What a block is to refuse: also what it refuses already, though the graph should not know it any more. Only a proved
    mend is let in."""
    return blocked(situation, found["digests"]) | (live.digests - situation.patched)


def _live(cluster: Cluster, situation: Situation, target: Target) -> Live:
    return block_parameters.live(cluster, settings_of(situation).namespace, target.name, situation.incident)


def _found(parameters: BlockParameters, target: Target, situation: Situation) -> dict[str, Any]:
    """What the policy is made from besides the digests, kept so that a later look compares with the same."""
    served = [w for w in situation.on(PLATFORM) if w.ref.cluster == target.cluster]
    asked: dict[str, str] = {}
    for workload in served:
        asked.setdefault(workload.ref.namespace, _asked_image(workload, situation))
    return {
        "expires": (situation.clock() + parameters.expires).isoformat(timespec="seconds"),
        "repositories": sorted(_repositories(situation)),
        "asked": asked,
        "digests": sorted(exposed_digests(situation)),
    }


def _exempt(situation: Situation) -> tuple[str, ...]:
    return "kube-system", settings_of(situation).namespace


def _receipt(
    intent: Intent,
    objects: tuple[dict[str, str], ...],
    proofs: tuple[proof.Proof, ...],
    situation: Situation,
    before: Live,
) -> Receipt:
    exempt = ", ".join((*_exempt(situation), *situation.connections.settings.protect.namespaces))
    now = wanted(before, situation, intent.found)
    more = sorted(now - before.digests) if before.digests else []
    named = ", ".join([*more[:_NAMED], *([f"and {len(more) - _NAMED} more"] if len(more) > _NAMED else [])])
    grown = (f"{len(more)} digests more than before: {named}",) if more else ()
    return done(
        intent,
        (*(p.said for p in proofs), *grown, f"{exempt} are outside the block", f"expires {intent.found['expires']}"),
        objects=list(objects),
        proof=[{"image": p.image, "namespace": p.namespace, "denied": p.holds} for p in proofs],
        expires=intent.found["expires"],
        digests=len(now),
    )


def _asked_image(workload: Workload, situation: Situation) -> str:
    refused = blocked(situation, exposed_digests(situation))
    for c in workload.containers:
        if isinstance(c.digest, str) and c.digest in refused:
            return f"{repository_of(c.image)}@{c.digest}"
    return f"proof.patchgap.invalid/affected@{min(refused)}"


def _repositories(situation: Situation) -> set[str]:
    """Affected repositories as a manifest may write them."""
    found = {e.artifact.repository for e in situation.exposures if e.artifact.repository}
    found |= {repository_of(e.container.image) for e in situation.exposures if repository_of(e.container.image)}
    for long in [r for r in found if r.startswith("docker.io/")]:
        found |= {long.removeprefix("docker.io/"), long.removeprefix("docker.io/library/")}
    return {r for r in found if not r.startswith("sha256")}


def _with_home(
    cluster: Cluster, situation: Situation, target: Target, found: Mapping[str, Any]
) -> tuple[Mapping[str, Any], ...]:
    namespace = settings_of(situation).namespace
    home = standing.home(cluster, namespace, situation.owner)
    return (*home, *_manifests(cluster, situation, target, found))


def _manifests(
    cluster: Cluster, situation: Situation, target: Target, found: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    live = _live(cluster, situation, target)
    data, shards = block_parameters.of(wanted(live, situation, found), live)
    incident = situation.incident
    said = f"image blocked by incident {incident}"
    outside = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(_exempt(situation))}
    return admission.Policy(
        name=target.name,
        namespace=settings_of(situation).namespace,
        labels=standing.labels(incident, situation.owner),
        annotations={EXPIRES: found["expires"]},
        data={
            **data,
            **admission.entries("repository", found["repositories"]),
            **{f"namespace.{name}": name for name in sorted(found["asked"])},
        },
        rules=_RULES,
        variables=_VARIABLES,
        expression="variables.refused.size() == 0",
        message=said,
        message_expression=f"'{said}: ' + variables.refused[0]",
        selector={"matchExpressions": [outside]},
        beyond=situation.connections.settings.protect.namespaces,
        shards=shards,
    ).manifests()
