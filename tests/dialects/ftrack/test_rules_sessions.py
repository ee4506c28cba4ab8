"""What scripts of studios rely on in a session: its unit of work, its cache, its threads."""

from __future__ import annotations

import datetime as dt
import json
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.cache
    import ftrack_api.exception
    import ftrack_api.formatter
    import ftrack_api.inspection
    import ftrack_api.operation
    import ftrack_api.symbol

Connect = Callable[..., Any]
Unique = Callable[[str], str]


# --- the unit of work -----------------------------------------------------------------------------


def test_changes_are_told_apart_and_sent_together(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    user = session.create("User", {})
    user["username"] = f"new {user['id']}"
    shots[0]["name"] = "changed"
    shots[0]["name"] = "changed again"
    session.delete(shots[1])

    assert (session.created, session.modified, session.deleted) == ([user], [shots[0]], [shots[1]])
    states = ftrack_api.inspection.states([user, shots[0], shots[1], shots[2]])
    assert [each.name if each is not ftrack_api.symbol.NOT_SET else "" for each in states] == [
        "CREATED", "MODIFIED", "DELETED", "",
    ]  # fmt: skip
    assert len(session.recorded_operations) > 3
    calls.clear()
    session.commit()

    [[*sent]] = calls
    assert [(each["action"], each["entity_type"]) for each in sent] == [
        ("create", "User"), ("update", "Shot"), ("delete", "Shot"),
    ]  # fmt: skip
    assert sent[0]["entity_data"]["username"] == user["username"]
    assert sent[1]["entity_data"]["name"] == "changed again"
    assert (session.created, session.modified, session.deleted) == ([], [], [])
    calls.clear()
    session.commit()
    assert calls == []


def test_an_undone_change_was_never_there(session: Any, connect: Connect, shots: list[Any]) -> None:
    shots[0]["name"] = "nobody sees it"
    made = session.create("Shot", {"name": "nor this", "parent": shots[0]["parent"]})
    session.rollback()

    assert shots[0]["name"] == "sh10"
    assert not session.recorded_operations
    session.commit()
    assert connect().get("Shot", made["id"]) is None
    with session.operation_recording(False):
        shots[0]["name"] = "not recorded"
    session.commit()
    assert connect().get("Shot", shots[0]["id"])["name"] == "sh10"


def test_a_query_does_not_know_what_is_not_committed(session: Any, unique: Unique) -> None:
    name = unique("bjorn")
    user = session.create("User", {"username": name})
    assert len(session.query(f'User where username is "{name}"')) == 0
    session.commit()
    assert len(session.query(f'User where username is "{name}"')) == 1

    user["email"] = "me@example.com"
    retrieved = session.query(f'select email from User where id is "{user["id"]}"').one()
    assert retrieved is user
    assert retrieved["email"] == "me@example.com"


def test_values_of_others_come_with_a_query_and_own_ones_stay(session: Any, connect: Connect, shots: list[Any]) -> None:
    assert shots[0]["description"] is None
    other = connect()
    theirs = other.get("Shot", shots[0]["id"])
    theirs["description"], theirs["bid"] = "theirs", 8
    other.commit()
    shots[0]["bid"] = 5

    assert shots[0]["description"] is None
    session.query(f"select description, bid from Shot where id is {shots[0]['id']}").one()

    assert (shots[0]["description"], shots[0]["bid"]) == ("theirs", 5)
    del shots[0]["bid"]
    session.populate([shots[0]], "bid")
    assert shots[0]["bid"] == 8


def test_attributes_fill_themselves_once(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    session.reset()
    shot = session.get("Shot", shots[0]["id"])
    calls.clear()
    with session.auto_populating(False):
        assert shot["description"] is ftrack_api.symbol.NOT_SET
        assert shot["parent"] is ftrack_api.symbol.NOT_SET
    assert (shot["description"], shot["parent"]["name"], shot["description"]) == (None, "sq010", None)

    assert len(calls) == 2
    assert session.get("Shot", shot["id"]) is shot
    assert len(calls) == 2


def test_many_entities_are_filled_at_once(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    session.reset()
    found = session.query(f"Shot where parent_id is {shots[0]['parent_id']}").all()
    new = session.create("Shot", {"name": "new"})
    calls.clear()

    session.populate([*found, new], "description, parent.name, status.name, notes.content")
    assert [(each["description"], each["parent"]["name"], list(each["notes"])) for each in found] == [
        (None, "sq010", [])
    ] * 5

    assert len(calls) == 1
    session.rollback()


def test_a_closed_session_refuses_and_may_be_closed_again(connect: Connect) -> None:
    session = connect()
    session.create("Scope", {"name": "lost"})
    session.close()
    session.close()

    assert session.closed
    with pytest.raises(ftrack_api.exception.ConnectionClosedError):
        session.get("Scope", "x")


def test_a_reset_forgets_and_tells_plugins(session: Any, shots: list[Any]) -> None:
    heard: list[str] = []
    for topic in ("ftrack.api.session.reset", "ftrack.api.session.configure-location"):
        session.event_hub.subscribe(f"topic={topic}", lambda event: heard.append(event["topic"]))
    shots[0]["name"] = "forgotten"

    session.reset()

    assert heard == ["ftrack.api.session.configure-location", "ftrack.api.session.reset"]
    assert session.get("Shot", shots[0]["id"]) is not shots[0]
    assert session.get("Shot", shots[0]["id"])["name"] == "sh10"
    assert session.pick_location()["name"] == "ftrack.unmanaged"


# --- ensure ---------------------------------------------------------------------------------------


def test_ensure_says_what_it_needs(session: Any, project: Any, unique: Unique) -> None:
    with pytest.raises(KeyError):
        session.ensure("User", {"email": "x"}, identifying_keys=["username"])
    with pytest.raises(ValueError, match="identifying"):
        session.ensure("User", {})
    name = unique("twice")
    for _ in range(2):
        session.create("Scope", {"name": name})
    session.commit()
    with pytest.raises(ftrack_api.exception.MultipleResultsFoundError):
        session.ensure("Scope", {"name": name})


def test_ensure_compares_every_kind_of_value(
    session: Any, project: Any, unique: Unique, calls: list[list[Any]]
) -> None:
    data = {
        "name": unique("a name, with commas"),
        "start": dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC),
        "leave": True,
        "everyone": False,
        "project_id": None,
    }
    made = session.ensure("CalendarEvent", data)
    calls.clear()

    assert session.ensure("CalendarEvent", data) is made
    assert [each["action"] for batch in calls for each in batch] == ["query"]
    shot = {"name": "sh", "parent_id": project["id"], "bid": 12.5, "sort": 3}
    assert session.ensure("Shot", shot) is session.ensure("Shot", shot)
    assert session.ensure("Shot", {**shot, "bid": 1}, identifying_keys=["parent_id", "name"])["bid"] == 1
    assert len(session.query(f"Shot where parent_id is {project['id']}").all()) == 1


# --- threads --------------------------------------------------------------------------------------


def test_each_thread_has_its_own_switches(session: Any) -> None:
    seen: list[tuple[bool, bool]] = []
    with session.auto_populating(False), session.operation_recording(False):
        thread = threading.Thread(target=lambda: seen.append((session.auto_populate, session.record_operations)))
        thread.start()
        thread.join()
        assert (session.auto_populate, session.record_operations) == (False, False)

    assert seen == [(True, True)]


def test_threads_share_what_a_session_has_read(session: Any, connect: Connect, shots: list[Any]) -> None:
    shared = connect()
    found: list[Any] = []
    start = threading.Barrier(4)

    def read(number: int) -> None:
        start.wait()
        shot = shared.query(f"select name, parent.name from Shot where id is {shots[number]['id']}").one()
        found.append((shot["name"], shot["parent"]["name"], shot["project"]["name"]))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(found) == [(f"sh{n}0", "sq010", shots[0]["project"]["name"]) for n in range(1, 5)]


def test_sessions_of_many_threads_work_side_by_side(connect: Connect, project: Any) -> None:
    sessions = [connect() for _ in range(4)]

    def work(session: Any, number: int) -> None:
        mine = session.get("Project", project["id"])
        for each in range(5):
            session.create("Shot", {"name": f"{number}-{each}", "parent": mine})
            session.commit()

    threads = [threading.Thread(target=work, args=(each, number)) for number, each in enumerate(sessions)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    found = connect().query(f"select name from Shot where project_id is {project['id']}")
    assert sorted(each["name"] for each in found) == sorted(f"{n}-{each}" for n in range(4) for each in range(5))


# --- caches and encodings -------------------------------------------------------------------------


def test_a_cache_in_a_file_saves_the_next_session_requests(
    connect: Connect, shots: list[Any], tmp_path: Path, calls: list[list[Any]]
) -> None:
    def cache(session: Any) -> Any:
        return ftrack_api.cache.SerialisedCache(
            ftrack_api.cache.FileCache(str(tmp_path / "cache.dbm")), encode=session.encode, decode=session.decode
        )

    first = connect(cache=cache)
    first.query(f"select name, parent.name, created_at from Shot where id is {shots[0]['id']}").one()
    first.close()
    calls.clear()

    second = connect(cache=cache)
    shot = second.get("Shot", shots[0]["id"])
    assert (shot["name"], shot["parent"]["name"]) == ("sh10", "sq010")
    assert shot["created_at"].tzinfo is not None
    assert all(each["action"] != "query" for batch in calls for each in batch)


def test_entities_are_encoded_as_far_as_was_asked(session: Any, shots: list[Any]) -> None:
    session.reset()
    shot = session.get("Shot", shots[0]["id"])
    shot["bid"] = 7

    set_only = json.loads(session.encode(shot))
    changed = json.loads(session.encode(shot, entity_attribute_strategy="modified_only"))
    known = json.loads(session.encode(shot, entity_attribute_strategy="persisted_only"))
    everything = json.loads(session.encode(shot, entity_attribute_strategy="all"))

    assert (set(changed), known["name"], set_only["bid"]) == ({"__entity_type__", "id", "bid"}, "sh10", 7)
    assert "bid" not in known
    assert set(everything) - {"__entity_type__"} == {each.name for each in shot.attributes}
    reference = {"__entity_type__": "Shot", "id": shot["id"]}
    assert session.entity_reference(shot) == reference
    assert everything["project"] == {"__entity_type__": "Project", "id": shot["project_id"]}
    assert session.decode(json.dumps(reference))["id"] == shot["id"]


def test_entities_of_two_sessions_are_one_after_a_merge(session: Any, connect: Connect, shots: list[Any]) -> None:
    other = connect()
    theirs = other.query(f"select name, parent.name from Shot where id is {shots[0]['id']}").one()

    merged = session.merge(theirs)

    assert merged is shots[0]
    assert (merged == theirs, hash(merged) == hash(theirs), merged is theirs) == (True, True, False)
    assert merged["parent"].session is session


def test_an_entity_is_shown_with_all_that_it_has(session: Any, shots: list[Any]) -> None:
    status = session.query('Status where name is "Not started"').one()

    text = ftrack_api.formatter.format(status, formatters={"header": str, "label": str})

    assert text.startswith("Status\n")
    assert " name: Not started\n" in text
    assert "state: State\n" in text
    named = ftrack_api.formatter.format(
        shots[0],
        attribute_filter=lambda entity, key, value: key in ("name", "parent"),
        formatters={"header": str, "label": str},
        recursive=True,
    )
    assert named.split() == ["Shot", "name:", "sh10", "parent:", "Sequence", "name:", "sq010", "parent:", "Project",
                             "name:", *str(shots[0]["project"]["name"]).split(), "parent:", "None"]  # fmt: skip
