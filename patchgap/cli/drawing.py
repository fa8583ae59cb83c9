"""An exposure answer as a graph: workload -> image -> chain -> package, for GraphViz and for Mermaid.

Foreign text is quoted for each; what could not be told stands in the picture too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from patchgap.cli.chains import more_text
from patchgap.cli.output import many, safe
from patchgap.graph.chains import MOST
from patchgap.model.claimed import is_claimed
from patchgap.model.exposure import Exposure, ExposureAnswer, Standing, short

_KINDS = {
    "workload": 'shape=box, style="rounded,filled", fillcolor="#dbeafe"',
    "image": 'shape=box3d, style=filled, fillcolor="#f3f4f6"',
    "package": "shape=ellipse",
    "affected": 'shape=ellipse, style=filled, fillcolor="#fecaca"',
    "doubtful": 'shape=ellipse, style="filled,dashed", fillcolor="#fef3c7"',
    "cleared": 'shape=ellipse, style=filled, fillcolor="#dcfce7"',
    "unknown": 'shape=note, style="filled,dashed", fillcolor="#fef3c7"',
}
_SHAPES = {"workload": ("([", "])"), "image": ("[[", "]]"), "unknown": ("{{", "}}")}
_CLASSES = {
    "affected": "fill:#fecaca,stroke:#b91c1c,color:#000",
    "doubtful": "fill:#fef3c7,stroke:#b45309,color:#000,stroke-dasharray:4",
    "cleared": "fill:#dcfce7,stroke:#15803d,color:#000",
    "unknown": "fill:#fef3c7,stroke:#b45309,color:#000,stroke-dasharray:4",
}
_STANDINGS = {Standing.AFFECTED: "affected", Standing.UNKNOWN: "doubtful", Standing.NOT_AFFECTED: "cleared"}


@dataclass
class _Picture:
    """Nodes by what they stand for, with a number, a kind and lines of text; edges with what is said on them."""

    nodes: dict[tuple[str, ...], tuple[int, str, tuple[str, ...]]] = field(default_factory=dict)
    edges: dict[tuple[int, int], str] = field(default_factory=dict)

    def node(self, key: tuple[str, ...], kind: str, *lines: str) -> int:
        number, before, said = self.nodes.get(key, (len(self.nodes), kind, lines))
        self.nodes[key] = (number, kind if before == "package" else before, max(said, lines, key=len))
        return number


def dot(answer: ExposureAnswer) -> str:
    """GraphViz: `patchgap exposure … --format dot | dot -Tsvg`."""
    picture = _picture(answer)
    lines = [f"digraph {_quoted(answer.query)} {{", "  rankdir=LR;", '  node [fontname="Helvetica"];']
    for number, kind, said in picture.nodes.values():
        lines.append(f"  n{number} [label={_quoted(*said)}, {_KINDS[kind]}];")
    for (start, end), words in picture.edges.items():
        lines.append(f"  n{start} -> n{end}" + (f" [label={_quoted(words)}, style=dashed];" if words else ";"))
    return "\n".join((*lines, "}", ""))


def mermaid(answer: ExposureAnswer) -> str:
    """Mermaid, as documents and tickets render it."""
    picture = _picture(answer)
    lines = ["flowchart LR"]
    for number, kind, said in picture.nodes.values():
        opens, closes = _SHAPES.get(kind, ("[", "]"))
        lines.append(f'  n{number}{opens}"{_escaped(*said)}"{closes}' + (f":::{kind}" if kind in _CLASSES else ""))
    for (start, end), words in picture.edges.items():
        lines.append(f'  n{start} -. "{_escaped(words)}" .-> n{end}' if words else f"  n{start} --> n{end}")
    used = {kind for _, kind, _ in picture.nodes.values()}
    lines += [f"  classDef {kind} {style}" for kind, style in _CLASSES.items() if kind in used]
    return "\n".join((*lines, ""))


def _picture(answer: ExposureAnswer) -> _Picture:
    picture = _Picture()
    for one in answer.exposures:
        _add(picture, one)
    for n, told in enumerate(answer.unknown):
        picture.node(("unknown", str(n)), "unknown", f"UNKNOWN: {told.what}", told.reason)
    if not picture.nodes:
        picture.node(("none",), "package", f"{answer.query}: no running workload includes it")
    return picture


def _add(picture: _Picture, one: Exposure) -> None:
    ref, image = one.workload.ref, one.artifact
    held = one.workload.replicas
    runs = f"{one.workload.running} of {held} replicas"
    if is_claimed(one.workload):
        runs = f"{many(held, 'replica')}, as an exposure document says"
    place = (f"{ref.kind}/{ref.name}", f"{ref.cluster} / {ref.namespace}", runs)
    start = picture.node(("workload", str(ref), ref.uid), "workload", *place)
    middle = picture.node(("image", image.digest), "image", image.repository or "image", image.digest[:19])
    picture.edges[start, middle] = ""
    label = one.component.purl or f"{one.component.name}@{one.component.version}"
    built = (f"built from {one.component.source}",) if one.component.source else ()
    for chain in one.chains:
        at = middle
        for link in chain[1:] or chain:
            kind = _STANDINGS[one.standing] if link == chain[-1] else "package"
            said: tuple[str, ...] = (short(link),)
            if link == chain[-1]:
                more = one.more_chains != 0
                said += (*built, *((f"{MOST} chains drawn, {more_text(one.more_chains)}",) if more else ()))
            after = picture.node(("package", image.digest, link), kind, *said)
            picture.edges[at, after] = ""
            at = after
    if not one.chains:
        name = " ".join(part for part in (one.component.name, one.component.version) if part)
        end = picture.node(("package", image.digest, label), _STANDINGS[one.standing], name, *built)
        picture.edges[middle, end] = "its SBOM names no chain"


def _quoted(*lines: str) -> str:
    return '"' + "\\n".join(safe(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def _escaped(*lines: str) -> str:
    return "<br/>".join("".join(_entities(safe(line))) for line in lines)


def _entities(text: str) -> Iterator[str]:
    for c in text:
        yield f"#{ord(c)};" if c in '"#&<>`;\\' else c
