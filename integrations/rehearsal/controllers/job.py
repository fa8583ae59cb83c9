"""Jobs: pods that run to their end.

Owns a Job's pods, their tracking finalizer and the Job's end. How a pod ends is the kubelet's
(`rehearsal.patchgap.io/finish` on the template). CronJobs are kept but make no Jobs of themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.templates import pod_from
from integrations.rehearsal.controllers.work import Hands, RetryError, is_active, is_ready, own_and_owner
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key

_JOBS = "jobs.batch"
_TRACKED = "batch.kubernetes.io/job-tracking"


def _phase(pod: Json) -> str:
    return str(dig(pod, "status", "phase") or "")


class Jobs:
    """The Job controller."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "job-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A Job's own changes and those of its pods."""
        return own_and_owner(change, _JOBS, "Job") if change.resource in (_JOBS, "pods") else ()

    def sync(self, key: Key) -> float | None:
        """Count ended pods, start what is missing, and end the Job when it is done."""
        live = self._hands.get(_JOBS, key)
        if live is None:
            self._let_go(key)
            return None
        status = dict(live.get("status") or {})
        self._count(live, status)
        failure: ApiError | None = None
        if not _ended(status) and not live["metadata"].get("deletionTimestamp"):
            self._judge(live, status)
            failure = self._run(live, status)
        live = self._hands.get(_JOBS, key)
        if live is not None:
            self._hands.set_status(_JOBS, live, self._counted(live, status))
        if failure is not None:
            raise RetryError(str(failure))
        return None

    def _let_go(self, key: Key) -> None:
        """Release pods whose Job is gone, so that they can be deleted."""
        for pod in self._hands.storage.all("pods", key[0]):
            labels = pod["metadata"].get("labels") or {}
            if labels.get("job-name") == key[1] and pod["metadata"].get("deletionTimestamp"):
                self._release(pod)

    def _count(self, live: Json, status: Json) -> None:
        for pod in self._hands.owned("pods", live):
            if _TRACKED not in (pod["metadata"].get("finalizers") or ()):
                continue
            name = {"Succeeded": "succeeded", "Failed": "failed"}.get(_phase(pod))
            if name is None and pod["metadata"].get("deletionTimestamp"):
                name = "failed" if not live["metadata"].get("deletionTimestamp") else ""
            if name is not None:
                if name:
                    status[name] = status.get(name, 0) + 1
                self._release(pod)

    def _release(self, pod: Json) -> None:
        def edit(one: Json) -> None:
            left = [name for name in one["metadata"].get("finalizers") or () if name != _TRACKED]
            one["metadata"].pop("finalizers", None)
            if left:
                one["metadata"]["finalizers"] = left

        if _TRACKED in (pod["metadata"].get("finalizers") or ()):
            self._hands.edit("pods", pod, edit)

    def _judge(self, live: Json, status: Json) -> None:
        """End the Job where enough pods succeeded or too many failed."""
        spec, now = live["spec"], self._hands.world.now()
        wanted = spec.get("completions") or 1
        if status.get("succeeded", 0) >= wanted:
            status["conditions"] = [
                _condition(
                    "SuccessCriteriaMet", now, "CompletionsReached", "Reached expected number of succeeded pods"
                ),
                _condition("Complete", now, "CompletionsReached", "Reached expected number of succeeded pods"),
            ]
            status["completionTime"] = now
            self._hands.event(live, "Completed", "Job completed")
        elif status.get("failed", 0) > spec["backoffLimit"]:
            words = "Job has reached the specified backoff limit"
            status["conditions"] = [
                _condition("FailureTarget", now, "BackoffLimitExceeded", words),
                _condition("Failed", now, "BackoffLimitExceeded", words),
            ]
            self._hands.event(live, "BackoffLimitExceeded", words, "Warning")

    def _run(self, live: Json, status: Json) -> ApiError | None:
        spec, now = live["spec"], self._hands.world.now()
        active = [pod for pod in self._hands.owned("pods", live) if is_active(pod)]
        if spec.get("suspend"):
            for pod in active:
                self._hands.delete("pods", pod)
            status["conditions"] = [_condition("Suspended", now, "JobSuspended", "Job suspended")]
            return None
        status.setdefault("startTime", now)
        wanted = 0
        if not _ended(status):
            left = (spec.get("completions") or spec["parallelism"]) - status.get("succeeded", 0)
            wanted = min(spec["parallelism"], left)
        for pod in active[max(0, wanted) :]:
            self._hands.delete("pods", pod)
        for _ in range(wanted - len(active)):
            try:
                self._create(live)
            except ApiError as refused:
                self._hands.event(live, "FailedCreate", f"Error creating: {refused.message}", "Warning")
                return refused
        return None

    def _create(self, live: Json) -> None:
        document = pod_from(live, live["spec"]["template"])
        document["metadata"]["finalizers"] = [_TRACKED]
        pod = self._hands.create("pods", live["metadata"]["namespace"], document)
        self._hands.event(live, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _counted(self, live: Json, status: Json) -> Json:
        pods = self._hands.owned("pods", live)
        active = [pod for pod in pods if is_active(pod)]
        status |= {
            "terminating": sum(1 for pod in pods if pod["metadata"].get("deletionTimestamp")),
            "uncountedTerminatedPods": {},
            "ready": sum(1 for pod in active if is_ready(pod)),
        }
        status.pop("active", None)
        return status | ({"active": len(active)} if active else {})


def _ended(status: Json) -> bool:
    return any(
        one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in status.get("conditions") or ()
    )


def _condition(kind: str, now: str, reason: str, message: str) -> Json:
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
