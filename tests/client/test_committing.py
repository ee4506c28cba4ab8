"""Commits: what is sent, what others did meanwhile, what happens while one is on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recordroom.client.committing import Clash
from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.errors import (
    Conflict,
    DeleteRestricted,
    InvalidReference,
    MissingValue,
    NotFound,
    NotUnique,
    StoreUnavailable,
)
from recordroom.model.operations import Commit, CommitResult, Create, Delete, Update


class Wire:
    """A transport that does something before or instead of a commit, and remembers what was sent."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.sent: list[Commit] = []
        self.before: Callable[[], Any] = lambda: None
        self.after: Callable[[], Any] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def commit(self, commit: Commit) -> CommitResult:
        self.sent.append(commit)
        self.before()
        result: CommitResult = self.transport.commit(commit)
        self.after()
        return result


@pytest.fixture
def wire(session: Session) -> Wire:
    found = Wire(session._meter._transport)
    session._meter._transport = found  # type: ignore[assignment]
    return found


def kinds(commit: Commit) -> list[str]:
    return [type(operation).__name__ for operation in commit.operations]


# --- what is sent ---------------------------------------------------------------------------------


def test_a_create_and_its_edits_are_one_create_with_the_last_values(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "a", "bid": 1})
    task["bid"] = 2
    task["bid"] = 3
    session.commit()

    [operation] = wire.sent[0].operations
    assert isinstance(operation, Create)
    assert operation.columns["bid"] == [3]


def test_a_new_entity_that_is_deleted_is_not_sent_nor_are_its_links(session: Session, wire: Wire) -> None:
    user = session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "a", "assignees": [user], "metadata": {"a": "b"}})
    kept = session.create("Task", {"name": "b"})
    session.delete(task)
    session.commit()

    assert kinds(wire.sent[0]) == ["Create", "Create"]
    assert session.created == []
    assert list(user["assignments"]) == []
    assert session.get("Task", task["id"]) is None
    assert kept["number"] == 1
    session.delete(session.create("Task", {"name": "c"}))
    assert not session.commit()
    assert len(wire.sent) == 1


def test_the_last_value_of_an_attribute_is_the_only_one_sent(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    task["bid"], task["bid"], task["name"] = 1, 2, "b"
    session.commit()

    [operation] = wire.sent[1].operations
    assert isinstance(operation, Update)
    assert operation.columns == {"bid": [2], "name": ["b"]}
    assert operation.base == [1 + wire.sent.index(wire.sent[0]) + 1]


def test_edits_of_a_deleted_entity_are_not_sent(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    task["bid"] = 1
    session.delete(task)
    session.commit()

    assert [type(each) for each in wire.sent[1].operations] == [Delete]


def test_updates_go_in_blocks_of_the_same_attributes(session: Session, wire: Wire) -> None:
    tasks = [session.create("Task", {"name": f"t{i}"}) for i in range(6)]
    session.commit()
    for task in tasks[:4]:
        task["bid"] = 1
    for task in tasks[2:]:
        task["hours"] = 2.0
    session.commit()

    blocks = {tuple(sorted(each.columns)): len(each.ids) for each in wire.sent[1].operations}  # type: ignore[union-attr]
    assert blocks == {("bid",): 2, ("bid", "hours"): 2, ("hours",): 2}


def test_parents_are_sent_before_children(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "t"})
    project = session.create("Project", {"name": "P"})
    user = session.create("User", {"name": "ann"})
    task["project"], project["lead"], task["owner"] = project, user, user
    session.commit()

    assert [each.type for each in wire.sent[0].operations] == ["User", "Project", "Task"]  # type: ignore[union-attr]


def test_nothing_recorded_sends_nothing(session: Session, wire: Wire) -> None:
    result = session.commit()

    assert not result
    assert result.revision == 0
    assert wire.sent == []


def test_notes_and_events_travel_with_the_commit(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "t"})
    session.publish("review.done", {"by": "ann"})
    session.commit("all good")

    assert kinds(wire.sent[0]) == ["Create", "Publish"]
    assert session.history(task)[0].notes == "all good"


def test_the_result_has_the_revision_and_the_time(session: Session) -> None:
    task = session.create("Task", {"name": "t"})
    result = session.commit()

    assert result
    assert result.revision == task["revision"] == task["created_revision"]
    assert result.time is not None
    assert task["created_at"] == task["modified_at"] == result.time
    assert task["created_by"] == "owner"
    task["bid"] = 1
    later = session.commit()
    assert task["revision"] == later.revision
    assert task["modified_at"] == later.time
    assert task["created_at"] == result.time


def test_computed_values_follow_a_commit(session: Session) -> None:
    task = session.create("Task", {"name": "t"})
    session.commit()
    assert task["loud"] == "T"
    task["name"] = "u"
    session.commit()

    assert task["loud"] == "U"


def test_numbers_and_defaults_come_without_asking(session: Session) -> None:
    tasks = [session.create("Task", {"name": f"t{i}"}) for i in range(3)]
    session.commit()
    before = session.round_trips

    assert [task["number"] for task in tasks] == [1, 2, 3]
    assert tasks[0]["status"] == "open"
    assert tasks[0]["bid"] is None
    assert session.round_trips == before


# --- others ---------------------------------------------------------------------------------------


def both(session: Session, other: Session, **values: Any) -> tuple[Any, Any]:
    task = session.create("Task", {"name": "t", **values})
    session.commit()
    return task, other.query("Task").one()


def test_disjoint_edits_merge_and_the_session_sees_both(session: Session, other: Session) -> None:
    mine, theirs = both(session, other, bid=1, hours=1.0)
    theirs["bid"] = 2
    other.commit()
    mine["hours"] = 2.0
    session.commit()

    assert (mine["bid"], mine["hours"]) == (2, 2.0)
    other.refresh(theirs)
    assert (theirs["bid"], theirs["hours"]) == (2, 2.0)


def test_a_clash_raises_with_base_mine_and_theirs_and_changes_nothing(session: Session, other: Session) -> None:
    mine, theirs = both(session, other, due="2026-01-01T00:00Z")
    base = mine["due"]
    theirs["due"] = "2026-02-01T00:00Z"
    other.commit()
    mine["due"] = "2026-03-01T00:00Z"
    new = session.create("Task", {"name": "new"})

    with pytest.raises(Conflict) as caught:
        session.commit()
    clash = caught.value.attributes["due"]
    assert clash == Clash(mine, "due", base, mine["due"], theirs["due"])
    assert caught.value.entity == mine["id"]
    assert caught.value.names == "due"
    assert session.created == [new]
    assert session.modified == [mine]
    session.refresh(mine)
    assert mine["due"].month == 3
    assert session.commit()
    other.refresh(theirs)
    assert theirs["due"].month == 3


def test_equal_values_never_clash(session: Session, other: Session) -> None:
    mine, theirs = both(session, other, bid=1)
    theirs["bid"] = mine["bid"] = 2
    other.commit()
    session.commit()

    assert mine["bid"] == 2


@pytest.mark.parametrize("attribute", ["bid", "hours"])
def test_fail_refuses_any_change_by_others(session: Session, other: Session, attribute: str) -> None:
    mine, theirs = both(session, other)
    theirs[attribute] = 5
    other.commit()
    mine["bid"] = 7

    with pytest.raises(Conflict):
        session.commit(on_conflict="fail")


def test_mine_wins_where_it_is_asked_for(session: Session, other: Session) -> None:
    mine, theirs = both(session, other)
    theirs["bid"] = 5
    other.commit()
    mine["bid"] = 7
    session.commit(on_conflict="mine")

    other.refresh(theirs)
    assert theirs["bid"] == 7


def test_a_function_decides_each_clash(session: Session, other: Session) -> None:
    mine, theirs = both(session, other, bid=1, hours=1.0, note="x")
    theirs["bid"], theirs["hours"], theirs["note"] = 10, 10.0, "theirs"
    other.commit()
    mine["bid"], mine["hours"], mine["note"] = 5, 5.0, "mine"
    seen: list[Clash] = []

    def decide(clash: Clash) -> Any:
        seen.append(clash)
        return {"bid": clash.mine + clash.theirs, "hours": clash.theirs, "note": clash.mine}[clash.attribute]

    session.commit(on_conflict=decide)
    assert sorted(clash.attribute for clash in seen) == ["bid", "hours", "note"]
    other.refresh(theirs)
    assert (theirs["bid"], theirs["hours"], theirs["note"]) == (15, 10.0, "mine")
    assert (mine["bid"], mine["hours"], mine["note"]) == (15, 10.0, "mine")


def test_deleting_what_others_changed_is_a_conflict(session: Session, other: Session) -> None:
    mine, theirs = both(session, other, bid=1)
    theirs["bid"] = 2
    other.commit()
    session.delete(mine)

    with pytest.raises(Conflict) as caught:
        session.commit()
    assert caught.value.attributes["bid"].mine is NOT_SET
    session.commit(on_conflict=lambda clash: clash.theirs)
    assert session.state(mine) == "clean"
    session.delete(mine)
    session.refresh(mine)
    session.commit()
    assert other.query("Task").count() == 0


def test_an_edit_keeps_the_base_it_was_made_on_when_a_query_brings_newer_values(
    session: Session, other: Session
) -> None:
    mine, theirs = both(session, other, bid=1, hours=1.0)
    mine["bid"] = 3
    theirs["bid"] = 2
    other.commit()
    session.query("Task").all()
    mine["hours"] = 2.0

    with pytest.raises(Conflict) as caught:
        session.commit()
    assert list(caught.value.attributes) == ["bid"]
    assert caught.value.attributes["bid"].base == 1


def test_editing_what_others_deleted_says_so(session: Session, other: Session) -> None:
    mine, theirs = both(session, other)
    other.delete(theirs)
    other.commit()
    mine["bid"] = 1

    with pytest.raises(NotFound):
        session.commit()
    session.refresh(mine)
    assert session.state(mine) == "deleted"
    session.rollback()
    assert not session.commit()


# --- failures -------------------------------------------------------------------------------------


def test_a_failed_commit_gives_everything_back_and_can_be_repaired(session: Session) -> None:
    session.create("Project", {"name": "P"})
    session.commit()
    project = session.create("Project", {"name": "P"})
    task = session.create("Task", {"name": "t", "project": project})
    task["metadata"]["a"] = "b"
    ann = session.create("User", {"name": "ann", "assignments": [task]})

    with pytest.raises(NotUnique) as caught:
        session.commit()
    assert caught.value.values == ("P",)
    assert session.created == [project, task, ann]
    project["name"] = "Q"
    session.commit()
    assert session.query("select name, assignees.name from Task where project.name is Q").one() is task
    assert [user["name"] for user in task["assignees"]] == ["ann"]
    assert dict(task["metadata"]) == {"a": "b"}


def test_a_required_value_that_is_missing_is_named(session: Session) -> None:
    task = session.create("Task", {"bid": 1})

    with pytest.raises(MissingValue) as caught:
        session.commit()
    assert (caught.value.type, caught.value.attribute) == ("Task", "name")
    assert task["id"] in caught.value.entities


def test_a_reference_to_nothing_is_refused(session: Session) -> None:
    session.create("Task", {"name": "t", "project": "01890a5d-ac96-774b-bcce-b302099a8057"})

    with pytest.raises(InvalidReference):
        session.commit()


def test_continue_leaves_out_what_is_wrong_and_keeps_it_local(session: Session, other: Session) -> None:
    session.create("Project", {"name": "P"})
    task = session.create("Task", {"name": "t"})
    session.commit()
    good, bad, better = (session.create("Project", {"name": name}) for name in ("Q", "P", "R"))
    child = session.create("Task", {"name": "child", "project": bad})
    task["bid"] = 1
    result = session.commit(on_error="continue")

    assert {refused.entity for refused in result.refused} >= {bad}
    assert isinstance(next(each.error for each in result.refused if each.entity is bad), NotUnique)
    assert [good["number"], better["number"]] == [2, 3]
    assert session.state(good) == session.state(task) == "clean"
    assert session.state(bad) == "created"
    assert session.state(child) == "created"
    assert sorted(each["name"] for each in other.query("Project")) == ["P", "Q", "R"]
    bad["name"] = "S"
    session.commit()
    assert other.query("Task where name is child").one()["project"]["name"] == "S"


def test_continue_with_created_in_bulk(session: Session, other: Session) -> None:
    session.create("Project", {"name": "3"})
    session.commit()
    many = session.create_many("Project", {"name": [str(i) for i in range(6)]})
    result = session.commit(on_error="continue")

    assert [refused.entity for refused in result.refused] == [many[3]]
    assert [session.state(each) for each in many] == ["clean"] * 3 + ["created"] + ["clean"] * 2
    assert [each["number"] for each in many if session.state(each) == "clean"] == [2, 3, 4, 5, 6]
    many[3]["name"] = "x"
    session.commit()
    assert many[3]["number"] == 7
    assert other.query("Project").count() == 7


def test_continue_with_refused_updates_deletes_links_and_entries(session: Session, other: Session) -> None:
    first, second = session.create("Project", {"name": "P"}), session.create("Project", {"name": "Q"})
    ann = session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "t"})
    session.commit()
    second["name"] = "P"
    task["name"] = None
    task["assignees"].link(ann, "x")
    task["metadata"]["a"] = "b"
    first["budget"] = "3"
    result = session.commit(on_error="continue")

    assert {refused.entity for refused in result.refused} == {second, task}
    assert session.state(first) == "clean"
    assert session.modified == [second, task]
    assert task["assignees"].note(ann) == "x"
    theirs = other.query("Task").one()
    assert list(theirs["assignees"]) == []
    task["name"], second["name"] = "u", "R"
    session.commit()
    other.refresh(theirs)
    assert theirs["assignees"].note(other.query("User").one()) == "x"
    assert dict(theirs["metadata"]) == {"a": "b"}


def test_what_the_room_changed_beyond_the_commit_is_known_here(session: Session) -> None:
    project = session.create("Project", {"name": "P"})
    ann = session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "t", "project": project})
    owned = session.create("Task", {"name": "o", "owner": ann})
    session.commit()
    session.delete([project, ann])
    session.commit()

    assert session.state(task) == "deleted"
    assert owned["owner"] is None
    assert session.state(owned) == "clean"


# --- on its way -----------------------------------------------------------------------------------


def test_edits_made_during_a_commit_belong_to_the_next(session: Session, wire: Wire, other: Session) -> None:
    old = session.create("Task", {"name": "old"})
    session.commit()
    ann = session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "a", "bid": 1})
    old["bid"] = 1

    def meanwhile() -> None:
        task["bid"] = 2
        old["bid"] = 2
        old["hours"] = 1.0
        task["assignees"].add(ann)
        task["metadata"]["k"] = "v"
        assert session.state(task) == "created"
        session.create("Task", {"name": "b"})
        wire.before = lambda: None

    wire.before = meanwhile
    session.commit()
    seen = {each["name"]: each["bid"] for each in other.query("Task")}
    assert seen == {"old": 1, "a": 1}
    assert (task["bid"], old["bid"]) == (2, 2)
    assert session.state(task) == session.state(old) == "modified"
    session.commit()
    other.refresh(other.query("Task").all())
    assert {each["name"]: each["bid"] for each in other.query("Task")} == {"old": 2, "a": 2, "b": None}
    assert [user["name"] for user in other.query("Task where name is a").one()["assignees"]] == ["ann"]
    assert session.state(task) == "clean"


def test_setting_back_during_a_commit_is_an_edit(session: Session, wire: Wire, other: Session) -> None:
    task = session.create("Task", {"name": "a", "bid": 1})
    session.commit()
    task["bid"] = 2
    wire.before = lambda: task.__setitem__("bid", 1)
    session.commit()
    wire.before = lambda: None

    assert task["bid"] == 1
    assert session.commit()
    assert other.query("Task").one()["bid"] == 1


def test_a_failed_commit_comes_before_what_was_edited_meanwhile(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    task["bid"] = 1
    new = session.create("Task", {"name": "new", "bid": 1})

    def meanwhile() -> None:
        task["bid"] = 2
        new["bid"] = 2
        session.create("Project", {"name": "P"})
        raise RuntimeError("the wire broke")

    wire.before = meanwhile
    with pytest.raises(RuntimeError):
        session.commit()
    wire.before = lambda: None
    assert [each["name"] for each in session.created] == ["new", "P"]
    session.commit()
    assert kinds(wire.sent[-1]) == ["Create", "Create", "Update"]
    assert wire.sent[-1].operations[0].columns["bid"] == [2]  # type: ignore[union-attr]
    assert (task["bid"], new["bid"]) == (2, 2)


def test_deleting_during_a_commit_belongs_to_the_next(session: Session, wire: Wire, other: Session) -> None:
    old = session.create("Task", {"name": "old"})
    session.commit()
    new = session.create("Task", {"name": "new"})
    old["bid"] = 1
    wire.before = lambda: session.delete([old, new])
    session.commit()
    wire.before = lambda: None

    assert other.query("Task").count() == 2
    assert session.state(new) == session.state(old) == "deleted"
    session.commit()
    assert other.query("Task").count() == 0


def test_a_query_during_a_commit_does_not_undo_it(session: Session, wire: Wire, other: Session) -> None:
    task = session.create("Task", {"name": "a", "bid": 1})
    session.commit()
    task["bid"] = 2

    def meanwhile() -> None:
        theirs = other.query("Task").one()
        theirs["bid"] = 3
        other.commit()
        session.query("Task").all()

    wire.after = meanwhile
    session.commit()
    assert task["bid"] == 3
    assert session.state(task) == "clean"


def test_a_commit_whose_answer_was_lost_is_sent_again_under_its_id(
    session: Session, wire: Wire, other: Session
) -> None:
    session.create("Task", {"name": "a"})
    failures = [StoreUnavailable(reason="gone"), StoreUnavailable(reason="gone")]

    def lose() -> None:
        if failures:
            raise failures.pop()

    wire.after = lose
    result = session.commit()
    assert result.repeated
    assert len({commit.id for commit in wire.sent}) == 1
    assert len(wire.sent) == 3
    assert other.query("Task").count() == 1


def test_a_commit_of_unknown_fate_is_settled_by_the_next(session: Session, wire: Wire, other: Session) -> None:
    task = session.create("Task", {"name": "a"})

    def lose() -> None:
        raise StoreUnavailable(reason="gone")

    wire.after = lose
    with pytest.raises(StoreUnavailable):
        session.commit()
    wire.after = lambda: None
    task["bid"] = 1
    session.create("Task", {"name": "b"})
    session.commit()

    assert len({commit.id for commit in wire.sent}) == 2
    assert sorted((each["name"], each["bid"]) for each in other.query("Task where bid is 1")) == [("a", 1)]
    assert other.query("Task").count() == 2
    assert session.state(task) == "clean"


def test_an_interrupted_commit_is_settled_by_the_next(session: Session, wire: Wire, other: Session) -> None:
    task = session.create("Task", {"name": "a"})

    def interrupt() -> None:
        raise KeyboardInterrupt

    wire.after = interrupt
    with pytest.raises(KeyboardInterrupt):
        session.commit()
    wire.after = lambda: None
    result = session.commit()

    assert result.repeated
    assert task["number"] == 1
    assert other.query("Task").count() == 1


def test_rolling_back_a_commit_of_unknown_fate_gives_it_up(session: Session, wire: Wire) -> None:
    task = session.create("Task", {"name": "a"})

    def lose() -> None:
        raise StoreUnavailable(reason="gone")

    wire.before = lose
    with pytest.raises(StoreUnavailable):
        session.commit()
    wire.before = lambda: None
    session.rollback()

    assert not session.commit()
    assert session.state(task) == "deleted"
    assert session.query("Task").count() == 0


# --- undo -----------------------------------------------------------------------------------------


def test_rollback_forgets_what_is_not_committed(session: Session) -> None:
    task = session.create("Task", {"name": "a", "bid": 1})
    ann = session.create("User", {"name": "ann"})
    session.commit()
    task["bid"] = 2
    task["assignees"].add(ann)
    task["metadata"]["a"] = "b"
    draft = session.create("Task", {"name": "draft"})
    many = session.create_many("Task", {"name": ["x", "y"]})
    session.delete(ann)
    session.publish("t")
    session.rollback()

    assert task["bid"] == 1
    assert list(task["assignees"]) == []
    assert dict(task["metadata"]) == {}
    assert [session.state(each) for each in (task, ann, draft, many[0])] == ["clean", "clean", "deleted", "deleted"]
    assert session.operations == []
    assert not session.commit()
    session.create("Task", {"name": "b"})
    assert session.commit()
    assert session.query("Task").count() == 2


def test_revert_undoes_a_commit_and_the_session_sees_it(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P"})
    task = session.create("Task", {"name": "a", "bid": 1, "project": project})
    doomed = session.create("Task", {"name": "doomed", "metadata": {"a": "b"}})
    ann = session.create("User", {"name": "ann"})
    session.commit()
    assert len(project["tasks"]) == 1
    task["bid"], task["project"] = 2, None
    task["assignees"].link(ann, "x")
    session.delete(doomed)
    result = session.commit()
    assert list(project["tasks"]) == []
    undone = session.revert(result, notes="oops")

    assert undone.revision == result.revision + 1
    assert (task["bid"], task["project"]) == (1, project)
    assert list(task["assignees"]) == []
    assert list(project["tasks"]) == [task]
    assert session.state(doomed) == "clean"
    assert dict(doomed["metadata"]) == {"a": "b"}
    assert session.history(task)[0].notes == "oops"
    session.revert(undone.revision)
    assert task["bid"] == 2
    assert session.state(session.get("Task", task["id"])) == "clean"  # type: ignore[arg-type]
    assert other.query("Task where name is doomed").count() == 0


def test_restricted_deletes_are_refused(session: Session) -> None:
    from recordroom.model.schema import Attribute, EntityType
    from tests.client.conftest import define

    define(
        session,
        EntityType(name="Box", attributes=(Attribute(name="name", kind="text"),)),
        EntityType(
            name="Item",
            attributes=(Attribute(name="box", kind="reference", target="Box", on_delete="restrict", reverse="items"),),
        ),
    )
    box = session.create("Box", {"name": "b"})
    item = session.create("Item", {"box": box})
    session.commit()
    assert list(box["items"]) == [item]
    session.delete(box)

    with pytest.raises(DeleteRestricted):
        session.commit()
    session.delete(item)
    session.commit()
    assert session.state(box) == "deleted"
