"""What the default roles see and change of production: a contributor has the projects they are members of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from tests.conftest import DATABASES, Places
from tests.served import administrator_key

SEEN = (
    "Context", "Project", "Sequence", "Shot", "Task", "Asset", "AssetVersion", "Component", "ComponentLocation", "Note",
    "Recipient", "NoteLabelLink", "NoteComponent", "Timelog", "Appointment", "TypedContextLink", "List", "JobComponent",
)  # fmt: skip
FOR_ALL = (
    "Location", "ObjectType", "State", "Status", "Type", "Priority", "ProjectSchema", "Schema", "SchemaStatus", "SchemaType",
    "WorkflowSchema", "TaskTypeSchema", "ProjectSchemaOverride", "AssetType", "NoteLabel", "UserType", "ManagerType",
    "ListCategory", "Scope", "CustomAttributeType", "Setting",
)  # fmt: skip


def fill(session: Session, name: str, user: Any) -> Any:
    """A project with one of everything in it."""
    project = session.create("Project", {"name": name})
    sequence = session.create("Sequence", {"name": f"{name} sq", "parent": project})
    shot = session.create("Shot", {"name": f"{name} sh", "parent": sequence})
    task = session.create("Task", {"name": f"{name} anim", "parent": shot})
    asset = session.create("Asset", {"name": f"{name} walk", "parent": shot})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    whole = session.create("SequenceComponent", {"name": f"{name} frames", "version": version})
    frame = session.create("FileComponent", {"name": f"{name} 1", "container": whole})
    picture = session.create("FileComponent", {"name": f"{name} picture"})
    sketch = session.create("FileComponent", {"name": f"{name} sketch"})
    shot["thumbnail"] = picture
    server = session.query("Location where label is 'The room'").one()
    for each in (whole, frame, picture, sketch):
        session.create("ComponentLocation", {"component": each, "location": server, "resource_identifier": each["id"]})
    labels = [session.query("NoteLabel where name is Internal").one()]
    note = session.production.create_note(version, f"{name} note", user, recipients=[user], labels=labels)
    session.production.create_note(note, f"{name} reply", user)
    session.create("NoteComponent", {"component": sketch, "note": note})
    session.create("Timelog", {"context": task, "duration": 60})
    session.create("Appointment", {"context": task, "user": user})
    session.create("TypedContextLink", {"from": shot, "to": task})
    session.create("TypedContextList", {"name": f"{name} list", "project": project, "items": [shot, task]})
    session.create("JobComponent", {"job": session.create("Job", {"type": "encode"}), "component": whole})
    session.commit()
    return project


@pytest.fixture(scope="module", params=DATABASES)
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    places = Places(tmp_path_factory.mktemp("production"), server)
    yield places()
    places.clean()


@pytest.fixture(scope="module")
def owner(where: str) -> Iterator[Session]:
    """A room with accounts, two projects, and ada, who contributes to the first."""
    asyncio.run(administrator_key(where))
    with rr.connect(where) as session:
        session.apply_template("production")
        for name, role in (("ada", "contributor"), ("eve", "editor"), ("rob", "reader"), ("gus", "guest")):
            user = session.create("User", {"name": name, "first_name": name.title()})
            user["roles"].add(session.query("Role where name is $role", role=role).one())
        session.commit()
        ada = session.query("User where name is ada").one()
        bunny = fill(session, "bunny", ada)
        fill(session, "sintel", session.query("User where name is eve").one())
        session.create("ProjectMember", {"project": bunny, "user": ada})
        session.commit()
        yield session


@pytest.fixture
def acting(owner: Session, where: str) -> Iterator[Callable[[str], Session]]:
    opened: list[Session] = []

    def act(name: str) -> Session:
        opened.append(rr.connect(where, actor=name))
        return opened[-1]

    yield act
    for each in opened:
        each.close()


def counts(session: Session, types: tuple[str, ...]) -> dict[str, int]:
    return {name: session.query(name).count() for name in types}


def test_a_contributor_sees_what_belongs_to_their_projects_and_nothing_else(
    owner: Session, acting: Callable[[str], Session]
) -> None:
    ada = acting("ada")
    everything = counts(owner, SEEN)

    assert counts(ada, SEEN) == {**{name: n // 2 for name, n in everything.items()}, "JobComponent": 0}
    for name in ("Context", "Asset", "Component", "List"):
        assert all(each["name"].startswith("bunny") for each in ada.query(name)), name
    assert {each["content"] for each in ada.query("Note")} == {"bunny note", "bunny reply"}
    assert counts(ada, FOR_ALL) == counts(owner, FOR_ALL)


def test_every_role_sees_what_it_may(owner: Session, acting: Callable[[str], Session]) -> None:
    everything = counts(owner, SEEN)

    assert counts(acting("eve"), SEEN) == everything
    assert counts(acting("rob"), SEEN) == everything
    assert set(counts(acting("gus"), (*SEEN, *FOR_ALL)).values()) == {0}
    assert {each["first_name"] for each in acting("ada").query("User where first_name is_not None")} == {
        "Ada", "Eve", "Rob", "Gus",
    }  # fmt: skip


def test_a_contributor_works_in_their_projects(owner: Session, acting: Callable[[str], Session]) -> None:
    ada = acting("ada")
    me = ada.query("User where name is ada").one()
    shot = ada.query("Shot").one()
    task = ada.create(
        "Task", {"name": "comp", "parent": shot, "status": ada.query("Status where name is Approved").one()}
    )
    asset = ada.create("Asset", {"name": "plate", "parent": shot})
    version = ada.create("AssetVersion", {"asset": asset, "task": task})
    component = ada.create("FileComponent", {"name": "main", "version": version})
    server = ada.query("Location where label is 'The room'").one()
    ada.create("ComponentLocation", {"component": component, "location": server, "resource_identifier": "x"})
    note = ada.production.create_note(task, "Done", recipients=[me])
    job = ada.create("Job", {"type": "encode", "user": me})
    ada.create("JobComponent", {"job": job, "component": component})
    ada.commit()
    ada.production.start_timer(me, task)
    timelog = ada.production.stop_timer(me)

    assert task["project"] is shot["project"]
    assert version["version"] == 1
    assert note["author"] is me
    assert version["user"] is me
    assert timelog["context"] is task
    # Others count what is there.
    for each in (component, note, job, timelog, asset, task):
        ada.delete(each)
    ada.commit()


def test_a_contributor_changes_nothing_elsewhere(owner: Session, acting: Callable[[str], Session]) -> None:
    ada = acting("ada")
    sintel = owner.query("Shot where name is 'sintel sh'").one()
    theirs = ada.query("Status where name is Approved").one()
    theirs["name"] = "Mine"
    with pytest.raises(rr.PermissionDenied):
        ada.commit()
    ada.rollback()
    shot = ada.query("Shot").one()
    ada.create("Task", {"name": "spy", "parent": shot, "project": sintel["project"]["id"]})
    with pytest.raises(rr.Error):
        ada.commit()
    ada.rollback()
    ada.create("Shot", {"name": "spy", "parent": sintel["id"]})
    with pytest.raises(rr.Error):
        ada.commit()

    assert owner.query("TypedContext where name is spy").count() == 0
