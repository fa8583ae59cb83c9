"""What a workload runs, would run, and could roll back to: its containers, replicas and running pods.

Owns the run states of templates (scheduled, at zero, rollback); pods' own states are images.py's. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from integrations.kubernetes.images import has_ended, of_pod, of_template
from integrations.kubernetes.inventory.families import Family
from integrations.kubernetes.resources import Json, pod_template
from patchgap.model.workload import Container, RunState


def live_pods(family: Family) -> list[Json]:
    """The pods that have not ended; one that is being deleted runs until it is gone."""
    return [p for p in family.pods if not has_ended(p)]


def running(family: Family) -> int:
    """How many pods run now."""
    return sum((p.get("status") or {}).get("phase") == "Running" for p in family.pods)


def replicas(family: Family) -> int:
    """What is asked for: replicas, a DaemonSet's nodes, a Job's parallelism while it is not over."""
    head, kind = family.head, family.head["kind"]
    spec, status = head.get("spec") or {}, head.get("status") or {}
    if kind in {"Deployment", "StatefulSet", "ReplicaSet"}:
        return int(spec.get("replicas", 1))
    if kind == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    if kind == "Job":
        return 0 if is_over(head) or spec.get("suspend") else int(spec.get("parallelism", 1))
    return len(live_pods(family))


def is_over(job: Json) -> bool:
    """Whether a Job has completed or failed."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)


def containers(family: Family) -> tuple[Container, ...]:
    """One entry a container, image, digest and state, `pods` counting those that have it."""
    seen: dict[Container, int] = {}
    for pod in family.pods:
        for c in of_pod(pod):
            key = replace(c, pods=0)
            seen[key] = seen.get(key, 0) + 1
    live = {(c.name, c.role, c.image) for c in seen if c.state is not RunState.ENDED}
    for c in _templates(family):
        if c.state is RunState.PENDING and (c.name, c.role, c.image) in live:
            continue  # its pods tell more than the template does
        seen.setdefault(c, 0)
    return tuple(replace(c, pods=n) for c, n in seen.items())


def _templates(family: Family) -> Iterator[Container]:
    head = family.head
    if head["kind"] == "Pod":
        return
    current = list(of_template(pod_template(head), _template_state(family)))
    yield from current
    held = {(c.name, c.role, c.image) for c in current}
    for old in family.replica_sets:
        # One that is not at zero makes pods again, also where none of them is there at this moment.
        state = RunState.PENDING if (old.get("spec") or {}).get("replicas", 1) else RunState.ROLLBACK
        yield from (c for c in of_template(pod_template(old), state) if (c.name, c.role, c.image) not in held)
    for revision in family.revisions:
        template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
        earlier = of_template(template, _revision_state(family, revision))
        yield from (c for c in earlier if (c.name, c.role, c.image) not in held)
    for job in family.jobs:
        if not is_over(job):
            yield from of_template(pod_template(job), _job_state(job))


def _revision_state(family: Family, revision: Json) -> RunState:
    """An earlier template is a rollback target; the one that a partitioned roll-out still makes pods of is more."""
    status = family.head.get("status") or {}
    current, update = status.get("currentRevision"), status.get("updateRevision")
    is_made = revision["metadata"]["name"] == current and current != update and replicas(family)
    return RunState.PENDING if is_made else RunState.ROLLBACK


def _template_state(family: Family) -> RunState:
    if family.head["kind"] == "CronJob":
        return RunState.SCHEDULED
    if family.head["kind"] == "Job":
        return _job_state(family.head)
    return RunState.PENDING if replicas(family) else RunState.SCALED_TO_ZERO


def _job_state(job: Json) -> RunState:
    if is_over(job):
        return RunState.ENDED
    return RunState.SCHEDULED if (job.get("spec") or {}).get("suspend") else RunState.PENDING
