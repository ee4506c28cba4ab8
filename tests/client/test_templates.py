"""Templates in rooms: on both databases, embedded and behind a server; applied twice, to rooms that have accounts and types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from tests.conftest import DATABASES, Places
from tests.served import Served, served

SHOT = "bad911de-3bd6-47b9-8b46-3476e237cb36"


@pytest.fixture
def session(places: Places) -> Iterator[Session]:
    with rr.connect(places()) as found:
        yield found


@pytest.fixture(scope="module", params=DATABASES)
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A room with production that tests share: each makes projects of its own."""
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    places = Places(tmp_path_factory.mktemp("studio"), server)
    with rr.connect(places()) as found:
        found.apply_template("production")
        yield found
    places.clean()


@pytest.fixture
def sqlite(places_sqlite: Places) -> Iterator[Session]:
    """A room where what is tested does not depend on the database."""
    with rr.connect(places_sqlite()) as found:
        yield found


def written(folder: Path, text: str, name: str = "studio.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def names(session: Session, question: str) -> list[str]:
    return [each["name"] for each in session.query(question)]


def commits(session: Session) -> int:
    return len(session.transport.journal(0, 100))


# --- applying -------------------------------------------------------------------------------------


def test_the_templates_are_listed_with_what_they_are_about() -> None:
    found = {each.name: each for each in rr.templates()}

    assert [*found] == ["core", "files", "production"]
    assert found["production"].includes == ("core", "files")
    assert found["production"].label == "Production"


def test_production_is_applied_in_one_commit_and_only_once(session: Session) -> None:
    done = session.apply_template("production")

    assert commits(session) == 1
    assert "+ type Context" in done.lines
    assert "+ 7 of ObjectType: Task, Shot, Sequence, Folder" in str(done.lines)
    assert session.plan_template("production").empty
    assert session.apply_template("production").empty
    assert commits(session) == 1
    assert session.get("ObjectType", SHOT)["name"] == "Shot"
    assert names(session, "Status order by sort limit 2") == ["Not started", "Ready to start"]
    assert session.query("Status where name is Approved").one()["state"]["short"] == "DONE"
    assert session.transport.check().problems == []


def test_a_plan_says_what_would_be_done_and_changes_nothing(sqlite: Session) -> None:
    planned = sqlite.plan_template("files")

    assert (
        "+ 5 of Location: ftrack.server, ftrack.origin, ftrack.unmanaged, ftrack.review, ftrack.connect"
        in planned.lines
    )
    assert list(sqlite.schema) == []
    assert commits(sqlite) == 0


def test_templates_that_include_each_other_may_come_one_after_the_other(sqlite: Session) -> None:
    for name in ("core", "files", "production"):
        assert not sqlite.apply_template(name).empty
    for name in ("production", "files", "core"):
        assert sqlite.apply_template(name).empty


def test_entities_of_production_get_what_the_room_gives(studio: Session) -> None:
    film = studio.create("Project", {"name": "bunny"})
    sequence = studio.create("Sequence", {"name": "sq010", "parent": film})
    shot = studio.create("Shot", {"name": "sh010", "parent": sequence})
    task = studio.create("Task", {"name": "anim", "parent": shot})
    asset = studio.create("Asset", {"name": "walk", "parent": shot})
    versions = [studio.create("AssetVersion", {"asset": asset, "task": task}) for _ in range(3)]
    note = studio.production.create_note(versions[0], "Too slow")
    reply = studio.production.create_note(note, "Better now?")
    studio.commit()

    for each in (film, sequence, shot, task, asset, *versions, note, reply):
        assert each["project"] is film
    assert [each["version"] for each in versions] == [1, 2, 3]
    assert [each["object_type"]["name"] for each in (sequence, shot, task)] == ["Sequence", "Shot", "Task"]
    assert task["priority"]["id"] == "9661b320-3a0c-11e2-81c1-0800200c9a66"
    assert note["date"] == versions[0]["date"]
    assert note["replies"] == [reply]


def test_deleting_a_project_takes_its_tree_along(studio: Session) -> None:
    film, other = (studio.create("Project", {"name": name}) for name in ("goes", "stays"))
    for project in (film, other):
        shot = studio.create("Shot", {"name": "sh010", "parent": project, "metadata": {"fps": "24"}})
        asset = studio.create("Asset", {"name": "walk", "parent": shot})
        version = studio.create("AssetVersion", {"asset": asset})
        studio.create("FileComponent", {"name": project["name"], "version": version})
        studio.production.create_note(version, "x")
        studio.create("Appointment", {"context": shot})
    studio.commit()
    studio.delete(film)
    studio.commit()

    for name in ("Project", "Shot", "Asset", "AssetVersion", "Note", "Appointment"):
        assert [each["project"] for each in studio.query(f"{name} where project.name in (goes, stays)")] == [other], (
            name
        )
    assert names(studio, "Component where name in (goes, stays)") == ["stays"]


def test_two_that_apply_at_once_both_succeed(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with rr.connect(places()) as one, rr.connect(places()) as two:
        send = two._committer.send_operations
        monkeypatch.setattr(two._committer, "send_operations", lambda *all: (one.apply_template("files"), send(*all)))
        done = two.apply_template("files")

        assert done.empty
        assert commits(two) == 1
        assert two.query("Location").count() == 5


# --- what people changed --------------------------------------------------------------------------


def test_what_people_changed_stays(sqlite: Session) -> None:
    sqlite.apply_template("production")
    done = sqlite.query("Status where name is Approved").one()
    done["name"] = "Fertig"
    sqlite.delete(sqlite.query("NoteLabel where name is Technical").one())
    sqlite.commit()
    sqlite.apply_schema(
        "[Status]\nlabel = 'Zustand'\n[Status.attributes]\nsort = { kind = 'integer', label = 'Folge' }"
    )

    assert sqlite.apply_template("production").empty
    assert done["name"] == "Fertig"
    assert sqlite.schema["Status"].label == "Zustand"
    assert names(sqlite, "NoteLabel where name is Technical") == []


def test_rules_come_with_the_types_of_their_file_and_roles_that_were_deleted_stay_away(sqlite: Session) -> None:
    sqlite.apply_template("files")
    sqlite.delete(sqlite.query("Rule where type is Location").one())
    sqlite.delete(sqlite.query("Role where name is contributor").one())
    sqlite.commit()
    sqlite.apply_template("production")

    assert {rule["role"]["name"] for rule in sqlite.query("Rule")} == {"editor", "reader"}
    sqlite.delete(sqlite.query("Rule where role.name is editor").one())
    sqlite.commit()
    assert sqlite.apply_template("production").empty


def test_a_row_that_is_there_under_its_key_is_that_row(sqlite: Session) -> None:
    sqlite.apply_schema('[State.attributes]\nname = { kind = "text", unique = true }\nshort = "text"')
    mine = sqlite.create("State", {"name": "Done", "short": "FIN"})
    sqlite.commit()
    sqlite.apply_template("production")

    assert sqlite.query('State where name is "Done"').one() is mine
    assert mine["short"] == "FIN"
    assert sqlite.query("Status where name is Approved").one()["state"] is mine
    assert sqlite.apply_template("production").empty


def test_a_file_of_ones_own_builds_on_a_template(sqlite: Session, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        includes = ["production", "more.toml"]
        [Shot.attributes]
        frames = "integer"
        [rows]
        Status = [{ name = "Final", state = "Done" }, { name = "Omitted", color = "#000000" }]
        SchemaStatus = [{ schema = ["VFX", "Shot"], task_status = "Final" }]
        """,
    )
    written(tmp_path, "[Vendor.attributes]\nname = 'text'", "more.toml")
    sqlite.apply_template(path)
    sqlite.apply_template(str(path))

    schema = sqlite.query("ProjectSchema where name is VFX").one()
    assert [each["name"] for each in sqlite.production.statuses(schema, "Shot")][-1] == "Final"
    assert "frames" in sqlite.schema.attributes("Shot")
    assert "Vendor" in sqlite.schema


def test_rows_that_lean_on_a_deleted_row_stay_away(sqlite: Session, tmp_path: Path) -> None:
    text = "[A.attributes]\nname = { kind = 'text', unique = true }\n[rows]\nA = [{ name = 'x' }]\n"
    path = written(tmp_path, text)
    sqlite.apply_template(path)
    sqlite.delete(sqlite.query("A").one())
    sqlite.commit()
    written(
        tmp_path,
        "[A.attributes]\nname = { kind = 'text', unique = true }\n"
        "[B.attributes]\nname = 'text'\na = { kind = 'reference', target = 'A', required = true, on_delete = 'cascade' }\n"
        "[C.attributes]\nname = 'text'\na = { kind = 'reference', target = 'A' }\nmany = { kind = 'links', target = 'A' }\n"
        "[rows]\nA = [{ name = 'x' }, { name = 'y' }]\nB = [{ name = 'b', a = 'x' }]\n"
        "C = [{ name = 'c', a = 'x', many = ['x', 'y'] }]\n",
    )
    sqlite.apply_template(path)

    assert names(sqlite, "A") == ["y"]
    assert names(sqlite, "B") == []
    [found] = sqlite.query("C")
    assert found["a"] is None
    assert [each["name"] for each in found["many"]] == ["y"]


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            "[Status.attributes]\nname = 'integer'",
            "Status.name: here it is integer, the template has it as text",
        ),
        ("[Asset]\nabstract = true", "Asset: here it is abstract, and the template has it not abstract"),
        ("[Shot.attributes]\nname = 'text'\nproject = 'text'", "project"),
    ],
)
def test_a_room_whose_types_mean_something_else_is_refused_and_left_as_it_is(
    session: Session, schema: str, reason: str
) -> None:
    session.apply_schema(schema)
    before = session.schema.hash, commits(session)

    with pytest.raises(rr.InvalidSchema) as refused:
        session.apply_template("production")

    assert re.match(r"The schema is not valid: production, line \d+, ", str(refused.value))
    assert reason in str(refused.value)
    assert (session.schema.hash, commits(session)) == before


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nope", "The template 'nope' cannot be read: there is none of this name; there are core, files, production"),
        ("nope.toml", "The template nope.toml cannot be read: No such file or directory"),
        (Path("nope.toml"), "The template nope.toml cannot be read: No such file or directory"),
    ],
)
def test_a_template_that_there_is_not_is_refused(sqlite: Session, source: Any, reason: str) -> None:
    with pytest.raises(rr.InvalidSchema) as refused:
        sqlite.plan_template(source)

    assert reason in str(refused.value)


def test_a_wrong_row_is_refused_with_its_place_and_nothing_changes(sqlite: Session, tmp_path: Path) -> None:
    path = written(tmp_path, 'includes = ["files"]\n[rows]\nLocation = [{ name = "a" }, { name = "b", label = 5 }]')

    with pytest.raises(rr.InvalidSchema, match=r"studio.toml, row 2 of Location: label: expected text, got 5"):
        sqlite.apply_template(path)
    assert commits(sqlite) == 0


def test_a_session_of_the_past_and_a_reader_are_refused(sqlite: Session) -> None:
    sqlite.apply_template("core")
    with pytest.raises(rr.Error), sqlite.at(1) as past:
        past.apply_template("files")


# --- accounts and servers -------------------------------------------------------------------------


def test_projects_from_before_become_contexts_and_keep_what_they_had(session: Session) -> None:
    session.apply_template("core")
    ada = session.create("User", {"name": "ada"})
    old = session.create("Project", {"name": "old"})
    session.create("ProjectMember", {"project": old, "user": ada})
    session.commit()
    number, key = old["number"], old["id"]
    session.apply_template("production")

    found = session.query("Context").one()
    assert (found["id"], found["number"], found["name"]) == (key, number, "old")
    assert found["project"] is found
    assert [each["user"] for each in found["members"]] == [session.query("User").one()]
    assert [change.verb for change in session.history(found, "name")] == ["create"]
    assert session.transport.check().problems == []


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose room has accounts, a project and a contributor, ada."""
    with served(str(tmp_path_factory.mktemp("street") / "studio.room"), accounts=True) as server:
        yield server


def test_production_comes_to_a_served_room_with_accounts_and_projects(street: Served) -> None:
    with rr.connect(street.url, api_key=street.api_key) as session:
        old = session.create("Project", {"name": "old"})
        session.commit()
        session.apply_template("production", notes="Set up")

        assert session.apply_template("production").empty
        assert session.query("Project").one()["id"] == old["id"]
        found = session.query("Project").one()
        shot = session.create("Shot", {"name": "sh010", "parent": found})
        session.commit()
        assert shot["project"]["name"] == "old"
        assert found["children"] == [shot]
        assert found["project"] is found


def test_default_roles_are_whole_where_the_template_came_before_the_accounts(places: Places) -> None:
    where = places()
    with rr.connect(where) as session:
        session.apply_template("production")
    with served(where, accounts=True) as server, rr.connect(server.url, api_key=server.api_key) as session:
        rules = session.query("Rule where role.name is contributor")
        assert {rule["type"] for rule in rules} >= {"*", "Project", "Status", "Component"}
        assert session.query("Role where name is contributor").count() == 1
        assert session.apply_template("production").empty
