"""ECS: services and tasks that no service holds, with the digests that the tasks run.

Owns what is one workload of ECS: a service, or all tasks of one task definition family that run on their own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.reading import Reading, tags_of
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Container, ContainerRole, RunState, Workload, WorkloadRef

PERMISSIONS = (
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:DescribeTaskDefinition",
)
SERVICE, TASKS = "EcsService", "EcsTasks"
_SERVICES, _TASKS = 10, 100  # names that a describing call takes
MISSING = "MISSING"  # why ECS does not describe what is not there
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_GROUP = "service:"


def namespace_of(region: str, cluster: str) -> str:
    """The namespace of what an ECS cluster runs."""
    return f"{region}.{cluster}"


def parts_of(namespace: str) -> tuple[str, str]:
    """Region and ECS cluster of a namespace; the cluster is "" for what no ECS cluster runs."""
    region, _, cluster = namespace.partition(".")
    return region, cluster


def uid_of(service: Json) -> str:
    """What no other service has: a deleted one that is made again has the same ARN, and another time of birth."""
    made = service.get("createdAt")
    return f"{service['serviceArn']}#{made.isoformat()}" if made else str(service["serviceArn"])


def definition_of(account: Account, region: str, arn: str) -> Json:
    """The task definition."""
    found: Json = account.read("ecs", "DescribeTaskDefinition", region, taskDefinition=arn)["taskDefinition"]
    return found


@dataclass
class _Cluster:
    """One ECS cluster, with its tasks by the service or family that they belong to."""

    region: str
    arn: str
    tasks: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


class EcsReader:
    """Reads one region of an account."""

    def __init__(self, reading: Reading, region: str) -> None:
        self._reading = reading
        self._account = reading.account
        self._region = region
        self._definitions: dict[str, Json] = {}

    def workloads(self) -> Iterator[Workload]:
        """Every service, and every family of tasks that run outside of one."""
        r = self._reading
        arns = r.tried(f"ECS clusters in {self._region}", [], self._pages, "ListClusters", "clusterArns")
        for arn in arns:
            cluster = _Cluster(self._region, arn)
            r.tried(f"tasks of ECS cluster {cluster.name}", None, self._tasks, cluster)
            services = r.tried(f"services of ECS cluster {cluster.name}", [], self._services, cluster)
            for service in services:
                if service.get("status") != "INACTIVE":
                    yield self._service(cluster, service, cluster.tasks.pop(_GROUP + service["serviceName"], []))
            for group, tasks in sorted(cluster.tasks.items()):
                yield self._loose(cluster, group, tasks)

    def _pages(self, operation: str, key: str, **asked: Any) -> list[Any]:
        return list(self._account.pages("ecs", operation, key, self._region, **asked))

    def _services(self, cluster: _Cluster) -> list[Json]:
        arns = self._pages("ListServices", "serviceArns", cluster=cluster.arn)
        return list(self._described(cluster, "DescribeServices", "services", arns, _SERVICES))

    def _tasks(self, cluster: _Cluster) -> None:
        arns = self._pages("ListTasks", "taskArns", cluster=cluster.arn, desiredStatus="RUNNING")
        for task in self._described(cluster, "DescribeTasks", "tasks", arns, _TASKS):
            group = str(task.get("group") or "")
            cluster.tasks[group if group.startswith(_GROUP) else _family(task["taskDefinitionArn"])].append(task)

    def _described(self, cluster: _Cluster, operation: str, key: str, arns: Sequence[str], most: int) -> Iterator[Json]:
        """What ECS tells of these. What it neither describes nor says to be missing is unknown."""
        for start in range(0, len(arns), most):
            some = arns[start : start + most]
            asked = {"cluster": cluster.arn, key: some, "include": ["TAGS"]}
            answer = self._account.read("ecs", operation, self._region, **asked)
            yield from answer[key]
            for one in answer["failures"]:
                if one.get("reason") != MISSING:
                    self._untold(str(one.get("arn")), str(one.get("reason")))
            if len(answer[key]) + len(answer["failures"]) < len(some):
                self._untold(f"{key} of ECS cluster {cluster.name}", "ECS does not tell of each that it lists")

    def _untold(self, what: str, reason: str) -> None:
        self._reading.unknown.append(Unknown(f"account {self._account.name}: {what}", reason))

    def _definition(self, arn: str) -> Json:
        if arn not in self._definitions:
            what = f"task definition {arn.rpartition('/')[2]}"
            asked = (definition_of, self._account, self._region, arn)
            found = self._reading.tried(what, None, *asked, referred_to=True)
            self._definitions[arn] = found or {"taskDefinitionArn": arn, "containerDefinitions": []}
        return self._definitions[arn]

    def _service(self, cluster: _Cluster, service: Json, tasks: Sequence[Json]) -> Workload:
        definition = self._definition(service["taskDefinition"]) if service.get("taskDefinition") else {}
        network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        tags = {**tags_of(service.get("tags"))}
        ref = WorkloadRef(
            "aws", self._account.name, namespace_of(self._region, cluster.name), SERVICE, service["serviceName"],
            uid_of(service),
        )  # fmt: skip
        return self._workload(
            ref,
            definition,
            tags,
            (*running_containers(tasks), *self._others(service, tasks)),
            replicas=int(service.get("desiredCount") or 0),
            running=max(len(tasks), int(service.get("runningCount") or 0)),
            network=network,
        )

    def _loose(self, cluster: _Cluster, family: str, tasks: Sequence[Json]) -> Workload:
        arn = tasks[0]["taskDefinitionArn"]
        namespace = namespace_of(self._region, cluster.name)
        ref = WorkloadRef("aws", self._account.name, namespace, TASKS, family, f"{cluster.arn}#{family}")
        tags = {k: v for task in tasks for k, v in tags_of(task.get("tags")).items()}
        found = tuple(running_containers(tasks))
        return self._workload(ref, self._definition(arn), tags, found, len(tasks), len(tasks), {})

    def _workload(
        self,
        ref: WorkloadRef,
        definition: Json,
        tags: Mapping[str, str],
        containers: Sequence[Container],
        replicas: int,
        running: int,
        network: Json,
    ) -> Workload:
        r = self._reading
        return Workload(
            ref=ref,
            containers=tuple(containers),
            environment=r.environment(tags),
            region=self._region,
            replicas=replicas,
            running=running,
            privileges=r.roles.of(
                str(definition.get("taskRoleArn") or ""),
                privileged=any(c.get("privileged") for c in definition.get("containerDefinitions") or ()),
                host="host" in (definition.get("networkMode"), definition.get("pidMode"), definition.get("ipcMode")),
                added=_capabilities(definition),
            ),
            data_scope=r.data_scope(tags),
            internet_exposed=r.internet_exposed(tags, public=network.get("assignPublicIp") == "ENABLED"),
            annotations=r.annotations(
                tags,
                task_definition=str(definition.get("taskDefinitionArn") or "").rpartition("/")[2],
                security_groups=" ".join(network.get("securityGroups") or ()),
            ),
        )

    def _others(self, service: Json, tasks: Sequence[Json]) -> Iterator[Container]:
        """What the service would run and no task runs now: its own definition, and those that it can go back to."""
        runs = {task["taskDefinitionArn"] for task in tasks}
        own = str(service.get("taskDefinition") or "")
        wanted = RunState.PENDING if service.get("desiredCount") else RunState.SCALED_TO_ZERO
        held = [
            d.get("taskDefinition") for d in (*(service.get("deployments") or ()), *(service.get("taskSets") or ()))
        ]
        for arn in dict.fromkeys(str(a) for a in (own, *held) if a):
            if arn not in runs:
                yield from defined(self._definition(arn), wanted if arn == own else RunState.ROLLBACK)


def running_containers(tasks: Sequence[Json]) -> Iterator[Container]:
    """The containers of live tasks, those that run the same digest counted together."""
    counted: Counter[tuple[str, str, str, RunState]] = Counter()
    for task in tasks:
        for c in task.get("containers") or ():
            image, digest = str(c.get("image") or ""), str(c.get("imageDigest") or "")
            counted[str(c.get("name")), image, digest, _state(task, c)] += 1
    for (name, image, digest, state), pods in sorted(counted.items()):
        yield Container(name, ContainerRole.MAIN, image, digest_of(image, digest), state, pods)


def defined(definition: Json, state: RunState) -> Iterator[Container]:
    """The containers that a task definition would make."""
    for c in definition.get("containerDefinitions") or ():
        image = str(c.get("image") or "")
        yield Container(str(c.get("name")), ContainerRole.MAIN, image, digest_of(image, ""), state)


def digest_of(image: str, reported: str) -> str | Unknown:
    """The digest that ECS reports, else what the reference itself names."""
    found = _DIGEST.search(reported) or _DIGEST.search(image)
    return (
        found[0] if found else Unknown(f"image {image or '(none)'}", "the reference names no digest, and no task tells")
    )


def _state(task: Json, container: Json) -> RunState:
    if container.get("lastStatus") == "STOPPED":
        return RunState.ENDED
    return RunState.RUNNING if task.get("lastStatus") == "RUNNING" else RunState.PENDING


def _family(arn: str) -> str:
    return arn.rpartition("/")[2].partition(":")[0]


def _capabilities(definition: Json) -> list[str]:
    held = [
        (c.get("linuxParameters") or {}).get("capabilities") or {} for c in definition.get("containerDefinitions") or ()
    ]
    return [str(name) for one in held for name in one.get("add") or ()]
