"""Lambda: functions with the image or the zip that they run, of each version that can be invoked, and their layers.

Owns which digest speaks for a function: its image's, or the SHA-256 of its zip.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.ecs import digest_of
from integrations.aws.inventory.reading import Reading
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Container, ContainerRole, RunState, Workload, WorkloadRef

PERMISSIONS = (
    "lambda:ListFunctions",
    "lambda:GetFunction",
    "lambda:GetFunctionConcurrency",
    "lambda:ListVersionsByFunction",
    "lambda:ListAliases",
    "lambda:GetLayerVersion",
)
FUNCTION = "LambdaFunction"
LATEST = "$LATEST"
_SHA256 = 32  # bytes


class FunctionReader:
    """Reads one region of an account."""

    def __init__(self, reading: Reading, region: str) -> None:
        self._reading = reading
        self._account = reading.account
        self._region = region
        self._layers: dict[str, str | Unknown] = {}

    def workloads(self) -> Iterator[Workload]:
        """Every function."""
        what = f"Lambda functions in {self._region}"
        for listed in self._reading.tried(what, [], self._pages, "ListFunctions", "Functions"):
            name = str(listed["FunctionName"])
            got = self._reading.tried(f"Lambda function {name}", {}, self._function, name)
            yield self._workload(listed, got)

    def _pages(self, operation: str, key: str, **asked: Any) -> list[Any]:
        return list(self._account.pages("lambda", operation, key, self._region, **asked))

    def _function(self, name: str, version: str = "") -> Json:
        qualified = {"Qualifier": version} if version else {}
        return self._account.read("lambda", "GetFunction", self._region, FunctionName=name, **qualified)

    def _workload(self, listed: Json, got: Json) -> Workload:
        r, name, tags = self._reading, str(listed["FunctionName"]), dict(got.get("Tags") or {})
        what = f"concurrency of Lambda function {name}"
        allowed = r.tried(what, None, concurrency, self._account, self._region, name)
        state = RunState.SCALED_TO_ZERO if allowed == 0 else RunState.RUNNING
        runs = 0 if allowed == 0 else 1
        groups = (listed.get("VpcConfig") or {}).get("SecurityGroupIds") or ()
        return Workload(
            ref=WorkloadRef("aws", self._account.name, self._region, FUNCTION, name, str(listed["FunctionArn"])),
            containers=tuple(self._containers(listed, got, state)),
            environment=r.environment(tags),
            region=self._region,
            replicas=runs,
            running=runs,
            privileges=r.roles.of(str(listed.get("Role") or "")),
            data_scope=r.data_scope(tags),
            internet_exposed=r.internet_exposed(tags, public=False),
            annotations=r.annotations(tags, security_groups=" ".join(groups)),
        )

    def _containers(self, listed: Json, got: Json, state: RunState) -> Iterator[Container]:
        name = str(listed["FunctionName"])
        yield self._code(listed, got, LATEST, state)
        yield from self._layered(listed, state)
        versions = self._reading.tried(f"versions of Lambda function {name}", [], self._versions, name)
        published = [v for v in versions if v.get("Version") != LATEST]
        named = self._aliased(name, published) if published else set()
        for version in published:
            held = state if version["Version"] in named else RunState.ROLLBACK
            is_image = version.get("PackageType") == "Image"
            what, number = f"version {version['Version']} of Lambda function {name}", str(version["Version"])
            image = self._reading.tried(what, {}, self._function, name, number) if is_image else {}
            yield self._code(version, image, number, held)
            yield from self._layered(version, held)

    def _versions(self, name: str) -> list[Any]:
        return self._pages("ListVersionsByFunction", "Versions", FunctionName=name)

    def _aliases(self, name: str) -> list[Any]:
        return self._pages("ListAliases", "Aliases", FunctionName=name)

    def _aliased(self, name: str, published: Sequence[Json]) -> set[str]:
        """The versions that an alias invokes; every one where aliases may not be read."""
        listed = self._reading.tried(f"aliases of Lambda function {name}", None, self._aliases, name)
        if listed is None:
            return {str(v["Version"]) for v in published}
        weights = [(a.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {} for a in listed]
        return {str(a["FunctionVersion"]) for a in listed} | {version for one in weights for version in one}

    def _code(self, configured: Json, got: Json, version: str, state: RunState) -> Container:
        pods = 1 if state is RunState.RUNNING else 0
        if configured.get("PackageType") == "Image":
            code = got.get("Code") or {}
            image = str(code.get("ImageUri") or "")
            digest = digest_of(image, str(code.get("ResolvedImageUri") or ""))
            return Container(version, ContainerRole.MAIN, image, digest, state, pods)
        image = f"{configured['FunctionName']}.zip"
        return Container(
            version, ContainerRole.MAIN, image, zip_digest(image, configured.get("CodeSha256")), state, pods
        )

    def _layered(self, configured: Json, state: RunState) -> Iterator[Container]:
        for layer in configured.get("Layers") or ():
            arn = str(layer["Arn"])
            if arn not in self._layers:
                self._layers[arn] = self._layer(arn)
            name = ":".join(arn.split(":")[6:])
            yield Container(f"layer {name}", ContainerRole.MAIN, f"{name}.zip", self._layers[arn], state)

    def _layer(self, arn: str) -> str | Unknown:
        head, _, number = arn.rpartition(":")
        got = self._reading.tried(f"Lambda layer {arn}", {}, self._layer_version, head, int(number))
        return zip_digest(f"layer {arn}", (got.get("Content") or {}).get("CodeSha256"))

    def _layer_version(self, name: str, number: int) -> Json:
        return self._account.read("lambda", "GetLayerVersion", self._region, LayerName=name, VersionNumber=number)


def concurrency(account: Account, region: str, name: str) -> int | None:
    """The reserved concurrency; None where none is set."""
    told = account.read("lambda", "GetFunctionConcurrency", region, FunctionName=name)
    held = told.get("ReservedConcurrentExecutions")
    return None if held is None else int(held)


def zip_digest(what: str, told: Any) -> str | Unknown:
    """`sha256:…` of what Lambda tells in base64."""
    try:
        raw = base64.b64decode(str(told or ""), validate=True)
    except binascii.Error:
        raw = b""
    return (
        f"sha256:{raw.hex()}" if len(raw) == _SHA256 else Unknown(what, "Lambda does not tell the SHA-256 of its code")
    )
