from __future__ import annotations

import pytest

from recordroom.errors import InvalidSchema
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create, Delete, DropType
from recordroom.model.schema_diff import diff
from recordroom.model.schema_file import load_text
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from recordroom.store.account_schema import account_operations, core_types
from recordroom.store.accounts import activate, is_activated
from recordroom.store.default_roles import ACCOUNT_TYPES
from recordroom.store.requests import now
from recordroom.store.room import Room
from recordroom.store.secrets import Secret, digest, forget_expired, keep_secret, mark_used, secret_by, secret_of


def activated(room: Room) -> bool:
    return room.driver.write(plan(room))


def plan(room: Room):
    catalogs = yield from room._open.current()
    return (yield from activate(catalogs, "owner", now()))


def apply(room: Room, text: str) -> None:
    operations = diff(room.schema("main"), load_text(text)).operations
    room.commit(Commit(id=new_id(), operations=list(operations)))


def names(room: Room, type_name: str) -> list[str]:
    request = QueryRequest(database="main", query=parse(f"select name from {type_name} order by name"))
    return room.query(request).columns["name"]


def test_activation_makes_types_and_default_roles(room):
    assert activated(room)

    assert set(ACCOUNT_TYPES) <= set(room.schema("main"))
    assert names(room, "Role") == ["administrator", "contributor", "editor", "guest", "reader"]
    assert room.driver.run(is_activated(room.catalog()))
    assert room.check().problems == []


def test_activating_again_changes_nothing(room):
    activated(room)
    before = room.journal()[-1].header.revision

    assert not activated(room)
    assert room.journal()[-1].header.revision == before


def test_activation_is_one_commit(room):
    activated(room)

    assert len(room.journal()) == 1


def test_a_default_role_that_was_deleted_stays_deleted(room):
    activated(room)
    request = QueryRequest(database="main", query=parse('Role where name is "guest"'))
    room.commit(Commit(id=new_id(), operations=[Delete(type="Role", ids=room.query(request).ids)]))

    activated(room)

    assert "guest" not in names(room, "Role")


def test_types_that_are_there_keep_what_they_have_and_gain_the_rest(room):
    apply(room, '[User]\nlabel = "Person"\n[User.attributes]\nname = "text"\nshoe_size = "integer"\n')
    user = new_id()
    room.commit(Commit(id=new_id(), operations=[Create(type="User", ids=[user], columns={"name": ["ann"]})]))

    activated(room)

    found = room.schema("main")["User"]
    assert found.label == "Person"
    assert {each.name for each in core_types()["User"].attributes} | {"shoe_size"} == {e.name for e in found.attributes}
    assert room.schema("main").attribute("User", "name").unique
    assert names(room, "User") == ["ann"]


def test_inherited_attributes_are_used(room):
    apply(room, '[Person]\n[Person.attributes]\nname = "text"\n[User]\nextends = "Person"\n')

    activated(room)

    assert "name" not in {each.name for each in room.schema("main")["User"].attributes}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[User]\n[User.attributes]\nactive = "text"\n', "User.active"),
        ('[User]\n[User.attributes]\nname = { kind = "text", multi = true }\n', "User.name"),
        ('[Squad]\n[User]\n[User.attributes]\ngroups = { kind = "links", target = "Squad" }\n', "User.groups"),
        ('[Rule]\n[Rule.attributes]\nverb = { kind = "choice", choices = ["read"] }\n', "Rule.verb"),
        ("[Token]\nabstract = true\n", "Token"),
    ],
)
def test_what_means_something_else_is_refused_by_name_and_changes_nothing(room, text, named):
    apply(room, text)
    before = (room.schema("main").hash, len(room.journal()))

    with pytest.raises(InvalidSchema, match=named):
        activated(room)

    assert (room.schema("main").hash, len(room.journal())) == before
    assert not room.driver.run(is_activated(room.catalog()))


def test_an_activated_schema_needs_nothing(room):
    activated(room)

    assert account_operations(room.schema("main")) == []


def test_what_was_dropped_comes_back(room):
    activated(room)
    room.commit(Commit(id=new_id(), operations=[DropType("Webhook")]))

    assert activated(room)
    assert "Webhook" in room.schema("main")


def test_secrets_are_kept_found_and_forgotten(room):
    dialect, entity = room.driver.dialect, new_id()
    room.driver.write(keep_secret(dialect, Secret(entity, "api_key", lookup=digest("x"), expires=50)))
    room.driver.write(mark_used(dialect, {entity: 7}, ["api_key"]))
    room.driver.write(mark_used(dialect, {entity: 5}, ["api_key"]))

    found = room.driver.run(secret_by(dialect, "api_key", digest("x")))
    room.driver.write(forget_expired(dialect, 51))

    assert found is not None
    assert (bytes(found.entity), found.used) == (entity, 7)
    assert room.driver.run(secret_of(dialect, entity, "api_key")) is None


def test_secrets_do_not_show():
    assert "hunter2" not in repr(Secret(new_id(), "password", "hunter2"))


@pytest.mark.parametrize(
    "text",
    ['[User.attributes]\nname = "text"\n', '[Rule.attributes]\ntype = { kind = "long_text", required = true }\n'],
)
def test_what_accounts_need_cannot_become_something_else(room, text):
    activated(room)

    with pytest.raises(InvalidSchema, match="accounts need"):
        apply(room, text)

    apply(room, '[User.attributes]\nname = { kind = "text", required = true, unique = true, label = "Login" }\n')
    assert not activated(room)


def test_a_room_without_accounts_has_types_of_these_names_as_it_likes(room):
    apply(room, '[User.attributes]\nname = { kind = "text", unique = true }\n')

    apply(room, '[User.attributes]\nname = "text"\n')

    assert not room.schema("main").attribute("User", "name").unique
