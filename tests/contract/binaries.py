"""A real control plane from binaries: etcd and kube-apiserver, and the controllers and scheduler where present.

Owns the processes, their flags and their credentials. Flags follow controller-runtime's envtest
(pkg/internal/testing/controlplane, Apache-2.0) and hold for Kubernetes 1.30 and later.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, MutableMapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from certificates import certificate_of, signing_key
from kubelet_player import KubeletPlayer

from integrations.rehearsal.certificates import Authority, Pair, write

_READY_WITHIN = 90.0
_STOP_WITHIN = 15.0
_QUIET_FOR = 1.0
_WATCHED = (
    "/api/v1/pods",
    "/api/v1/namespaces",
    "/api/v1/secrets",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Process:
    """One binary with its log."""

    def __init__(self, binary: Path, arguments: Sequence[str], folder: Path) -> None:
        self.name = binary.name
        self._log = folder / f"{binary.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the binaries are the tester's own
                [str(binary), *arguments], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
            )

    def wait_for(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until `ready`; raises RuntimeError with the log's end where it exits or takes too long."""
        ends = time.monotonic() + _READY_WITHIN
        while not ready():
            if self._process.poll() is not None or time.monotonic() > ends:
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
                raise RuntimeError(f"{self.name} is not ready ({what}); the end of its log:\n{tail}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask it to end, and make it where it does not."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


class BinaryControlPlane:
    """Real binaries from a folder; the suite plays the kubelet."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._authority = Authority()
        self._processes: list[_Process] = []
        self._clients: list[httpx.Client] = []
        self._player: KubeletPlayer | None = None
        self._credentials: dict[str, dict[str, str]] = {}
        self.images: MutableMapping[str, str] = {}
        self.url = ""
        self.has_controllers = (binaries / "kube-controller-manager").is_file()
        self._has_scheduler = (binaries / "kube-scheduler").is_file()
        self._tokens = {
            name: secrets.token_hex(16)
            for name in ("admin", "kubelet-player", "system:kube-controller-manager", "system:kube-scheduler")
        }

    @cached_property
    def _folder(self) -> Path:
        """Where everything of the run lies; made when it is first written to."""
        return Path(tempfile.mkdtemp(prefix="patchgap-contract-"))

    @property
    def name(self) -> str:
        """What the suite runs on, for the header."""
        parts = ["etcd", "kube-apiserver"]
        parts += ["kube-controller-manager"] if self.has_controllers else []
        parts += ["kube-scheduler"] if self._has_scheduler else []
        return f"{', '.join(parts)} from {self._binaries}"

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return self._folder / "admin.kubeconfig"

    def start(self) -> None:
        """Start everything; raises RuntimeError where a part does not come up."""
        try:
            self._start_server(self._start_etcd())
            self._write_token_kubeconfig("admin", self.kubeconfig)
            if self.has_controllers:
                self._start_controllers()
            if self._has_scheduler:
                self._start_scheduler()
            self._player = KubeletPlayer(self._client("kubelet-player"), self.images, binds=not self._has_scheduler)
            self._player.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, the last started first, and take the folder away."""
        try:
            if self._player is not None:
                self._player.stop()
        finally:
            for client in self._clients:
                client.close()
            for process in reversed(self._processes):
                process.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def add_user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a user of that name in those groups (by a client certificate)."""
        pair = certificate_of(self._authority, name, groups)
        path = self._folder / f"{secrets.token_hex(4)}.kubeconfig"
        user = {
            "client-certificate-data": base64.b64encode(pair.certificate).decode(),
            "client-key-data": base64.b64encode(pair.key).decode(),
        }
        self._credentials[name] = user
        return self._write_kubeconfig(path, name, user)

    def write_kubeconfig(self, path: Path, user: str = "admin") -> Path:
        """Write the kubeconfig of `admin` or of a user that was added; returns the path."""
        credentials = self._credentials.get(user) or {"token": self._tokens[user]}
        return self._write_kubeconfig(path, user, credentials)

    def settle(self, timeout: float = 30) -> None:
        """Wait until nothing that the controllers write has changed for a second; raises TimeoutError."""
        client, ends = self._client("admin"), time.monotonic() + timeout
        before, since = self._state(client), time.monotonic()
        while time.monotonic() - since < _QUIET_FOR:
            if time.monotonic() > ends:
                raise TimeoutError(f"the control plane did not come to rest within {timeout:g} s")
            time.sleep(0.1)
            now = self._state(client)
            if now != before:
                before, since = now, time.monotonic()

    def _state(self, client: httpx.Client) -> list[tuple[str, str]]:
        return [
            (item["metadata"]["uid"], item["metadata"]["resourceVersion"])
            for path in _WATCHED
            for item in client.get(path).raise_for_status().json()["items"]
        ]

    def _client(self, user: str) -> httpx.Client:
        context = ssl.create_default_context(cadata=self._authority.certificate.decode())
        headers = {"Authorization": f"Bearer {self._tokens[user]}"}
        client = httpx.Client(base_url=self.url, headers=headers, verify=context, timeout=10, trust_env=False)
        self._clients.append(client)
        return client

    def _start_etcd(self) -> str:
        url, peer = f"http://127.0.0.1:{_free_port()}", f"http://127.0.0.1:{_free_port()}"
        etcd = self._run(
            "etcd",
            [
                f"--data-dir={self._folder / 'etcd-data'}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                f"--listen-peer-urls={peer}",
                "--unsafe-no-fsync=true",
            ],
        )
        with httpx.Client(base_url=url, timeout=2, trust_env=False) as client:
            etcd.wait_for(lambda: _answers(client, "/health"), "/health")
        return url

    def _start_server(self, etcd: str) -> None:
        port = _free_port()
        self.url = f"https://127.0.0.1:{port}"
        serving, signing = self._authority.server(), signing_key()
        files = self._write_server_files(serving, signing)
        arguments = [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self._folder}",
            f"--tls-cert-file={files['serving.crt']}",
            f"--tls-private-key-file={files['serving.key']}",
            f"--client-ca-file={files['ca.crt']}",
            f"--token-auth-file={files['tokens.csv']}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files['accounts.pub']}",
            f"--service-account-signing-key-file={files['accounts.key']}",
        ]
        if not self.has_controllers:  # nothing would make the default service account that the plugin asks for
            arguments.append("--disable-admission-plugins=ServiceAccount")
        server = self._run("kube-apiserver", arguments)
        client = self._client("admin")
        server.wait_for(lambda: _answers(client, "/readyz"), "/readyz")

    def _write_server_files(self, serving: Pair, signing: Pair) -> dict[str, Path]:
        rows = [
            f'{self._tokens["admin"]},admin,admin,"system:masters"',
            f'{self._tokens["kubelet-player"]},kubelet-player,kubelet-player,"system:masters"',
        ]
        rows += [f"{self._tokens[name]},{name},{name}" for name in self._tokens if name.startswith("system:")]
        contents = {
            "ca.crt": self._authority.certificate,
            "serving.crt": serving.certificate,
            "serving.key": serving.key,
            "accounts.pub": signing.certificate,
            "accounts.key": signing.key,
            "tokens.csv": ("\n".join(rows) + "\n").encode(),
        }
        return {name: write(self._folder / name, content) for name, content in contents.items()}

    def _start_controllers(self) -> None:
        kubeconfig = self._folder / "kube-controller-manager.kubeconfig"
        self._write_token_kubeconfig("system:kube-controller-manager", kubeconfig)
        process = self._run(
            "kube-controller-manager",
            [
                f"--kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
                "--use-service-account-credentials=true",
                f"--root-ca-file={self._folder / 'ca.crt'}",
                f"--service-account-private-key-file={self._folder / 'accounts.key'}",
            ],
        )
        client = self._client("admin")
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        process.wait_for(lambda: _answers(client, path), "the default service account")

    def _start_scheduler(self) -> None:
        kubeconfig = self._folder / "kube-scheduler.kubeconfig"
        self._write_token_kubeconfig("system:kube-scheduler", kubeconfig)
        self._run("kube-scheduler", [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"])

    def _run(self, name: str, arguments: Sequence[str]) -> _Process:
        process = _Process(self._binaries / name, arguments, self._folder)
        self._processes.append(process)
        return process

    def _write_token_kubeconfig(self, user: str, path: Path) -> Path:
        return self._write_kubeconfig(path, user, {"token": self._tokens[user]})

    def _write_kubeconfig(self, path: Path, user: str, credentials: dict[str, Any]) -> Path:
        cluster = {
            "server": self.url,
            "certificate-authority-data": base64.b64encode(self._authority.certificate).decode(),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "contract",
            "clusters": [{"name": "contract", "cluster": cluster}],
            "contexts": [{"name": "contract", "context": {"cluster": "contract", "user": user}}],
            "users": [{"name": user, "user": credentials}],
        }
        return write(path, json.dumps(document).encode())
