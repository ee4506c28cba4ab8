"""What actors with rules may write: each verb, what they do not see, and what messages may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recordroom.errors import (
    Conflict,
    DeleteRestricted,
    Error,
    InvalidReference,
    NotFound,
    NotUnique,
    PermissionDenied,
)
from recordroom.model.actor import Actor
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    Commit,
    Create,
    Delete,
    DropKeys,
    Link,
    Operation,
    Publish,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.store.default_roles import ADMINISTRATOR, default_roles
from recordroom.store.plans import Fetch, Plan
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.store.office import Office, Rule, Worker, every


@pytest.fixture(params=DATABASES)
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """An office whose room is in order at the end."""
    places: Places = request.getfixturevalue("places_sqlite" if request.param == "sqlite" else "places_postgres")
    with Room.open(places("office"), durability="normal") as room:
        office = Office(room)
        yield office
        assert [str(problem) for problem in office.report()] == []


@pytest.fixture
def worker(office: Office) -> Worker:
    """Somebody who may do everything with open tasks and assets and unsecret tags, and nothing with others."""
    tags = every("Tag", "secret is false")
    return office.user("worker", *every("Task", "open is true"), *every("Asset", "open is true"), *tags)


def refused(worker: Worker, error: type[Error], *operations: Operation, **facts: Any) -> Error:
    """The error that a commit raises; it changes nothing."""
    before = worker.room.driver.run(_revision())
    with pytest.raises(error) as caught:
        worker.commit(*operations, **facts)
    assert worker.room.driver.run(_revision()) == before
    assert type(caught.value) is error
    return caught.value


def _revision() -> Plan[int]:
    rows = yield Fetch("SELECT revision FROM rr_room")
    return int(rows[0][0])


def told(error: Error, entity: bytes, other: bytes) -> tuple[str, Any]:
    """What an error says, with the id of one entity in the place of another's."""
    return (
        error.message.replace(show_id(entity), show_id(other)),
        {name: show_id(other) if fact == show_id(entity) else fact for name, fact in error.facts.items()},
    )


# --- create ---------------------------------------------------------------------------------------


def test_what_is_created_must_be_within_a_create_rule(office: Office, worker: Worker) -> None:
    [task] = new_ids(1)

    worker.commit(Create("Task", [task], {"name": ["mine"]}))
    error = refused(worker, PermissionDenied, Create("Task", new_ids(1), {"name": ["x"], "open": [False]}))

    assert office.rows("Task", "name") == {task: "mine"}
    assert error.verb == "create"


def test_only_the_attributes_that_a_create_rule_covers_may_be_given(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task"), Rule("create", "Task", None, "name", "bid"))

    worker.commit(Create("Task", new_ids(1), {"name": ["a"], "bid": [1], "salary": [None]}))
    refused(worker, PermissionDenied, Create("Task", new_ids(1), {"name": ["a"], "salary": [1]}))

    assert len(office.rows("Task", "name")) == 1


def test_nothing_is_created_of_a_type_without_a_rule(office: Office, worker: Worker) -> None:
    error = refused(worker, PermissionDenied, Create("Project", new_ids(1), {"name": ["p"]}))

    assert "Project" in error.message


def test_what_is_changed_after_it_was_created_counts_as_created_so(office: Office, worker: Worker) -> None:
    task, other = new_ids(2)

    worker.commit(
        Create("Task", [task], {"open": [False]}), Update("Task", [task], {"open": [True]}), Delete("Task", [task])
    )
    worker.commit(Create("Task", [task], {"open": [False]}), Update("Task", [task], {"open": [True]}))
    refused(worker, PermissionDenied, Create("Task", [other], {}), Update("Task", [other], {"open": [False]}))

    assert set(office.rows("Task", "name")) == {task}


def test_new_entities_may_name_each_other(office: Office, worker: Worker) -> None:
    parent, child = new_ids(2)

    worker.commit(Create("Task", [parent], {}), Create("Task", [child], {"parent": [parent]}))

    assert office.rows("Task", "parent") == {parent: None, child: parent}


# --- update ---------------------------------------------------------------------------------------


def test_an_update_needs_a_rule_before_and_after(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task"), Rule("update", "Task", "open is true"))
    mine = office.create_one("Task", name="a")
    other = office.create_one("Task", name="b", open=False)

    worker.commit(Update("Task", [mine], {"bid": [1]}))
    into = refused(worker, PermissionDenied, Update("Task", [other], {"open": [True]}))
    away = refused(worker, PermissionDenied, Update("Task", [mine], {"open": [False]}))

    assert office.rows("Task", "bid", "open") == {mine: (1, True), other: (None, False)}
    assert into.attributes == away.attributes == ("open",)
    assert show_id(other) in into.message


def test_each_attribute_that_changes_needs_a_rule_that_covers_it(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task"), Rule("update", "Task", None, "bid", "tags"))
    task, tag = office.create_one("Task", name="a"), office.create_one("Tag", name="t")
    seeing = office.user("v", Rule("read", "Tag"), roles=())

    worker.commit(Update("Task", [task], {"bid": [1]}))
    refused(worker, PermissionDenied, Update("Task", [task], {"bid": [2], "name": ["b"]}))
    refused(worker, InvalidReference, Link("Task", "tags", [task], [tag]))
    refused(worker, PermissionDenied, SetKeys("Task", "meta", [task], ["k"], ["v"]))
    refused(seeing, NotFound, Update("Task", [task], {"bid": [2]}))

    assert office.rows("Task", "name", "bid") == {task: ("a", 1)}


def test_values_that_are_there_already_do_not_let_in(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task", None, "name"), Rule("update", "Task", None, "name"))
    task = office.create_one("Task", name="a", salary=5)

    for salary in (5, 6):
        refused(worker, PermissionDenied, Update("Task", [task], {"salary": [salary]}))


def test_whoever_writes_without_seeing_is_not_told_what_was_there(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task", None, "name"), Rule("update", "Task"))
    task = office.create_one("Task", name="a", salary=5)
    base = office.revision
    office.commit(Update("Task", [task], {"salary": [7]}))

    results = [worker.commit(Update("Task", [task], {"salary": [value]}, base=[base])) for value in (7, 8)]

    assert [result.revision for result in results] == [base + 2, base + 3]
    assert office.rows("Task", "salary") == {task: 8}


def test_the_state_before_the_commit_decides(office: Office) -> None:
    worker = office.user(
        "w",
        *every("Task", verbs="read"),
        Rule("update", "Task", "asset.open is true"),
        *every("Asset", verbs="read update"),
    )
    asset = office.create_one("Asset", name="a", open=False)
    task = office.create_one("Task", asset=asset)
    opening = Update("Asset", [asset], {"open": [True]})

    refused(worker, PermissionDenied, opening, Update("Task", [task], {"bid": [1]}))
    worker.commit(opening)
    worker.commit(Update("Task", [task], {"bid": [1]}))

    assert office.rows("Task", "bid") == {task: 1}


# --- what is not seen is not there ----------------------------------------------------------------


def test_changing_what_is_not_seen_says_what_changing_nothing_says(office: Office, worker: Worker) -> None:
    hidden, missing = office.create_one("Task", name="h", open=False), new_id()
    tag, new = office.create_one("Tag", name="t"), new_id()

    for make in (
        lambda each: Update("Task", [each], {"bid": [1]}),
        lambda each: Update("Task", [each], {"bid": [1]}, base=[1]),
        lambda each: Delete("Task", [each]),
        lambda each: Link("Task", "tags", [each], [tag]),
        lambda each: Link("Tag", "tasks", [tag], [each]),
        lambda each: SetKeys("Task", "meta", [each], ["k"], ["v"]),
        lambda each: Create("Task", [new], {"parent": [each]}),
        lambda each: Create("Task", [new], {"worker": [each]}),
        lambda each: Update("Asset", [each], {"name": ["n"]}),
    ):
        with pytest.raises((NotFound, InvalidReference)) as of_hidden:
            worker.commit(make(hidden))
        with pytest.raises((NotFound, InvalidReference)) as of_missing:
            worker.commit(make(missing))

        assert type(of_hidden.value) is type(of_missing.value)
        assert told(of_hidden.value, hidden, missing) == told(of_missing.value, missing, missing)


def test_removing_from_what_is_not_seen_does_nothing(office: Office, worker: Worker) -> None:
    hidden, mine = office.create_one("Task", open=False), office.create_one("Task", name="m")
    tag, secret = office.create_one("Tag", name="t"), office.create_one("Tag", secret=True)
    office.commit(Link("Task", "tags", [hidden, mine], [tag, secret]), SetKeys("Task", "meta", [hidden], ["k"], ["v"]))
    before = office.revision

    results = [
        worker.commit(operation)
        for operation in (
            Unlink("Task", "tags", [hidden], [tag]),
            Unlink("Tag", "tasks", [tag], [hidden]),
            Unlink("Task", "tags", [mine], [secret]),
            DropKeys("Task", "meta", [hidden], ["k"]),
        )
    ]

    assert {result.revision for result in results} == {before}
    assert len(office.entries("Task", "tags")) == 2


def test_a_reference_to_what_is_not_seen_is_refused_even_where_it_is_there_already(
    office: Office, worker: Worker
) -> None:
    hidden = office.create_one("Asset", name="h", open=False)
    task = office.create_one("Task", asset=hidden)

    error = refused(worker, InvalidReference, Update("Task", [task], {"asset": [hidden]}))
    worker.commit(Update("Task", [task], {"bid": [3]}))

    assert "found" not in error.facts
    assert office.rows("Task", "asset", "bid") == {task: (hidden, 3)}


def test_what_is_seen_and_of_another_type_is_named(office: Office, worker: Worker) -> None:
    asset = office.create_one("Asset", name="a")

    error = refused(worker, InvalidReference, Create("Task", new_ids(1), {"parent": [asset]}))

    assert error.found == "Asset"


def test_links_are_an_attribute_of_the_type_that_declares_them(office: Office) -> None:
    tagger = office.user("t", *every("Tag"), Rule("read", "Task"))
    owner = office.user("o", *every("Task"), Rule("read", "Tag"))
    task, tag = office.create_one("Task", name="a"), office.create_one("Tag", name="t")

    for link in (Link("Task", "tags", [task], [tag]), Link("Tag", "tasks", [tag], [task])):
        refused(tagger, PermissionDenied, link)
        owner.commit(link)
        refused(tagger, PermissionDenied, Unlink(link.type, link.attribute, link.sources, link.targets))
    owner.commit(Unlink("Tag", "tasks", [tag], [task]))

    assert office.entries("Task", "tags") == {}


# --- delete ---------------------------------------------------------------------------------------


def test_a_delete_needs_a_rule(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task"), Rule("delete", "Task", "open is true"))
    mine, other = office.create_one("Task", name="a"), office.create_one("Task", open=False)

    worker.commit(Delete("Task", [mine]))
    error = refused(worker, PermissionDenied, Delete("Task", [other]))

    assert set(office.rows("Task", "name")) == {other}
    assert error.verb == "delete"


def test_what_goes_along_needs_no_rule_and_is_told_only_where_it_is_seen(office: Office, worker: Worker) -> None:
    top = office.create_one("Task", name="top")
    seen, hidden = office.create_one("Task", parent=top), office.create_one("Task", parent=top, open=False)
    below = office.create_one("Task", parent=hidden)
    leads = [office.create_one("Task", lead=top, open=each) for each in (True, False)]

    result = worker.commit(Delete("Task", [top]))

    assert sorted(result.deleted) == sorted([("Task", seen), ("Task", below)])
    assert result.stale == [("Task", leads[0])]
    assert set(office.rows("Task", "name")) == set(leads)
    assert office.rows("Task", "lead") == dict.fromkeys(leads)


def test_what_was_seen_before_is_told_though_its_condition_went_with_what_was_deleted(office: Office) -> None:
    worker = office.user("w", *every("Task", "parent.open is true or (open is true and parent is none)"))
    top = office.create_one("Task", name="top")
    below = office.create_one("Task", parent=top)

    result = worker.commit(Delete("Task", [top]))

    assert result.deleted == [("Task", below)]


def test_nothing_is_said_of_what_is_not_seen_and_in_the_way(office: Office, worker: Worker) -> None:
    asset = office.create_one("Asset", name="a")
    hidden = [office.create_one("Task", asset=asset, open=False) for _ in range(3)]

    unseen = refused(worker, DeleteRestricted, Delete("Asset", [asset]))
    seen = office.create_one("Task", asset=asset)
    some = refused(worker, DeleteRestricted, Delete("Asset", [asset]))

    assert (unseen.count, unseen.examples, unseen.referring_type, unseen.attribute) == (0, [], "", "")
    assert "3" not in unseen.message.replace(show_id(asset), "")
    assert not any(show_id(each) in f"{unseen.message} {unseen.facts} {some.facts}" for each in hidden)
    assert (some.count, some.examples) == (1, [show_id(seen)])


# --- unique values and conflicts ------------------------------------------------------------------


def test_a_value_that_somebody_unseen_has_is_refused_without_saying_who(office: Office, worker: Worker) -> None:
    hidden = office.create_one("Asset", name="h", code="x", open=False)
    seen = office.create_one("Asset", name="s", code="y")

    of_hidden = refused(worker, NotUnique, Create("Asset", new_ids(1), {"code": ["x"]}))
    of_seen = refused(worker, NotUnique, Create("Asset", new_ids(1), {"code": ["y"]}))
    again = refused(worker, NotUnique, Create("Asset", [hidden], {"code": ["z"]}))

    assert "existing" not in of_hidden.facts
    assert "existing" not in again.facts
    assert show_id(hidden) not in f"{of_hidden.message}{of_hidden.facts}"
    assert of_seen.existing == show_id(seen)


def test_a_conflict_shows_what_the_actor_sees(office: Office) -> None:
    worker = office.user(
        "w",
        Rule("read", "Task", "open is true", "name", "bid", "asset"),
        Rule("update", "Task"),
        *every("Asset", "open is true"),
    )
    task, hidden = office.create_one("Task", name="a", bid=1, salary=1), office.create_one("Asset", open=False)
    base = office.revision
    office.commit(Update("Task", [task], {"bid": [2], "salary": [99], "asset": [hidden]}))

    merged = refused(worker, Conflict, Update("Task", [task], {"bid": [3], "salary": [3]}, base=[base]))
    whole = refused(worker, Conflict, Update("Task", [task], {"name": ["b"]}, base=[base]), on_conflict="fail")

    assert [(clash.attribute, clash.mine, clash.theirs) for clash in merged.clashes] == [("bid", 3, 2)]
    assert [(clash.attribute, clash.theirs) for clash in whole.clashes] == [("bid", 2), ("asset", None)]
    assert {clash.base for clash in whole.clashes} == {None}


def test_a_conflict_about_hidden_values_only_says_that_there_was_a_change(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task", None, "name"), Rule("update", "Task"), Rule("delete", "Task"))
    task = office.create_one("Task", name="a", salary=1)
    base = office.revision
    changed = office.commit(Update("Task", [task], {"salary": [99]})).revision

    for operation, mode in (
        (Update("Task", [task], {"name": ["b"]}, base=[base]), "fail"),
        (Delete("Task", [task], base=[base]), "merge"),
    ):
        error = refused(worker, Conflict, operation, on_conflict=mode)
        assert [(clash.attribute, clash.theirs) for clash in error.clashes] == [("revision", changed)]


def test_whoever_always_sees_a_value_is_told_what_it_was(office: Office) -> None:
    worker = office.user("w", *every("Task"))
    task = office.create_one("Task", bid=1)
    base = office.revision
    office.commit(Update("Task", [task], {"bid": [2]}))

    error = refused(worker, Conflict, Update("Task", [task], {"bid": [3]}, base=[base]))

    assert [(clash.base, clash.mine, clash.theirs) for clash in error.clashes] == [(1, 3, 2)]


# --- continuing, repeating, reverting -------------------------------------------------------------


def test_those_refused_are_left_out_with_the_right_reason(office: Office) -> None:
    worker = office.user("w", Rule("read", "Task", "bid > 0"), *every("Task", "open is true", "create update delete"))
    mine, forbidden = office.create_one("Task", bid=1), office.create_one("Task", bid=1, open=False)
    hidden, moved = office.create_one("Task", bid=0), office.create_one("Task", bid=1)
    closed, child, good = new_ids(3)

    result = worker.commit(
        Update("Task", [mine, forbidden, hidden], {"name": ["n", "n", "n"]}),
        Update("Task", [moved], {"open": [False]}),
        Create("Task", [closed, good], {"open": [False, True]}),
        Create("Task", [child], {"parent": [closed]}),
        on_error="continue",
    )

    assert {(each.entity, each.code) for each in result.refused} == {
        (forbidden, "permission_denied"),
        (hidden, "not_found"),
        (moved, "permission_denied"),
        (closed, "permission_denied"),
        (child, "invalid_reference"),
    }
    assert office.rows("Task", "name", "open") == {
        mine: ("n", True),
        forbidden: (None, False),
        hidden: (None, True),
        moved: (None, True),
        good: (None, True),
    }


def test_a_repeat_tells_the_same_again_and_to_nobody_else_of_the_name(office: Office, worker: Worker) -> None:
    top = office.create_one("Task", name="top")
    below = office.create_one("Task", parent=top)
    commit = Commit(id=new_id(), operations=[Delete("Task", [top])])
    first = worker.room.commit(commit)

    again = worker.room.commit(commit)
    office.commit(Update("User", [worker.id], {"name": ["renamed"]}))
    other = office.user("worker").room.commit(commit)

    assert (again.deleted, again.repeated) == ([("Task", below)], True) == (first.deleted, True)
    assert (other.revision, other.deleted, other.repeated) == (first.revision, [], True)


def test_what_the_owner_did_under_a_name_is_not_told_to_a_user_of_that_name(office: Office, worker: Worker) -> None:
    top = office.create_one("Task", open=False)
    office.create_one("Task", parent=top, open=False)
    commit = Commit(id=new_id(), operations=[Delete("Task", [top])])
    owners = office.room.acting(Actor(name="worker")).commit(commit)

    assert len(owners.deleted) == 1
    assert worker.room.commit(commit).deleted == []


def test_actors_revert_what_they_may_change(office: Office, worker: Worker) -> None:
    task = office.create_one("Task", name="a", bid=1)
    update = office.commit(Update("Task", [task], {"bid": [2]})).revision
    deleted = office.commit(Delete("Task", [task])).revision

    worker.room.revert(deleted, Commit(id=new_id()))
    last = Commit(id=new_id())
    result = worker.room.revert(update, last)

    assert office.rows("Task", "bid") == {task: 1}
    assert worker.room.revert(update, last) == msgspec.structs.replace(result, repeated=True)


def test_a_revert_of_a_create_may_be_repeated(office: Office, worker: Worker) -> None:
    created = worker.commit(Create("Task", new_ids(1), {"name": ["a"]})).revision
    commit = Commit(id=new_id())
    result = worker.room.revert(created, commit)

    again = worker.room.revert(created, commit)

    assert (again.revision, again.repeated) == (result.revision, True)
    assert office.rows("Task", "name") == {}


def test_a_revert_of_what_is_not_seen_tells_nothing(office: Office, worker: Worker) -> None:
    hidden, asset = office.create_one("Task", name="a", open=False), office.create_one("Asset", open=False)
    task, secret = office.create_one("Task", asset=asset), office.create_one("Tag", secret=True)
    revisions = [
        office.commit(operation).revision
        for operation in (
            Update("Task", [hidden], {"bid": [2]}),
            SetKeys("Task", "meta", [hidden], ["k"], ["v"]),
            Update("Task", [task], {"asset": [None]}),
            Link("Task", "tags", [task], [secret]),
            Delete("Task", [hidden]),
        )
    ]
    before = office.revision

    for revision in revisions:
        for mode in ("stop", "continue"):
            with pytest.raises(PermissionDenied) as caught:
                worker.room.revert(revision, Commit(id=new_id(), on_error=mode))
            assert (
                caught.value.message == f"No permission for reverting commit {revision}: it changed more than you may."
            )
            assert caught.value.facts == {"what": f"reverting commit {revision}: it changed more than you may"}
    assert office.revision == before


# --- scopes and events ----------------------------------------------------------------------------


def test_a_token_for_reading_writes_nothing(office: Office) -> None:
    worker = office.user("w", *every("Task"), scopes=("read",))

    refused(worker, PermissionDenied, Create("Task", new_ids(1), {}))
    refused(worker, PermissionDenied, Publish("topic"))


def test_events_are_published_by_whoever_may_write(office: Office, worker: Worker) -> None:
    before = office.revision

    assert worker.commit(Publish("topic", 1)).revision == before + 1


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [None, "open is true"])
def test_restricted_actors_cost_the_same_number_of_statements_for_any_number_of_entities(
    office: Office, condition: str | None
) -> None:
    worker = office.user("w", *every("Task", condition), *every("Tag"))
    tag = office.create_one("Tag", name="t")
    costs: dict[str, set[int]] = {}

    def cost(name: str, operation: Operation) -> None:
        start = worker.room.driver.statements
        worker.commit(operation)
        costs.setdefault(name, set()).add(worker.room.driver.statements - start)

    worker.commit(Publish("warm"))
    for size in (1, 2, 300):
        ids = new_ids(size)
        cost("create", Create("Task", ids, {"name": ["n"] * size}))
        cost("update", Update("Task", ids, {"bid": [size] * size, "name": ["m"] * size}))
        cost("link", Link("Task", "tags", ids, [tag] * size))
        cost("keys", SetKeys("Task", "meta", ids, ["k"] * size, ["v"] * size))
        cost("delete", Delete("Task", ids))

    assert {name: len(each) for name, each in costs.items()} == dict.fromkeys(costs, 1)
    if condition is None:
        # The savepoint of the segment is all that is more.
        assert costs["update"] == {9}


def test_the_owner_and_administrators_pay_nothing(office: Office) -> None:
    office.commit(*default_roles())
    [role] = [each for each, name in office.rows("Role", "name").items() if name == ADMINISTRATOR]
    admin = office.user("admin", roles=[role])
    task = office.create_one("Task", name="a")
    costs = set()
    admin.commit(Publish("warm"))
    for bid, room in enumerate((office.room, admin.room)):
        start = room.driver.statements
        room.commit(Commit(id=new_id(), operations=[Update("Task", [task], {"bid": [bid]})]))
        costs.add(room.driver.statements - start)

    assert costs == {8}
