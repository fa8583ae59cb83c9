"""block_artifacts: no task and no function pulls an affected image from ECR any more.

Owns which images are held back: those digests alone, so that the mend in the same repository can be pulled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from integrations.aws import images
from integrations.aws.accounts import PLATFORM
from integrations.aws.images import ACTIVE, ARCHIVED, Archive, Image, Place
from integrations.aws.reach import account_of
from integrations.digests import blocked, exposed_digests
from integrations.verbs import BlockParameters, done
from patchgap.errors import ConflictError, NotFoundError, PatchgapError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

KIND = "EcrRepository"


@action
class BlockArtifacts:
    """Puts the affected images, by digest, into ECR's archive, whence nothing can pull them.

    What runs keeps running; a task that would start with the image does not. Taking an image out again takes ECR up to 20
    minutes, and it charges 90 days of storage for each image that was archived.

    Example::

        block_artifacts:
          expires: 30d
    """

    verb: ClassVar[str] = "block_artifacts"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unblock_artifacts"
    permissions: ClassVar[tuple[str, ...]] = images.PERMISSIONS
    parameters: ClassVar[type[Parameters]] = BlockParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """A target a repository of the account; a workload whose affected image is elsewhere is uncovered."""
        served: dict[tuple[str, Place], list[str]] = {}
        for w in situation.on(PLATFORM):
            places = _places(situation, w)
            for place in places:
                if place is None or place.number != situation.identities.get(w.ref.cluster, place.number):
                    yield Uncovered(
                        self.verb, str(w.ref), "its affected image is not in an ECR registry of this account"
                    )
                else:
                    served.setdefault((w.ref.cluster, place), []).append(str(w.ref))
        for (name, place), workloads in served.items():
            named = tuple(dict.fromkeys(workloads))
            try:
                account = account_of(situation, name)
                found = images.repository(account, place.region, place.name)
                if _refused(situation) & images.images(account, place.region, found).keys():
                    yield Target(PLATFORM, name, place.region, KIND, place.name, found["uid"], named)
                    continue
                why = f"repository {place.name} holds none of the affected digests"
            except PatchgapError as error:
                why = str(error)
            yield from (Uncovered(self.verb, w, why) for w in named)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """Each image and what becomes of it. AWS has no dry run of these calls."""
        held = _held(target, situation)
        images.refuse_many(target.name, len(held))
        return tuple(f"{target.name}@{i.digest}: {i.status} -> {ARCHIVED}" for i in held.values())

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """Which affected images somebody else keeps in the archive. Those that came since are none of it: a block grows."""
        theirs = (d for d, i in _held(target, situation).items() if i.status == ARCHIVED and not i.holders)
        return {"archived": ", ".join(sorted(theirs))}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """How each image was before any incident held it, and when a person is called for the block."""
        asked = BlockParameters.model_validate(action.parameters)
        begun = next((c for c in situation.controls if c.intent.action.id == action.id), None)
        expires = (situation.clock() + asked.expires).isoformat(timespec="seconds")
        states = {d: ACTIVE if i.holders else i.status for d, i in _held(action.target, situation).items()}
        return {"expires": begun.intent.found["expires"] if begun else expires, "images": states}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts every affected image into the archive that is there by now, and takes out what was proved to be the mend. Raises
        ConflictError where somebody has taken one out; the others are held all the same."""
        target, archive = intent.action.target, _archive(intent.action.target, situation)
        held, mends = _held(target, situation), _mends(target, situation)
        images.refuse_many(target.name, len(held))
        theirs: list[ConflictError] = []
        for image in held.values():
            try:
                archive.hold(image)
            except ConflictError as error:
                theirs.append(error)
        for image in mends:
            archive.let_go(image)
        if theirs:
            raise theirs[0]
        return self._receipt(intent, _held(target, situation))

    def behind(self, control: Control, situation: Situation) -> tuple[str, ...]:
        """The affected images that came since. Empty where somebody has taken the whole block away: that is `policy_in_sync`'s to
        tell."""
        incident = str(situation.incident)
        every = _unless_gone(_every, control.intent.action.target, situation) or {}
        if not any(incident in i.holders for i in every.values()):
            return ()
        new = {d for d, i in every.items() if incident not in i.holders and i.status != ARCHIVED}
        return tuple(sorted(new & _refused(situation)))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where every affected image of the repository is in the archive."""
        held = _unless_gone(_held, intent.action.target, situation)
        if held is None:
            return done(intent, (f"{intent.action.target} is gone",))
        return None if self.differences(intent, situation) else self._receipt(intent, held)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """Which affected images can be pulled and which mends cannot; () where there are none, or no repository."""
        held = _unless_gone(_held, intent.action.target, situation)
        if held is None:
            return ()
        mends = _mends(intent.action.target, situation)
        return (*_left(held, situation), *(f"{i.digest} is the mend, and is held in the archive" for i in mends))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Takes out of the archive what this incident put there, unless another one holds it too."""
        target = control.intent.action.target
        held = _unless_gone(_every, target, situation)
        if held is None:
            return done(control.intent, (f"{target} is gone: nothing is to restore",))
        archive = _archive(target, situation)
        mine = [i for i in held.values() if str(situation.incident) in i.holders]
        said = tuple(archive.let_go(i) for i in mine)
        return done(control.intent, said or (f"nothing of {target} is held by this incident",))

    def _receipt(self, intent: Intent, held: Mapping[str, Image]) -> Receipt:
        said = tuple(f"{d} cannot be pulled" for d in sorted(held))
        return done(intent, (*said, f"expires {intent.found['expires']}"), digests=sorted(held))


def _refused(situation: Situation) -> frozenset[str]:
    return blocked(situation, exposed_digests(situation))


def _places(situation: Situation, workload: Workload) -> tuple[Place | None, ...]:
    """Where the images of the workload's exposures come from; None for one from elsewhere."""
    mine = [e for e in situation.exposures if e.workload.ref == workload.ref]
    return tuple(dict.fromkeys(images.place_of(e.container.image) for e in mine))


def _every(target: Target, situation: Situation) -> dict[str, Image]:
    """Every image of the planned repository: what was blocked may not count as affected any more. Raises NotFoundError,
    ConflictError."""
    account = account_of(situation, target.cluster)
    found = images.repository(account, target.namespace, target.name, target.uid)
    return images.images(account, target.namespace, found)


def _held(target: Target, situation: Situation) -> dict[str, Image]:
    """The affected ones of them."""
    refused = _refused(situation)
    return {d: i for d, i in _every(target, situation).items() if d in refused}


def _unless_gone(
    read: Callable[[Target, Situation], dict[str, Image]], target: Target, situation: Situation
) -> dict[str, Image] | None:
    """What it reads; None where the repository is gone with its images."""
    try:
        return read(target, situation)
    except NotFoundError:
        return None


def _mends(target: Target, situation: Situation) -> tuple[Image, ...]:
    """What this incident holds and knows for its mend by now."""
    held = _every(target, situation).values() if situation.patched else ()
    return tuple(i for i in held if i.digest in situation.patched and str(situation.incident) in i.holders)


def _archive(target: Target, situation: Situation) -> Archive:
    account = account_of(situation, target.cluster)
    arn = target.uid.partition("#")[0]
    return Archive(account, target.namespace, arn, target.name, str(situation.incident))


def _left(held: Mapping[str, Image], situation: Situation) -> tuple[str, ...]:
    incident = str(situation.incident)

    def stands(image: Image) -> bool:
        held = image.holders.get(incident) == image.restored or not image.holders
        return image.status == ARCHIVED and held

    return tuple(f"{d} is {i.status}: it is not held in the archive" for d, i in sorted(held.items()) if not stands(i))
