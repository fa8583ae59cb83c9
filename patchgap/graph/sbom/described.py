"""Whether what an SBOM describes is a package too: an application that is itself compromised has to be found by its name.

A container image, an operating system, a platform, a device or a file is none: nobody asks for those as packages, and
their names may be those of packages (`nginx`). A directory or repository that was scanned is none either: its name is its
path or address, and where a tool names it after its last part alone, its properties or identifier say so.
"""

from __future__ import annotations

from patchgap.graph.sbom.document import DIGEST, Package

_NO_PACKAGES = frozenset({
    "container", "operating-system", "platform", "device", "file", "directory", "data", "cryptographic-asset",
    "disk-image", "filesystem-image",
})  # fmt: skip
_PATHS = ("/", "./", "../", "~/", ".\\", "..\\")


def is_package(found: Package, kind: str) -> bool:
    """Whether an artifact of that kind ("" where the SBOM does not say) goes into the graph as this package, which has no
    purl. One that has a usable purl always does."""
    name = found.name
    if not name or kind.lower().replace("_", "-") in _NO_PACKAGES:
        return False
    is_place = name.startswith(_PATHS) or name in {".", ".."} or "://" in name or name[1:3] == ":\\"
    return not is_place and not DIGEST.search(f"{name} {found.version}")
