"""How fast one large CycloneDX file is read, and where the time goes.

Run: python benchmarks/graph/one_sbom.py [FILE] [--components 100000]
Without FILE one is made: npm, PyPI, Debian and Maven packages with licences, properties, long references, and two
dependencies each. Prints each part in seconds of one core (CPU, so that a busy machine distorts it less), the whole, the
largest memory, and the ratio to json.loads of the same bytes in the same run.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from patchgap.graph.documents import content_digest, decode_json, read_bytes
from patchgap.graph.sbom import cyclonedx, cyclonedx_json, packages
from patchgap.graph.sbom.read import parse_sbom

T = TypeVar("T")
ARTIFACT = "registry.example.org/app@sha256:" + "a" * 64


def made(count: int) -> dict[str, Any]:
    """A BOM of that many components."""
    purls = (
        "pkg:npm/%40scope{p}/package-name-{n}@1.{a}.{b}",
        "pkg:pypi/package-name-{n}@2.{a}.{b}",
        "pkg:deb/debian/lib-name-{n}@1.{a}-{b}?arch=amd64&distro=debian-12",
        "pkg:maven/org.example.group{p}/artifact-{n}@3.{a}.{b}",
    )
    components = [
        {
            "bom-ref": f"component-{n:032x}",
            "type": "library",
            "name": f"package-name-{n}",
            "version": f"1.{n % 50}.{n % 7}",
            "licenses": [{"license": {"id": "MIT"}}],
            "purl": purls[n % 4].format(n=n, p=n % 97, a=n % 50, b=n % 7),
            "properties": [{"name": "syft:location:0:path", "value": f"/usr/lib/x/{n}/package.json"}],
        }
        for n in range(count)
    ]
    edges = [
        {"ref": one["bom-ref"], "dependsOn": [components[(n * 2 + k) % count]["bom-ref"] for k in (1, 2)]}
        for n, one in enumerate(components)
    ]
    root = {"type": "container", "name": "app", "version": "sha256:" + "c" * 64, "bom-ref": "root"}
    edges.append({"ref": "root", "dependsOn": [one["bom-ref"] for one in components[:100]]})
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": root},
        "components": components, "dependencies": edges,
    }  # fmt: skip


def timed(name: str, work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = work()
    took = time.process_time() - start
    print(f"{name:32} {took:7.3f} s")
    return result, took


def parts(path: Path) -> None:
    """Each step by itself, as `parse_sbom` takes them."""
    gc.disable()
    content, _ = timed("  reading the file", lambda: read_bytes(path))
    timed("  its digest", lambda: content_digest(content))
    bom, _ = timed("  typed decode and its checks", lambda: decode_json(content, path, cyclonedx_json._DECODER))  # noqa: SLF001
    every = [*cyclonedx.walk(bom.components or ())]
    timed("  counting the deciding keys", lambda: cyclonedx_json._read_keys(bom, every))  # noqa: SLF001
    root = bom.metadata.component if bom.metadata and bom.metadata.component else cyclonedx.Root()
    found, _ = timed("  packages and edges", lambda: cyclonedx._collect(bom, root))  # noqa: SLF001
    timed("  what stays open", lambda: found.gaps)
    gc.enable()


def peak() -> int:
    """The largest memory of this process so far, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--components", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.file or Path(folder) / "made.cdx.json"
        if chosen.file is None:
            path.write_text(json.dumps(made(chosen.components)), encoding="utf-8")
            gc.collect()
        before = peak()
        document, whole = timed(
            "the whole, to packages and edges", lambda: parse_sbom(read_bytes(path), path, ARTIFACT)
        )
        edges = sum(map(len, document.edges.values()))
        print(
            f"  {len(document.packages)} packages, {edges} edges, {path.stat().st_size >> 20} MiB; peak {peak()} MB, {before} before"
        )
        _, again = timed("the same again, purls known", lambda: parse_sbom(read_bytes(path), path, ARTIFACT))
        packages._known.clear()  # noqa: SLF001
        del document
        parts(path)
        _, baseline = timed("json.loads of the same bytes", lambda: json.loads(path.read_bytes()))
    print(
        f"json.loads alone takes {baseline / whole:.2f} times as long, {baseline / again:.2f} times where purls are known"
    )


if __name__ == "__main__":
    main()
