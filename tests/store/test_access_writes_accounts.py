"""Accounts: nobody raises themselves, shares, tokens, webhooks, the last administrator, schemas and databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom.errors import InvalidReference, NotFound, PermissionDenied, SchemaChangeRefused, UnknownDatabase
from recordroom.model.actor import Actor
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import (
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropType,
    Link,
    Operation,
    RenameType,
    Unlink,
    Update,
)
from recordroom.model.schema import EntityType
from recordroom.query.request import DatabaseInfo
from recordroom.store.default_roles import ADMINISTRATOR, default_roles
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.store.desk import a
from tests.store.office import Office, Rule, Worker, every

EVERYTHING = every("*", verbs="read create update delete share")


@pytest.fixture(params=DATABASES)
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """An office whose room is in order at the end."""
    places: Places = request.getfixturevalue("places_sqlite" if request.param == "sqlite" else "places_postgres")
    with Room.open(places("accounts"), durability="normal") as room:
        office = Office(room)
        yield office
        assert [str(problem) for problem in office.report()] == []


def role_named(office: Office, name: str) -> bytes:
    return next(each for each, found in office.rows("Role", "name").items() if found == name)


def administrator(office: Office, name: str = "admin") -> Worker:
    """Somebody with the role of administrators."""
    if ADMINISTRATOR not in office.rows("Role", "name").values():
        office.commit(*default_roles())
    return office.user(name, roles=[role_named(office, ADMINISTRATOR)])


def refused(worker: Worker, operation: Operation, error: type[Exception] = PermissionDenied) -> str:
    """What is said where a commit is refused."""
    with pytest.raises(error) as caught:
        worker.commit(operation)
    assert type(caught.value) is error
    return str(caught.value)


# --- nobody raises themselves ---------------------------------------------------------------------


def test_rules_for_every_type_do_not_reach_accounts(office: Office) -> None:
    worker = office.user("w", *EVERYTHING, *every("User", verbs="read"), *every("Role", verbs="read"))
    strong = office.role("strong", *EVERYTHING)
    rule = next(iter(office.rows("Rule", "verb")))

    refused(worker, Link("User", "roles", [worker.id], [strong]))
    refused(worker, Link("Role", "users", [strong], [worker.id]))
    refused(worker, Create("Role", new_ids(1), {"name": ["r"]}))
    refused(worker, Create("Rule", new_ids(1), {"role": [strong], "verb": ["define"], "type": ["*"]}))
    refused(worker, Update("Rule", [rule], {"verb": ["define"]}), NotFound)
    refused(worker, Update("User", [worker.id], {"active": [True]}))
    refused(worker, Create("Project", new_ids(1), {"name": ["p"]}))
    refused(worker, Create("Token", new_ids(1), {"user": [worker.id], "kind": ["session"]}))
    refused(worker, Delete("User", [worker.id]))


def test_giving_roles_needs_rules_for_both_ends(office: Office) -> None:
    """Whoever may change users, or their own, gets no role by that."""
    strong = office.role("strong", *EVERYTHING)
    group = office.create_one("Group", name="g")
    roles, groups = every("Role", verbs="read"), every("Group", verbs="read")
    careless = office.user("careless", *every("User", verbs="read update"), *roles, *groups)
    warden = office.user(
        "warden",
        *every("User", verbs="read update"),
        *every("Role", verbs="read update"),
        *every("Group", verbs="read"),
    )

    refused(careless, Link("User", "roles", [careless.id], [strong]))
    refused(careless, Link("User", "groups", [careless.id], [group]))
    refused(careless, Link("Group", "members", [group], [careless.id]))
    refused(careless, Link("Role", "users", [strong], [careless.id]))
    careless.commit(Update("User", [careless.id], {"full_name": ["C"]}))
    warden.commit(Link("User", "roles", [careless.id], [strong]))
    warden.commit(Unlink("Role", "users", [strong], [careless.id]))
    refused(warden, Link("User", "groups", [careless.id], [group]))

    assert office.entries("User", "groups") == {}
    assert {user for user, _ in office.entries("User", "roles")} == {careless.id, warden.id}


def test_members_of_projects_need_a_rule_that_names_them(office: Office) -> None:
    project = office.create_one("Project", name="p")
    see = every("Project", verbs="read")
    worker = office.user("w", *EVERYTHING, *see)
    leader = office.user("l", *see, *every("ProjectMember", "project.name = 'p'"))
    other = office.create_one("Project", name="q")
    own = lambda whom, which: Create("ProjectMember", new_ids(1), {"project": [which], "user": [whom.id]})  # noqa: E731

    refused(worker, own(worker, project))
    leader.commit(own(leader, project))
    refused(leader, own(leader, other))


def test_administrators_change_everything(office: Office) -> None:
    admin = administrator(office)
    [user] = new_ids(1)

    admin.commit(
        Create("User", [user], {"name": ["new"]}),
        Link("User", "roles", [user], [role_named(office, "editor")]),
        DefineAttribute("User", a("phone")),
        DefineType(EntityType(name="Extra", attributes=(a("name"),))),
    )

    assert office.rows("User", "name")[user] == "new"


# --- the last administrator -----------------------------------------------------------------------


def test_the_last_administrator_stays(office: Office) -> None:
    admin = administrator(office)
    role = role_named(office, ADMINISTRATOR)
    group = office.create_one("Group", name="g")

    for operation in (
        Delete("User", [admin.id]),
        Update("User", [admin.id], {"active": [False]}),
        Unlink("User", "roles", [admin.id], [role]),
        Unlink("Role", "users", [role], [admin.id]),
        Update("Role", [role], {"name": ["other"]}),
        Delete("Role", [role]),
        DropAttribute("User", "roles"),
        DropType("Rule"),
        RenameType("User", "Person"),
    ):
        assert "administer" in refused(admin, operation)
    admin.commit(
        Unlink("User", "roles", [admin.id], [role]),
        Link("User", "groups", [admin.id], [group]),
        Link("Group", "roles", [group], [role]),
    )
    for operation in (
        Delete("Group", [group]),
        Unlink("Group", "members", [group], [admin.id]),
        Unlink("Role", "groups", [role], [group]),
    ):
        assert "administer" in refused(admin, operation)

    second = administrator(office, "second")
    admin.commit(Delete("Group", [group]))
    assert "administer" in refused(second, Update("User", [second.id], {"active": [False]}))
    office.commit(Delete("User", [second.id]))


def test_an_administrator_who_is_not_active_does_not_count(office: Office) -> None:
    admin, second = administrator(office), administrator(office, "second")
    office.commit(Update("User", [second.id], {"active": [False]}))

    refused(admin, Delete("User", [admin.id]))


def test_whoever_takes_the_last_administrator_away_is_left_out_and_others_are_not(office: Office) -> None:
    admin = administrator(office)
    other = office.create_one("User", name="other")

    result = admin.commit(
        Update("User", [admin.id, other], {"active": [False, False]}), Delete("Role", new_ids(0)), on_error="continue"
    )

    assert [(each.entity, each.code) for each in result.refused] == [(admin.id, "permission_denied")]
    assert office.rows("User", "active") == {admin.id: True, other: False}


def test_users_of_a_room_without_administrators_are_changed_as_rules_say(office: Office) -> None:
    worker = office.user("w", *every("User"))
    other = office.create_one("User", name="other")

    worker.commit(Delete("User", [other]))

    assert set(office.rows("User", "name")) == {worker.id}


# --- shares ---------------------------------------------------------------------------------------


def share(worker: Worker, entity: bytes, with_: bytes, **facts: object) -> Create:
    values = {"type": "Task", "entity": entity, "user": with_, **facts}
    return Create("Share", new_ids(1), {name: [value] for name, value in values.items()})


def test_only_who_may_share_an_entity_makes_a_share_of_it(office: Office) -> None:
    see = every("User", verbs="read")
    sharer = office.user("s", *see, *every("Task", "open is true", "read update share"))
    reading = office.user("r", *see, *every("Task", verbs="read share"))
    plain = office.user("p", *see, *every("Task", verbs="read update"))
    strong = office.user("x", *see, *every("Share"), *every("Task", verbs="read update"))
    friend = office.create_one("User", name="friend")
    task, closed = office.create_one("Task", name="a"), office.create_one("Task", open=False)

    sharer.commit(share(sharer, task, friend, access="write"))
    reading.commit(share(reading, task, friend))
    refused(sharer, share(sharer, closed, friend))
    refused(sharer, share(sharer, new_id(), friend))
    refused(reading, share(reading, task, friend, access="write"))
    refused(plain, share(plain, task, friend))
    refused(strong, share(strong, task, friend))
    refused(sharer, share(sharer, task, friend, type="Nothing"))
    refused(sharer, share(sharer, task, friend, database="nowhere"))
    refused(sharer, share(sharer, task, new_id()), InvalidReference)

    assert sorted(office.rows("Share", "access").values()) == ["read", "write"]


def test_a_share_gives_no_more_than_its_maker_has(office: Office) -> None:
    see = every("User", verbs="read")
    worker = office.user("w", *see, Rule("read", "Task", None, "name"), Rule("share", "Task"))
    task, friend = office.create_one("Task", name="a", salary=1), office.create_one("User", name="friend")

    refused(worker, share(worker, task, friend))


def test_what_is_about_accounts_is_shared_by_rules_that_name_it(office: Office) -> None:
    worker = office.user("w", *EVERYTHING, *every("User", verbs="read"))

    refused(worker, share(worker, worker.id, worker.id, type="User", access="write"))
    refused(worker, share(worker, worker.id, worker.id, type="User"))


def test_shares_are_changed_and_deleted_by_who_made_them_or_could(office: Office) -> None:
    see = every("User", verbs="read")
    rules = (*see, *every("Task", "open is true", "read update share"))
    maker, colleague = office.user("m", *rules), office.user("c", *rules)
    reader = office.user("r", *see, *every("Task", verbs="read"), *every("Share", verbs="read"))
    stranger = office.user("s", *see)
    friend, task = office.create_one("User", name="friend"), office.create_one("Task", name="a")
    made = [share(maker, task, friend) for _ in range(3)]
    maker.commit(*made)
    first, second, third = (each.ids[0] for each in made)

    refused(reader, Delete("Share", [first]))
    refused(stranger, Delete("Share", [first]), NotFound)
    refused(stranger, Update("Share", [first], {"access": ["write"]}), NotFound)
    colleague.commit(Update("Share", [first], {"access": ["write"]}))
    colleague.commit(Delete("Share", [first]))
    office.commit(Update("Task", [task], {"open": [False]}))
    refused(colleague, Delete("Share", [second]), NotFound)
    refused(maker, Update("Share", [second], {"access": ["write"]}))
    maker.commit(Delete("Share", [second]))

    assert office.rows("Share", "access") == {third: "read"}


def test_shares_of_other_databases_are_judged_there(office: Office) -> None:
    office.room.create_database(DatabaseInfo(key="other"))
    note = EntityType(name="Note", attributes=(a("name"), a("open", "boolean", default=True)))
    office.commit(DefineType(note), database="other")
    ids = new_ids(2)
    office.commit(Create("Note", ids, {"open": [True, False]}), database="other")
    worker = office.user("w", *every("User", verbs="read"), *every("Note", "open is true", "read share"))

    worker.commit(share(worker, ids[0], worker.id, type="Note", database="other"))
    refused(worker, share(worker, ids[1], worker.id, type="Note", database="other"))
    refused(worker, share(worker, ids[0], worker.id, type="Note"))


def test_what_is_shared_for_writing_may_be_changed_and_not_shared_on(office: Office) -> None:
    worker = office.user("w")
    task, readable = office.create_one("Task", name="a"), office.create_one("Task", name="b")
    office.commit(share(worker, task, worker.id, access="write"), share(worker, readable, worker.id))

    worker.commit(Update("Task", [task], {"name": ["c"]}))
    refused(worker, Update("Task", [readable], {"name": ["c"]}))
    refused(worker, Delete("Task", [task]))
    refused(worker, share(worker, task, worker.id))

    assert office.rows("Task", "name") == {task: "c", readable: "b"}


# --- tokens and webhooks --------------------------------------------------------------------------


def test_users_revoke_their_own_tokens_and_nothing_else(office: Office) -> None:
    worker, other = office.user("w", *EVERYTHING), office.user("o")
    columns = {"user": [worker.id, worker.id, other.id], "kind": ["api_key"] * 3, "scopes": ['["read"]'] * 3}
    mine, second, theirs = new_ids(3)
    office.commit(Create("Token", [mine, second, theirs], columns))

    worker.commit(Update("Token", [mine], {"revoked": [1], "name": ["old"]}))
    worker.commit(Delete("Token", [second]))
    refused(worker, Update("Token", [mine], {"revoked": [None]}))
    refused(worker, Update("Token", [mine], {"scopes": [None]}))
    refused(worker, Update("Token", [mine], {"user": [worker.id]}))
    refused(worker, Update("Token", [theirs], {"revoked": [1]}), NotFound)
    refused(worker, Delete("Token", [theirs]), NotFound)

    assert office.rows("Token", "revoked", "name") == {mine: (1, "old"), theirs: (None, None)}


def test_a_token_acts_for_a_user_whom_its_changer_governs(office: Office) -> None:
    worker = office.user("w", *every("Token"), *every("User", verbs="read"))
    governor = office.user("g", *every("Token"), *every("User", verbs="read update"))
    strong = administrator(office)
    mine, theirs = new_ids(2)
    office.commit(Create("Token", [mine, theirs], {"user": [worker.id, strong.id], "kind": ["api_key"] * 2}))

    refused(worker, Update("Token", [mine], {"user": [strong.id]}))
    refused(worker, Update("Token", [theirs], {"user": [worker.id]}))
    refused(worker, Update("Token", [theirs], {"expires": [None]}))
    refused(worker, Create("Token", new_ids(1), {"user": [strong.id], "kind": ["api_key"]}))
    worker.commit(Update("Token", [mine], {"scopes": [None]}))
    worker.commit(Update("Token", [theirs], {"revoked": [1]}))
    governor.commit(Update("Token", [mine], {"user": [strong.id]}))

    assert office.rows("Token", "user") == {mine: strong.id, theirs: strong.id}


@pytest.mark.parametrize("scope", ["read", "write"])
def test_tokens_of_small_scope_end_no_tokens_and_those_for_reading_no_shares(office: Office, scope: str) -> None:
    worker = office.user("w", *EVERYTHING)
    small = Worker(office, Actor(name="w", user=worker.id, scopes=(scope,)))
    tag, token, share = new_ids(3)
    office.commit(
        Create("Tag", [tag], {"name": ["t"]}), Create("Token", [token], {"user": [worker.id], "kind": ["api_key"]})
    )
    worker.commit(Create("Share", [share], {"type": ["Tag"], "entity": [tag], "user": [worker.id]}))

    refused(small, Update("Token", [token], {"revoked": [1]}))
    refused(small, Delete("Token", [token]))
    if scope == "read":
        refused(small, Delete("Share", [share]))
    else:
        small.commit(Delete("Share", [share]))


def test_a_webhook_sees_with_eyes_that_its_maker_governs(office: Office) -> None:
    hooks = every("Webhook")
    worker = office.user("w", *hooks, *every("User", verbs="read"))
    governor = office.user("g", *hooks, *every("User", verbs="read update"))
    strong = administrator(office)

    def hook(user: bytes) -> Create:
        return Create("Webhook", new_ids(1), {"user": [user], "url": ["https://h.example"]})

    theirs = hook(strong.id)
    office.commit(theirs)
    own = hook(worker.id)
    worker.commit(own)
    refused(worker, hook(strong.id))
    refused(worker, Update("Webhook", theirs.ids, {"url": ["https://evil.example"]}))
    refused(worker, Update("Webhook", own.ids, {"user": [strong.id]}))
    governor.commit(hook(strong.id))

    assert len(office.rows("Webhook", "url")) == 3


# --- schema and databases -------------------------------------------------------------------------


def test_schema_changes_need_a_define_rule_and_those_of_accounts_more(office: Office) -> None:
    worker = office.user("w", *EVERYTHING)
    definer = office.user("d", Rule("define", "*"))
    extra = DefineType(EntityType(name="Extra", attributes=(a("name"),)))

    refused(worker, extra)
    with pytest.raises(PermissionDenied):
        worker.room.preview("main", [extra])
    refused(definer, DefineAttribute("User", a("phone")))
    refused(definer, DropType("Rule"))
    refused(definer, DefineType(EntityType(name="Robot", extends="User")))
    with pytest.raises(PermissionDenied):
        definer.room.preview("main", [DropType("Rule")])
    definer.commit(extra)
    assert [each.refusal for each in definer.room.preview("main", [DropType("Extra")])] == [""]


def test_a_refused_schema_change_shows_no_values_to_who_may_not_see_them(office: Office) -> None:
    definer = office.user("d", Rule("define", "*"))
    office.create_one("Task", name="secret name")
    operation = DefineAttribute("Task", a("must", required=True))

    with pytest.raises(SchemaChangeRefused) as caught:
        definer.commit(operation)
    [effect] = definer.room.preview("main", [operation])
    [full] = office.room.preview("main", [operation])

    assert (caught.value.entities, caught.value.values, caught.value.count) == ([], [], 1)
    assert (effect.facts["entities"], full.facts["entities"] != []) == ([], True)


def test_databases_are_made_and_dropped_by_who_may_define_and_that_of_accounts_by_the_owner(office: Office) -> None:
    worker, definer = office.user("w", *EVERYTHING), office.user("d", Rule("define", "*"))
    admin = administrator(office)
    info = DatabaseInfo(key="other")

    with pytest.raises(PermissionDenied):
        worker.room.create_database(info)
    definer.room.create_database(info)
    with pytest.raises(PermissionDenied):
        worker.room.drop_database("other")
    with pytest.raises(PermissionDenied):
        worker.room.drop_database("nowhere")
    with pytest.raises(UnknownDatabase):
        definer.room.drop_database("nowhere")
    definer.room.drop_database("other")
    for each in (definer, admin):
        with pytest.raises(PermissionDenied, match="only the owner"):
            each.room.drop_database("main")


def test_rules_hold_from_the_next_commit_on(office: Office) -> None:
    worker = office.user("w", *every("Task"))
    worker.commit(Create("Task", new_ids(1), {"name": ["a"]}))
    [rule] = [each for each, verb in office.rows("Rule", "verb").items() if verb == "create"]

    office.commit(Delete("Rule", [rule]))

    refused(worker, Create("Task", new_ids(1), {"name": ["b"]}))
    assert worker.room.commit(Commit(id=new_id())).revision == office.revision
