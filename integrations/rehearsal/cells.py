"""What a real server prints of an object in a table's cells; restates Kubernetes' own printers
(pkg/printers/internalversion). No cell holds a Secret's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from integrations.rehearsal.document import Json, dig

NONE = "<none>"
_S, _M, _H, _D = (1, "s"), (60, "m"), (3600, "h"), (86400, "d")
_AGES = (  # below so many seconds, in these units
    (120, (_S,)),
    (600, (_M, _S)),
    (3 * 3600, (_M,)),
    (8 * 3600, (_H, _M)),
    (48 * 3600, (_H,)),
    (192 * 3600, (_D, _H)),
    (float("inf"), (_D,)),
)
_EXPRESSED = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}


def printed_age(seconds: float) -> str:
    """A duration: its largest unit, and the next while that says something."""
    left = max(0, int(seconds))
    units = next(units for below, units in _AGES if left < below)
    told: list[str] = []
    for length, unit in units:
        much, left = divmod(left, length)
        told += [f"{much}{unit}"] if much or not told else []
    return "".join(told)


def since(stamp: str | None, now: float) -> str:
    """How long ago that was."""
    return printed_age(now - datetime.fromisoformat(stamp).timestamp()) if stamp else "<unknown>"


def labels(found: Mapping[str, str] | None) -> str:
    """Labels, by their keys."""
    return ",".join(f"{key}={value}" for key, value in sorted((found or {}).items())) or NONE


def selected(selector: Json | None) -> str:
    """A LabelSelector in a query's words."""
    selector = selector or {}
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        values = ",".join(sorted(one.get("values") or ()))
        terms.append((one["key"], _EXPRESSED[one["operator"]].format(one["key"], values)))
    return ",".join(text for _, text in sorted(terms)) or NONE


def each(key: str, *path: str) -> Callable[[Json], str]:
    """That key of each container of the pod's specification under `path`."""
    return lambda item: ",".join(one[key] for one in dig(item, *path, "spec", "containers") or ())


def subjects(kind: str) -> Callable[[Json], str]:
    """Whom a binding of roles names, of one kind."""
    account = kind == "ServiceAccount"

    def named(item: Json) -> Iterable[str]:
        of_kind = (s for s in item.get("subjects") or () if s["kind"] == kind)
        return (f"{s.get('namespace', '')}/{s['name']}" if account else s["name"] for s in of_kind)

    return lambda item: ", ".join(named(item))


def replicas(item: Json) -> str:
    """The ready ones of those that are wanted."""
    return f"{dig(item, 'status', 'readyReplicas') or 0}/{dig(item, 'spec', 'replicas') or 0}"


def _condition(item: Json, kind: str) -> str:
    found = [c["status"] for c in dig(item, "status", "conditions") or () if c["type"] == kind]
    return str(found[0]) if found else ""


def node_status(node: Json) -> str:
    """Whether it is ready, and takes pods."""
    ready = {"True": "Ready", "": "Unknown"}.get(_condition(node, "Ready"), "NotReady")
    return f"{ready},SchedulingDisabled" if dig(node, "spec", "unschedulable") else ready


def node_roles(node: Json) -> str:
    """By its labels."""
    start = "node-role.kubernetes.io/"
    keys = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(start) for key in keys if key.startswith(start))) or NONE


def node_address(kind: str) -> Callable[[Json], str]:
    """Its address of that kind."""
    return lambda node: next((a["address"] for a in dig(node, "status", "addresses") or () if a["type"] == kind), NONE)


def job_status(job: Json) -> str:
    """How it stands, in a word."""
    for kind in ("Complete", "Failed"):
        if _condition(job, kind) == "True":
            return kind
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    kinds = ("Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((kind for kind in kinds if _condition(job, kind) == "True"), "Running")


def completions(job: Json) -> str:
    """The completed pods of those that are wanted."""
    done, wanted = dig(job, "status", "succeeded") or 0, dig(job, "spec", "completions")
    at_once = dig(job, "spec", "parallelism") or 0
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {at_once}" if at_once > 1 else f"{done}/1"


def lasted(job: Json, now: float) -> str:
    """How long it took, or takes by now."""
    began, ended = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    return since(began, datetime.fromisoformat(ended).timestamp() if ended else now) if began else ""


def last_schedule(job: Json, now: float) -> str:
    """How long ago a CronJob was last due."""
    at = dig(job, "status", "lastScheduleTime")
    return since(at, now) if at else NONE


def external(service: Json) -> str:
    """The addresses that it has outside of the cluster."""
    if dig(service, "spec", "type") == "ExternalName":
        return str(dig(service, "spec", "externalName"))
    lent = [one.get("ip") or one.get("hostname", "") for one in dig(service, "status", "loadBalancer", "ingress") or ()]
    found = [*lent, *(dig(service, "spec", "externalIPs") or ())]
    return ",".join(found) or ("<pending>" if dig(service, "spec", "type") == "LoadBalancer" else NONE)


def ports(service: Json) -> str:
    """Its ports, with the nodes' where it has them."""

    def told(port: Json) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"

    return ",".join(told(port) for port in dig(service, "spec", "ports") or ()) or NONE


def _statuses(pod: Json) -> list[Json]:
    return dig(pod, "status", "containerStatuses") or []


def pod_ready(pod: Json) -> str:
    """Its ready containers of all."""
    return f"{sum(1 for one in _statuses(pod) if one.get('ready'))}/{len(pod['spec']['containers'])}"


def pod_restarts(pod: Json) -> str:
    """How often its containers were started again."""
    return str(sum(int(one.get("restartCount", 0)) for one in _statuses(pod)))


def pod_status(pod: Json) -> str:
    """How it stands, in a word."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for one in _statuses(pod):
        reason = dig(one, "state", "waiting", "reason") or dig(one, "state", "terminated", "reason")
        if reason:
            return str(reason)
    return str(dig(pod, "status", "phase"))


def event_object(event: Json) -> str:
    """What an event is about."""
    about = event["involvedObject"]
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def event_seen(first: str) -> Callable[[Json, float], str]:
    """How long ago it was seen, by that field or what stands in for it."""
    return lambda event, now: since(event.get(first) or event.get("firstTimestamp") or event.get("eventTime"), now)


def controller(item: Json) -> str:
    """What controls it."""
    owners = (o for o in item["metadata"].get("ownerReferences") or () if o.get("controller"))
    return next((f"{o['kind'].lower()}.{o['apiVersion'].partition('/')[0]}/{o['name']}" for o in owners), NONE)


def parameter_kind(policy: Json) -> str:
    """The kind of an admission policy's parameters."""
    kind = dig(policy, "spec", "paramKind")
    return f"{kind['apiVersion']}/{kind['kind']}" if kind else "<unset>"


def parameter(binding: Json) -> str:
    """The parameters that a binding of an admission policy names."""
    named = dig(binding, "spec", "paramRef") or {}
    if named.get("name"):
        return "/".join(filter(None, (named.get("namespace", ""), named["name"])))
    return selected(named["selector"]) if named.get("selector") else "<unset>"


def whole(*path: str, otherwise: Any) -> Callable[[Json], Any]:
    """What stands there, also 0."""
    return lambda item: found if (found := dig(item, *path)) is not None else otherwise
