"""A database of an older patchgap is carried over, and every migration together gives what the code declares."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from graph_fleet import IMAGE, NOW, ask, bom, cluster, container, names, workload

from patchgap import storage
from patchgap.graph.question import Question
from patchgap.graph.selection import Selection
from patchgap.graph.store import Graph
from tests.postgres import Postgres

pytestmark = pytest.mark.usefixtures("every_migration")

A, B, DEB = "pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:deb/debian/zlib1g@1.2?distro=debian-12"

SECOND = "sha256:" + "e" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database at the first schema."""
    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'patchgap.db'}")
        _first_schema(engine)
        yield engine
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database(empty=True) as url:
        engine = sa.create_engine(url)
        _first_schema(engine)
        yield engine
        engine.dispose()


def _first_schema(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    command.upgrade(config, "0001")


def _fill(engine: sa.Engine) -> None:
    """As the first schema held an SBOM of two images, and a workload that runs one of them."""
    component = (
        "INSERT INTO graph_component (id, identity, key, source_key, ecosystem, vendor, name, version, purl, distro,"
        " source, source_version) VALUES (:id, :identity, :key, :source_key, :ecosystem, :vendor, :name, :version,"
        " :purl, :distro, :source, :source_version)"
    )
    with engine.begin() as connection:

        def run(statement: str, **values: object) -> None:
            connection.execute(sa.text(statement), values)

        run("INSERT INTO graph_state (id, generation) VALUES (1, 7)")
        for id_, package in enumerate(bom(A, B, DEB).packages, 1):
            source_key = "zlib" if package.name == "zlib1g" else package.name
            made = {"id": id_, "identity": package.identity, "key": package.name, "source_key": source_key}
            run(component, **made, **package._asdict())
        for image, digest in ((1, IMAGE), (2, SECOND)):
            run("INSERT INTO graph_image (id) VALUES (:id)", id=image)
            run("INSERT INTO graph_digest (digest, image_id) VALUES (:digest, :id)", digest=digest, id=image)
            run(
                "INSERT INTO graph_sbom (id, document, image_id, format, reference, root, packages, added_at)"
                " VALUES (:id, 'sha256:x', :id, 'CycloneDX 1.6', 'urn:x', 'app', 3, '2026-11-23T00:00:00Z')",
                id=image,
            )
            for id_, chains in ((1, "1"), (2, "1 2"), (3, None)):
                run(
                    "INSERT INTO graph_occurrence (component_id, sbom_id, chains) VALUES (:id, :sbom, :chains)",
                    id=id_, sbom=image, chains=chains,
                )  # fmt: skip
        run(
            "INSERT INTO graph_cluster (cluster, platform, refreshed_at)"
            " VALUES ('prod-ml-eu', 'kubernetes', '2026-11-23T07:10:00Z')"
        )
        run(
            "INSERT INTO graph_workload (id, cluster, namespace, kind, name, document)"
            " VALUES (1, 'prod-ml-eu', 'training', 'Deployment', 'app', :document)",
            document=msgspec.json.encode(workload("app", container(IMAGE))).decode(),
        )
        run("INSERT INTO graph_container (workload_id, position, image_id, exposed) VALUES (1, 0, 1, :yes)", yes=True)


def test_what_the_first_schema_held_is_answered_as_before(old: sa.Engine) -> None:
    """Chains, the workload, and the set that both SBOMs have: stored once."""
    _fill(old)
    graph = Graph(storage.connect(old.url.render_as_string(hide_password=False)))
    (found,) = ask(graph, "b@2.0.0").exposures
    assert found.workload.ref.name == "app"
    assert found.chains == (("app", A, B),)
    assert found.direct is False
    assert ask(graph, "zlib1g").exposures[0].direct is None
    assert len(graph.affected_digests(Question.parse("a"))) == 2
    with old.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM graph_occurrence")).scalar_one() == 3
    assert names(graph.exposure(Question.parse("a"), NOW, at=NOW)) == ["app"]
    unheard = {one: {"elsewhere"} for one in ("cluster", "namespace", "environment", "region")}
    missing = {one.dimension: one.known for one in graph.asked(lambda read: [*Selection.of(unheard).missing(read, ())])}
    assert missing == {
        "cluster": ("prod-ml-eu",), "namespace": ("training",), "environment": ("production",), "region": ("eu-west-1",),
    }  # fmt: skip


def test_what_was_stored_tells_what_it_covers(old: sa.Engine) -> None:
    """From its packages and its root's name: an SBOM whose root names no image and that lists no system is not whole."""
    _fill(old)
    with old.begin() as connection:
        connection.execute(sa.text("DELETE FROM graph_occurrence WHERE sbom_id = 1 AND component_id = 3"))
    graph = Graph(storage.connect(old.url.render_as_string(hide_password=False)))
    question = Question.parse("pkg:deb/debian/openssl")
    verdicts = graph.standing(question, [IMAGE, SECOND])
    assert [verdicts[one].verdict for one in (IMAGE, SECOND)] == ["unknown", "clean"]


def test_what_is_carried_over_is_what_would_be_stored_now(old: sa.Engine) -> None:
    """The same packages again find their rows, and the same workload keeps its."""
    _fill(old)
    engine = storage.connect(old.url.render_as_string(hide_password=False))
    graph = Graph(engine)
    graph.add_sbom(bom(A, B, DEB, name="again"), NOW)
    assert graph.record(cluster(workload("app", container(IMAGE))), NOW) == 0
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM graph_component")).scalar_one() == 3


def test_the_migrations_give_what_the_modules_declare(old: sa.Engine) -> None:
    """Table by table, column by column, index by index."""
    for module in ("patchgap.graph.tables", "patchgap.incident.tables"):
        import_module(module)
    engine = storage.connect(old.url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, storage.metadata) == []
