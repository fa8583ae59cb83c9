"""What the world of a kill is made of, a class for each platform: it is brought back to its beginning, and tells from its
own record which requests changed something and what stands.

A platform has a world once PLACES names what it needs. What an AWS verb needs besides a service and a function is in AWS.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
from kill_cluster import CLUSTER, REPOSITORY, objects
from kill_runs import RunBook

from integrations.rehearsal import RehearsalCluster
from integrations.rehearsal.rotator import Rotator
from integrations.rehearsal.tickets import TicketSink

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / "integrations" / "aws"), str(ROOT / "tests" / "integrations" / "github")]

Json = dict[str, Any]
deadline_seconds = 30.0  # of each request: these helpers share the cores with the process that is killed
ENVIRONMENT = {  # of the process that is killed
    "KILLS_GITHUB": "gh-t0ken",
    "KILLS_ROTATOR": "r0tator",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
READING = ("Describe", "Get", "List", "BatchGet", "Filter", "Head")  # AWS' operations that write nothing
_DERIVED = {"Event", "Pod", "ReplicaSet", "ControllerRevision", "Lease", "Node", "EndpointSlice", "Endpoints"}
_GENERATED = re.compile(r"/(pods|replicasets)/[^/]+")
_quoted = json.dumps


class Place(Protocol):
    """One system that actions change. Entered, it serves; `settings` is its part of patchgap.toml, with each address as
    `at` has it told to the engine."""

    at: Callable[[str], str]

    def settings(self, home: Path) -> str: ...

    def begin(self) -> None:
        """What is counted from now on."""

    def keep(self) -> None:
        """How it stands now is its beginning."""

    def reset(self) -> None:
        """Back to its beginning."""

    def effects(self) -> Counter[str]:
        """How often each request changed something."""

    def stands(self) -> Mapping[str, str]:
        """What stands, by name."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Served:
    """What serves by a server that is a context itself."""

    server: Any

    def __init__(self) -> None:
        self.at: Callable[[str], str] = str

    def begin(self) -> None:
        """Nothing is counted but what stands."""

    def keep(self) -> None:
        """Its beginning is empty."""

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)


class Kubernetes(_Served):
    """A rehearsal cluster with an affected Deployment and two others, and the rotator of the Secret that it consumes."""

    def __init__(self) -> None:
        super().__init__()
        self.server = RehearsalCluster.start(name=CLUSTER, objects=objects())
        self._rotator = Rotator(ENVIRONMENT["KILLS_ROTATOR"], self._rotated)
        self._began = 0

    def _rotated(self, asked: Json) -> None:
        """The rotator writes another value: a request like any other, so that a second one would be seen."""
        path = f"/api/v1/namespaces/{asked['namespace']}/secrets/{asked['secret']}"
        token = self.server.kubeconfig()["users"][0]["user"]["token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        value = {"data": {"password": secrets.token_hex(8)}}
        with httpx.Client(base_url=self.server.url, verify=self.server.trust(), trust_env=False, timeout=30) as client:
            client.patch(path, json=value, headers=headers).raise_for_status()

    def __enter__(self) -> Self:
        self._rotator.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rotator.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)

    def settings(self, home: Path) -> str:
        """By a kubeconfig in the home."""
        self.server.settle()
        kubeconfig = self.server.write_kubeconfig(home / "kubeconfig.yaml")
        return (
            f"[[kubernetes.clusters]]\nname = {_quoted(CLUSTER)}\nkubeconfig = {_quoted(str(kubeconfig))}\n"
            f"[kubernetes]\ntimeout_seconds = {deadline_seconds}\n"
            f"[[kubernetes.rotators]]\nname = 'own'\nsecrets = ['*/*/*']\nurl = {_quoted(self.at(self._rotator.url))}\n"
            f"token = 'env:KILLS_ROTATOR'\ntimeout_seconds = {deadline_seconds}\n"
        )

    def begin(self) -> None:
        """Requests are counted from here."""
        self.server.settle()
        self._began = len(self.server.requests)

    def keep(self) -> None:
        """Its objects with their uids."""
        self.server.settle()
        self._restore = self.server.save()

    def reset(self) -> None:
        """As kept."""
        self._rotator.keys.clear()
        self._restore()
        self.begin()

    def effects(self) -> Counter[str]:
        """Requests by method and path, with how many objects each changed."""
        self.server.settle()
        return Counter(
            f"{r.method} {_GENERATED.sub('/…', r.path)} ({r.changes})"
            for r in self.server.requests[self._began :]
            if r.mutates and r.changes
        )

    def stands(self) -> Mapping[str, str]:
        """Every object that somebody wrote."""
        return {_name(o): _content(o) for o in self.server.objects() if _counts(o)}


class Tickets(_Served):
    """People: a sink for incidents, tickets and messages."""

    def __init__(self) -> None:
        super().__init__()
        self.server = TicketSink()

    def settings(self, home: Path) -> str:  # noqa: ARG002  (the protocol's)
        """A webhook."""
        return f'[[sinks]]\nname = "tickets"\nkind = "webhook"\nurl = {_quoted(self.at(self.server.url))}\n'

    def reset(self) -> None:
        """Nobody was told anything."""
        self.server.tickets.clear()
        self.server.notes.clear()

    def effects(self) -> Counter[str]:
        """What was opened."""
        return Counter(f"ticket {t['key']}" for t in self.server.tickets)

    def stands(self) -> Mapping[str, str]:
        """What was noted on it."""
        return {f"note {key}": "" for key in self.server.notes}


class GitHub(_Served):
    """The repository that builds the affected image."""

    def __init__(self) -> None:
        from repository import Repository  # type: ignore[import-not-found]  # the tests': found by the path above

        super().__init__()
        self.server = Repository()
        self.keep()

    def settings(self, home: Path) -> str:  # noqa: ARG002  (the protocol's)
        """What it builds."""
        from repository import NAME

        return (
            f'[github]\nurl = {_quoted(self.at(self.server.url))}\ntoken = "env:KILLS_GITHUB"\n'
            f"[github.repositories]\n{_quoted(REPOSITORY)} = {_quoted(NAME)}\n"
        )

    def _held(self) -> Json:
        held = self.server
        return {"environments": held.environments, "patterns": held.patterns, "rulesets": held.rulesets}

    def keep(self) -> None:
        """Environments, branch patterns, rulesets."""
        self._kept = deepcopy(self._held())

    def reset(self) -> None:
        """As kept."""
        vars(self.server).update(deepcopy(self._kept), ids=100, writes=[])

    def effects(self) -> Counter[str]:
        """Requests that were no GET, by method and path."""
        return Counter(re.sub(r"/\d+$", "/…", f"{method} {path}") for method, path in self.server.writes)

    def stands(self) -> Mapping[str, str]:
        """Without the numbers that GitHub gives."""
        return {name: re.sub(r'"id": \d+', '"id": …', _text(value)) for name, value in self._held().items()}


@dataclass(frozen=True)
class Needs:
    """What an AWS verb needs: made in the account, and said of it in the settings."""

    made: Callable[[Any], object] = id
    account: str = ""  # lines of [[aws.accounts]]


def _keyed(estate: Any) -> None:
    """A user whose access key a secret holds."""
    iam = estate.client("iam")
    iam.create_user(UserName="checkout")
    key = iam.create_access_key(UserName="checkout")["AccessKey"]
    value = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    estate.client("secretsmanager").create_secret(Name="checkout/aws", SecretString=json.dumps(value))


def _keys(estate: Any) -> Iterator[tuple[str, Any]]:
    """Of each user its keys' states, and which of them the secret holds: the ids are others in each trial."""
    iam = estate.client("iam")
    for user in iam.list_users()["Users"]:
        name = user["UserName"]
        listed = {k["AccessKeyId"]: k["Status"] for k in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]}
        told = estate.client("secretsmanager").get_secret_value(SecretId=f"{name}/aws")["SecretString"]
        yield f"keys of {name}", (sorted(listed.values()), listed.get(json.loads(told)["AWS_ACCESS_KEY_ID"]))


AWS: Mapping[str, Needs] = {
    "block_artifacts": Needs(lambda estate: estate.repository()),
    "freeze_deployments": Needs(lambda estate: estate.role("ci-deploy"), 'deployers = ["ci-deploy"]'),
    "rotate_credentials": Needs(
        _keyed,
        "[[aws.accounts.rotations]]\nworkload = '*/EcsService/checkout'\nsecret = 'checkout/aws'\nuser = 'checkout'",
    ),
}


class Aws:
    """An account on moto's server: an ECS service and a Lambda function, made anew with the same names and ids."""

    _fresh = False

    def __init__(self, verb: str = "") -> None:
        self.at: Callable[[str], str] = str
        self._needs = AWS.get(verb, Needs())

    def __enter__(self) -> Self:
        os.environ.update(ENVIRONMENT)
        import moto_served  # half a second that no other platform need pay

        self.server = moto_served.served()
        self.reset()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The server serves the next one too."""

    def settings(self, home: Path) -> str:  # noqa: ARG002  (the protocol's)
        """The account, by its endpoint."""
        account = self.server.estate
        return (
            f"[aws]\ntimeout_seconds = {deadline_seconds}\n"
            f'[[aws.accounts]]\nname = "prod-aws"\nregions = ["{self.server.region}"]\n'
            f"endpoint = {_quoted(self.at(account.endpoint))}\n{self._needs.account}\n"
        )

    def begin(self) -> None:
        """Calls are counted from here."""
        self.server.calls.clear()
        self.server.changes.clear()

    def keep(self) -> None:
        """It is made anew instead."""

    def reset(self) -> None:
        """An account with the same ids as before."""
        if not self._fresh or not all(c.startswith(READING) for c in self.server.calls):
            self.server.anew(self._needs.made)
        self._fresh = True
        self.begin()

    def effects(self) -> Counter[str]:
        """The calls that changed something, by name. A key that was made and deleted again is none: of one whose secret died
        with the process that asked for it nobody can do more, and that none is left is seen by what stands."""
        changed = Counter(self.server.changes)
        orphans = min(changed["CreateAccessKey"], changed["DeleteAccessKey"])
        return +(changed - Counter(CreateAccessKey=orphans, DeleteAccessKey=orphans))

    def stands(self) -> Mapping[str, str]:
        """Everything that a verb may change."""
        estate = self.server.estate
        return {name: _text(value) for name, value in (*estate.facts().items(), *_keys(estate))}


class Runs(_Served):
    """Where runs of later times are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.server = RunBook()

    def settings(self, home: Path) -> str:
        """None: the process that is killed is given the scheduler, by a file beside its settings."""
        (home / "runs.url").write_text(self.at(self.server.url))
        return ""

    def reset(self) -> None:
        """No run is scheduled."""
        self.server.runs.clear()
        self.server.asked.clear()

    def effects(self) -> Counter[str]:
        """What was scheduled and cancelled."""
        return Counter(self.server.asked)

    def stands(self) -> Mapping[str, str]:
        """The runs."""
        return {key: _text(run) for key, run in self.server.runs.items()}


PLACES: Mapping[str, tuple[Callable[[str], Place], ...]] = {
    "kubernetes": (lambda _: Kubernetes(), lambda _: Tickets()),
    "tickets": (lambda _: Kubernetes(), lambda _: Tickets()),
    "github": (lambda _: Kubernetes(), lambda _: Tickets(), lambda _: GitHub()),
    "patching": (lambda _: Kubernetes(), lambda _: Tickets(), lambda _: Runs()),
    "aws": (Aws, lambda _: Tickets()),
}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _counts(stored: Json) -> bool:
    return stored["kind"] not in _DERIVED and not stored["metadata"].get("namespace", "").startswith("kube-")


def _name(stored: Json) -> str:
    meta = stored["metadata"]
    return f"{stored['kind']} {meta.get('namespace', '')}/{meta['name']}"


def _content(stored: Json) -> str:
    meta = {k: stored["metadata"].get(k) for k in ("labels", "generation", "finalizers")}
    notes = stored["metadata"].get("annotations") or {}
    meta["annotations"] = {k: v for k, v in notes.items() if not k.startswith("deployment.kubernetes.io/")}
    rest = {k: v for k, v in stored.items() if k not in ("metadata", "status", "data", "apiVersion", "kind")}
    return json.dumps({**meta, **rest}, sort_keys=True)
