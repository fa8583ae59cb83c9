"""What the contract suite runs on: the rehearsal cluster, or real binaries where KUBEBUILDER_ASSETS names them.

Owns the choice and the surface that both give; the tests know nothing of which it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import MutableMapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from binaries import BinaryControlPlane

from integrations.rehearsal import RehearsalCluster

ASSETS = "KUBEBUILDER_ASSETS"
_NEEDED = ("etcd", "kube-apiserver")


class ControlPlane(Protocol):
    """A running control plane.

    `images` maps a tag's reference to its digest (`sha256:…`) for pods that name images by tag.
    `has_controllers` is False on a bare API server: no Deployment rolls out, no namespace empties itself.
    """

    images: MutableMapping[str, str]

    @property
    def name(self) -> str:
        """What it is, for the header."""

    @property
    def url(self) -> str:
        """The API server's address."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin` (group system:masters)."""

    @property
    def has_controllers(self) -> bool:
        """Whether the workload controllers run."""

    def add_user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a user; RBAC decides what it may do."""

    def write_kubeconfig(self, path: Path, user: str = "admin") -> Path:
        """Write the kubeconfig of `admin` or of a user that was added; returns the path."""

    def settle(self, timeout: float = 30) -> None:
        """Wait until the controllers have come to rest; raises TimeoutError."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Stop it and leave nothing behind."""


class RehearsalControlPlane:
    """The rehearsal cluster with the suite's surface."""

    has_controllers = True
    name = "the rehearsal cluster (set KUBEBUILDER_ASSETS to run on real binaries)"

    def __init__(self) -> None:
        self._cluster: RehearsalCluster | None = None
        self.images: MutableMapping[str, str] = {}

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        """Where the run's kubeconfigs lie; made when the first is written."""
        return tempfile.TemporaryDirectory(prefix="patchgap-contract-")

    @property
    def cluster(self) -> RehearsalCluster:
        """The cluster itself, once started; for tests of the rehearsal alone."""
        if self._cluster is None:
            raise RuntimeError("the control plane is not started; ask for the fixture `control_plane`")
        return self._cluster

    @property
    def url(self) -> str:
        """The API server's address."""
        return self.cluster.url

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin`."""
        return Path(self._folder.name) / "admin.kubeconfig"

    def add_user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a user (by a bearer token)."""
        self.cluster.add_user(name, groups)
        handle, path = tempfile.mkstemp(suffix=".kubeconfig", dir=self._folder.name)
        os.close(handle)
        return self.cluster.write_kubeconfig(Path(path), name)

    def write_kubeconfig(self, path: Path, user: str = "admin") -> Path:
        """Write a user's kubeconfig; returns the path."""
        return self.cluster.write_kubeconfig(path, user)

    def settle(self, timeout: float = 30) -> None:
        """Wait until the controllers have nothing left to do."""
        self.cluster.settle(timeout)

    def start(self) -> None:
        """Start the cluster."""
        self._cluster = RehearsalCluster.start(name="contract")
        self.images = self._cluster.images
        self._cluster.write_kubeconfig(self.kubeconfig)

    def stop(self) -> None:
        """Stop the cluster."""
        self.cluster.stop()
        self._folder.cleanup()


def chosen() -> ControlPlane:
    """The control plane that the environment asks for, not started; raises RuntimeError where it cannot be had."""
    folder = os.environ.get(ASSETS, "")
    if not folder:
        return RehearsalControlPlane()
    missing = [name for name in _NEEDED if not (Path(folder) / name).is_file()]
    if missing:
        raise RuntimeError(
            f"{ASSETS}={folder} has no {' and no '.join(missing)}; put the binaries there, or unset {ASSETS} to run "
            "on the rehearsal cluster"
        )
    return BinaryControlPlane(Path(folder).resolve())


def described() -> str:
    """What the suite runs on, or why it cannot, in one line."""
    try:
        return f"on {chosen().name}"
    except RuntimeError as failure:
        return str(failure)
