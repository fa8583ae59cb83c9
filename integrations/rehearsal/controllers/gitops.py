"""A GitOps controller that argues: what was committed is applied again whenever the cluster differs, until it is paused.

Owns the reconciling of Argo CD's Applications and Flux' Kustomizations and HelmReleases, as far as an incident meets
it: which switch stops which, under which identity and manager they write, and what they report. Git is a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from integrations.rehearsal import custom
from integrations.rehearsal.controllers.work import Hands, RetryError
from integrations.rehearsal.document import Json, clone, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.resources import BY_KEY, BY_KIND, Resource
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key
from integrations.rehearsal.tokens import account_user

Owner = tuple[str, Key]  # (the resource's key, the object's key)
_HERE = "https://kubernetes.default.svc"
_SKIP = "argocd.argoproj.io/skip-reconcile"


@dataclass(frozen=True)
class _Product:
    """One kind of owner: where it lives, as whom its controller writes."""

    product: str
    resource: Resource
    namespace: str
    account: str
    manager: str


_PRODUCTS = {
    "Application": _Product(
        "argocd", BY_KEY["applications.argoproj.io"], "argocd", "argocd-application-controller", "argocd-controller"
    ),
    "Kustomization": _Product(
        "flux",
        BY_KEY["kustomizations.kustomize.toolkit.fluxcd.io"],
        "flux-system",
        "kustomize-controller",
        "kustomize-controller",
    ),
    "HelmRelease": _Product(
        "flux", BY_KEY["helmreleases.helm.toolkit.fluxcd.io"], "flux-system", "helm-controller", "helm-controller"
    ),
}


@dataclass
class _Repository:
    """What Git holds for one owner. `applied` is the revision that was last applied whole."""

    product: _Product
    documents: dict[tuple[str, Key], Json] = field(default_factory=dict)
    revision: int = 1
    applied: int = 0
    asked: bool = False  # a person asked for a sync, as `argocd app sync` does


class Gitops:
    """The controllers of both products, and the repositories that they follow."""

    def __init__(self, machine: Machine, queue: Callable[[Owner], None]) -> None:
        self._machine = machine
        self._queue = queue
        self._git: dict[Owner, _Repository] = {}
        self._hands = {
            kind: Hands(machine, p.account, user=account_user(p.namespace, p.account), manager=p.manager)
            for kind, p in _PRODUCTS.items()
        }

    def keep(self, kind: str, name: str, manifests: Iterable[Json], *, namespace: str = "", **spec: object) -> None:
        """From now on an object of that kind keeps these manifests, bearing its tracking marks. `kind` is Application,
        Kustomization or HelmRelease; `spec` replaces fields of its spec. Its product counts as installed."""
        product = _PRODUCTS[kind]
        self._machine.installed |= custom.groups_of(product.product)
        key = (namespace or product.namespace, name)
        repository = _Repository(product)
        for manifest in manifests:
            self._store(repository, key, manifest)
        self._git[product.resource.key, key] = repository
        if self._hands[kind].get("namespaces", ("", key[0])) is None:
            self._hands[kind].create("namespaces", "", {"metadata": {"name": key[0]}})
        document = {"metadata": {"name": name}, "spec": {**_spec(kind, name, repository), **spec}}
        self._hands[kind].create(product.resource.key, key[0], document)

    def commit(self, manifest: Json) -> None:
        """Git holds this manifest from now on, in each repository that holds its object."""
        located = _located(manifest)
        for owner, repository in self._git.items():
            if located in repository.documents:
                self._store(repository, owner[1], manifest)
                repository.revision += 1
                self._queue(owner)

    def sync(self, kind: str, name: str, *, namespace: str = "") -> None:
        """A person syncs an Application by hand, once, also while its automated sync is off. Flux knows no such thing:
        what is suspended must be resumed."""
        product = _PRODUCTS[kind]
        owner = (product.resource.key, (namespace or product.namespace, name))
        self._git[owner].asked = kind == "Application"
        self._queue(owner)

    def _store(self, repository: _Repository, owner: Key, manifest: Json) -> None:
        repository.documents[_located(manifest)] = _tracked(repository.product.resource.kind, owner, manifest)

    @property
    def controller(self) -> _Reconciler:
        """What the cluster runs."""
        return _Reconciler(self._git, self._hands)


class _Reconciler:
    """Looks at an owner whenever it, or what it keeps, has changed."""

    def __init__(self, git: dict[Owner, _Repository], hands: dict[str, Hands]) -> None:
        self._git = git
        self._hands = hands

    def keys(self, change: Change) -> Iterable[Owner]:
        """The owners that a change concerns."""
        where = (change.resource, change.key)
        for owner, repository in tuple(self._git.items()):
            if owner == where or where in repository.documents:
                yield owner

    def sync(self, owner: Owner) -> float | None:
        """Applies what Git holds, where nothing stops it, and reports."""
        repository = self._git[owner]
        hands = self._hands[repository.product.resource.kind]
        live = hands.get(*owner)
        if live is None or _is_still(live):
            return None
        is_new = repository.asked or repository.applied != repository.revision
        may = repository.asked or _may_apply(live, is_new=is_new)
        told = [
            self._one(hands, located, wanted, may=may, is_new=is_new)
            for located, wanted in repository.documents.items()
        ]
        failed = [why for why in told if why]
        if may and not failed:
            repository.applied, repository.asked = repository.revision, False
        self._report(hands, owner, repository, told)
        if may and failed:
            raise RetryError
        return None

    def _one(self, hands: Hands, located: tuple[str, Key], wanted: Json, *, may: bool, is_new: bool) -> str:
        """Why the object is not as Git has it; "" where it is. A new revision is applied whole, so that what it leaves out
        goes; after that, what is as Git has it is left alone."""
        resource, key = located
        if _holds(hands.get(resource, key), wanted) and not (may and is_new):
            return ""
        if not may:
            return "differs from Git"
        try:
            hands.apply(BY_KEY[resource], key, wanted)
        except ApiError as failure:
            return failure.message
        return ""

    def _report(self, hands: Hands, owner: Owner, repository: _Repository, told: Sequence[str]) -> None:
        """The owner's status, in its product's words. The revision is a number here."""
        failed = "; ".join(why for why in told if why)
        if repository.product.resource.kind == "Application":
            status: Json = {
                "sync": {"status": "OutOfSync" if failed else "Synced", "revision": str(repository.revision)},
                "resources": [
                    {**_named(d), "status": "OutOfSync" if why else "Synced"}
                    for d, why in zip(repository.documents.values(), told, strict=True)
                ],
                "conditions": [{"type": "SyncError", "message": failed}] if failed else [],
            }
        else:
            state = {"status": "False" if failed else "True", "message": failed or f"applied {repository.revision}"}
            status = {"conditions": [{"type": "Ready", **state}]}
        now = hands.get(*owner)
        if now is not None and now.get("status") != status:
            subresource = "status" if repository.product.resource.has("status") else ""
            hands.edit(owner[0], now, lambda one: one.update(status=status), subresource)


def _holds(live: object, wanted: object) -> bool:
    """Whether everything that is wanted is there, among whatever else."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return all(_holds(live.get(key), value) for key, value in wanted.items())
    if isinstance(live, list) and isinstance(wanted, list) and len(live) == len(wanted):
        return all(_holds(one, other) for one, other in zip(live, wanted, strict=True))
    return live == wanted


def _is_still(owner: Json) -> bool:
    """Whether its controller does nothing at all with it."""
    notes = owner["metadata"].get("annotations") or {}
    return bool(dig(owner, "spec", "suspend")) or notes.get(_SKIP) == "true"


def _may_apply(owner: Json, *, is_new: bool) -> bool:
    """Whether its controller applies without being asked: an Application without selfHeal does so for new commits."""
    if owner["kind"] != "Application":
        return True
    automated = dig(owner, "spec", "syncPolicy", "automated")
    if not isinstance(automated, dict) or automated.get("enabled") is False:
        return False
    return is_new or bool(automated.get("selfHeal"))


def _located(manifest: Json) -> tuple[str, Key]:
    group, _, version = manifest["apiVersion"].rpartition("/")
    resource = BY_KIND[group, version, manifest["kind"]]
    return resource.key, (manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])


def _named(document: Json) -> Json:
    group, _, version = document["apiVersion"].rpartition("/")
    meta = document["metadata"]
    named = {"version": version, "kind": document["kind"], "namespace": meta["namespace"], "name": meta["name"]}
    return {"group": group, **named} if group else named


def _tracked(kind: str, owner: Key, manifest: Json) -> Json:
    """The manifest with the marks by which its controller knows it."""
    document = clone(manifest)
    meta = document["metadata"]
    if kind == "Application":
        group = document["apiVersion"].rpartition("/")[0]
        mark = f"{owner[1]}:{group}/{document['kind']}:{meta.get('namespace', '')}/{meta['name']}"
        meta["annotations"] = {**(meta.get("annotations") or {}), "argocd.argoproj.io/tracking-id": mark}
        return document
    prefix = "helm" if kind == "HelmRelease" else "kustomize"
    marks = {f"{prefix}.toolkit.fluxcd.io/name": owner[1], f"{prefix}.toolkit.fluxcd.io/namespace": owner[0]}
    meta["labels"] = {**(meta.get("labels") or {}), **marks}
    return document


def _spec(kind: str, name: str, repository: _Repository) -> Json:
    if kind == "HelmRelease":
        chart = {"spec": {"chart": name, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
        return {"interval": "1m", "chart": chart}
    if kind == "Kustomization":
        source = {"kind": "GitRepository", "name": "fleet"}
        return {"interval": "1m", "path": f"./{name}", "prune": True, "sourceRef": source}
    spaces = [key[0] for _, key in repository.documents]
    return {
        "project": "default",
        "source": {"repoURL": "https://git.example.com/fleet", "path": name, "targetRevision": "main"},
        "destination": {"server": _HERE, "namespace": spaces[0] if spaces else ""},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }
