"""Which commits raise the access revision, by which facts about actors are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import (
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropType,
    Link,
    Operation,
    Unlink,
    Update,
)
from recordroom.model.schema import EntityType
from recordroom.query.request import DatabaseInfo
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.store.account_types import account_types
from tests.store.desk import Desk, a, ref

TASK = EntityType(
    name="Task",
    attributes=(
        a("name"),
        ref("project", "Project", on_delete="cascade", reverse="tasks"),
        ref("owner", "User", on_delete="nullify"),
    ),
)
ROBOT = EntityType(name="Robot", extends="User", attributes=(a("maker"),))


@pytest.fixture(params=DATABASES)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    places: Places = request.getfixturevalue("places_sqlite" if request.param == "sqlite" else "places_postgres")
    with Room.open(places("access")) as room:
        desk = Desk(room, ())
        desk.commit(*account_types(), DefineType(TASK))
        yield desk


def revisions(desk: Desk) -> tuple[int, int]:
    """The room's revision and its access revision."""
    return desk.sql("SELECT revision, access_revision FROM rr_room")[0]


def raised(desk: Desk, *operations: Operation) -> bool:
    """Whether a commit of these operations set the access revision, and then to its own revision."""
    _, before = revisions(desk)
    result = desk.commit(*operations)
    revision, after = revisions(desk)
    assert result.revision == revision
    assert after in (before, revision)
    return after == revision


def test_defining_the_types_of_accounts_raises_it(desk: Desk) -> None:
    assert revisions(desk) == (1, 1)


@pytest.mark.parametrize("name", ["User", "Group", "Role", "Rule", "Project", "ProjectMember", "Share"])
def test_every_write_to_a_type_of_facts_raises_it(desk: Desk, name: str) -> None:
    role, project = desk.create_one("Role", name="r"), desk.create_one("Project", name="p")
    columns = {
        "Rule": {"role": role, "verb": "read", "type": "*"},
        "ProjectMember": {"project": project},
        "Share": {"type": "Task", "entity": new_id()},
    }.get(name, {"name": "n"})
    [entity] = new_ids(1)
    changed = {"Rule": "type", "ProjectMember": "project", "Share": "type"}.get(name, "name")
    value = project if name == "ProjectMember" else "Task"
    other = desk.create_one("Project", name="q")

    assert raised(desk, Create(name, [entity], {key: [each] for key, each in columns.items()}))
    assert raised(desk, Update(name, [entity], {changed: [other if value == project else f"{value}2"]}))
    assert raised(desk, Delete(name, [entity]))


def test_links_of_accounts_raise_it_from_either_side(desk: Desk) -> None:
    user, role, group = (
        desk.create_one("User", name="u"),
        desk.create_one("Role", name="r"),
        desk.create_one("Group", name="g"),
    )

    assert raised(desk, Link("User", "roles", [user], [role]))
    assert raised(desk, Unlink("Role", "users", [role], [user]))
    assert raised(desk, Link("Group", "members", [group], [user]))
    assert raised(desk, Link("Role", "groups", [role], [group]))


def test_other_types_new_tokens_and_webhooks_leave_it(desk: Desk) -> None:
    user = desk.create_one("User", name="u")
    token, task = new_ids(2)

    assert not raised(desk, Create("Task", [task], {"name": ["t"], "owner": [user]}))
    assert not raised(desk, Create("Token", [token], {"user": [user], "kind": ["session"]}))
    assert not raised(desk, Create("Webhook", new_ids(1), {"user": [user], "url": ["https://h.example"]}))
    assert not raised(desk, Delete("Task", [task]))


def test_a_token_that_is_changed_or_deleted_raises_it(desk: Desk) -> None:
    """Who keeps in mind which tokens are good looks again."""
    token = desk.create_one("Token", user=desk.create_one("User", name="u"), kind="session")

    assert raised(desk, Update("Token", [token], {"revoked": [1]}))
    assert raised(desk, Delete("Token", [token]))


def test_a_cascade_to_accounts_raises_it_and_one_from_them(desk: Desk) -> None:
    desk.commit(DefineType(EntityType(name="Studio", attributes=(a("name"),))))
    desk.commit(DefineAttribute("Role", ref("studio", "Studio", on_delete="cascade", reverse="roles")))
    studio = desk.create_one("Studio", name="s")
    desk.create_one("Role", name="r", studio=studio)
    project = desk.create_one("Project", name="p")
    desk.create_one("Task", project=project)

    assert raised(desk, Delete("Studio", [studio]))
    assert raised(desk, Delete("Project", [project]))


def test_a_revert_raises_it(desk: Desk) -> None:
    created = desk.commit(Create("Role", new_ids(1), {"name": ["r"]}))
    desk.create_one("Task", name="t")

    result = desk.room.revert(created.revision, Commit(id=new_id()))

    assert revisions(desk) == (result.revision, result.revision)


def test_schema_changes_of_accounts_raise_it(desk: Desk) -> None:
    assert raised(desk, DefineAttribute("User", a("phone")))
    assert raised(desk, DefineType(ROBOT))
    assert raised(desk, Create("Robot", new_ids(1), {"name": ["robot"]}))
    assert not raised(desk, DefineAttribute("Task", a("more")))
    assert raised(desk, DropType("Share"))
    assert raised(desk, DropType("Rule"))


def test_a_commit_that_changes_nothing_leaves_it(desk: Desk) -> None:
    role = desk.create_one("Role", name="r")
    desk.create_one("Task", name="t")
    before = revisions(desk)

    desk.commit(Update("Role", [role], {"name": ["r"]}))

    assert revisions(desk) == before


def test_databases_made_and_dropped_raise_it_and_it_never_comes_back_to_what_it_was(desk: Desk) -> None:
    seen = [revisions(desk)[1]]
    for number in range(2):
        desk.room.create_database(DatabaseInfo(key=f"d{number}"))
        seen.append(revisions(desk)[1])
    desk.room.drop_database("d0")
    seen.append(revisions(desk)[1])
    desk.create_one("Role", name="r")
    seen.append(revisions(desk)[1])

    assert seen == sorted(set(seen))


def test_types_of_the_same_names_in_other_databases_leave_it(desk: Desk) -> None:
    desk.room.create_database(DatabaseInfo(key="other"))
    desk.commit(DefineType(EntityType(name="Role", attributes=(a("name"),))), database="other")
    before = revisions(desk)[1]

    desk.commit(Create("Role", new_ids(1), {"name": ["r"]}), database="other")

    assert revisions(desk)[1] == before
