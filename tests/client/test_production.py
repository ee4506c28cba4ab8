"""`session.production`: statuses and types of projects, moving, notes, timers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from tests.conftest import DATABASES, Places


@pytest.fixture(scope="module", params=DATABASES)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One room for all: every test makes a project and a user of its own."""
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    places = Places(tmp_path_factory.mktemp("production"), server)
    with rr.connect(places()) as found:
        found.apply_template("production")
        yield found
    places.clean()


@pytest.fixture
def film(session: Session, request: pytest.FixtureRequest) -> Any:
    schema = session.query("ProjectSchema where name is Animation").one()
    return session.create("Project", {"name": request.node.name, "project_schema": schema})


@pytest.fixture
def ada(session: Session, request: pytest.FixtureRequest) -> Any:
    user = session.create("User", {"name": f"ada {request.node.name}"})
    session.commit()
    return user


def named(session: Session, type_name: str, name: str) -> Any:
    return session.query(f"{type_name} where name is $name", name=name).one()


def names(found: list[Any]) -> list[str]:
    return [each["name"] for each in found]


# --- statuses and types ---------------------------------------------------------------------------


def test_a_project_has_the_statuses_of_its_schema_in_their_order(session: Session, film: Any) -> None:
    production = session.production

    assert names(production.statuses(film, "Milestone")) == ["Not started", "Completed"]
    assert names(production.statuses(film["project_schema"], session.types["Sequence"])) == [
        "Not started", "In progress", "Completed", "Omitted",
    ]  # fmt: skip
    assert names(production.statuses(film, "AssetVersion")) == [
        "Pending review", "Client review", "Revise", "Approved", "Client approved",
    ]  # fmt: skip
    assert "Ready to start" in names(production.statuses(film, "Task"))


def test_a_type_of_tasks_may_have_a_workflow_of_its_own(session: Session, film: Any) -> None:
    ordinary = session.production.statuses(film, "Task", named(session, "Type", "Layout"))
    of_production = session.production.statuses(film, "Task", named(session, "Type", "Production"))

    assert ordinary == session.production.statuses(film, "Task")
    assert names(of_production) == ["Not started", "In progress", "On hold", "Completed"]


def test_a_project_has_the_types_of_its_schema(session: Session, film: Any) -> None:
    assert names(session.production.types(film, "AssetBuild"))[1:] == ["Character", "Prop", "Environment", "Vehicle"]
    assert "Storyboard" in names(session.production.types(film, "Task"))
    assert session.production.types(film, "Shot") == []


def test_what_a_schema_says_nothing_about_is_refused(session: Session, film: Any) -> None:
    with pytest.raises(rr.NoResult, match="'Animation' says nothing about Note"):
        session.production.statuses(film, "Note")
    film["project_schema"] = None
    with pytest.raises(rr.NoResult, match="has no project_schema"):
        session.production.types(film, "Task")
    with pytest.raises(rr.InvalidValue, match="a Project or a ProjectSchema"):
        session.production.types(named(session, "Status", "Approved"), "Task")
    session.rollback()


# --- moving ---------------------------------------------------------------------------------------


def test_what_hangs_on_a_context_goes_with_it_to_another_project(session: Session, film: Any, ada: Any) -> None:
    other = session.create("Project", {"name": f"{film['name']} other"})
    sequence = session.create("Sequence", {"name": "sq", "parent": film})
    shot = session.create("Shot", {"name": "sh", "parent": sequence})
    asset = session.create("Asset", {"name": "walk", "parent": shot})
    version = session.create("AssetVersion", {"asset": asset})
    notes = [session.production.create_note(each, "x", ada) for each in (shot, version)]
    notes.append(session.production.create_note(notes[1], "y", ada))
    hung = [session.create(name, {"context": shot, "user": ada}) for name in ("Timelog", "Appointment", "Manager")]
    stays = session.create("Shot", {"name": "stays", "parent": film})
    session.commit()
    session.production.move(sequence, other)
    session.commit()

    for each in (sequence, shot, asset, version, *notes, *hung):
        assert each["project"] is other
    assert (sequence["parent"], shot["parent"], stays["project"]) == (other, sequence, film)
    assert session.query("Context where project is $film", film=film).count() == 2


def test_within_a_project_a_move_changes_one_reference(session: Session, film: Any) -> None:
    one, two = (session.create("Sequence", {"name": name, "parent": film}) for name in ("sq1", "sq2"))
    shot = session.create("Shot", {"name": "sh", "parent": one})
    session.commit()
    session.production.move(shot, two)

    assert session.modified == [shot]
    session.commit()
    assert two["children"] == [shot]


# --- notes ----------------------------------------------------------------------------------------


def test_a_note_is_about_one_thing_and_reaches_its_recipients(session: Session, film: Any, ada: Any) -> None:
    asset = session.create("Asset", {"name": "walk", "parent": film})
    version = session.create("AssetVersion", {"asset": asset})
    crew = session.create("Group", {"name": film["name"]})
    mine = session.create("TypedContextList", {"name": "mine", "project": film})
    label = named(session, "NoteLabel", "Internal")
    notes = [
        session.production.create_note(about, "x", ada, recipients=[ada, crew], labels=[label])
        for about in (film, version, ada, mine)
    ]
    reply = session.production.create_note(notes[0], "y", ada)
    session.commit()

    for about, note in zip((film, version, ada, mine), notes, strict=True):
        assert about["notes"] == [note]
        assert {each["user"] or each["group"] for each in note["recipients"]} == {ada, crew}
        assert [each["label"] for each in note["note_label_links"]] == [label]
    assert notes[0]["replies"] == [reply]
    assert [note["project"] for note in notes] == [film, film, None, film]


def test_a_note_about_something_else_is_refused(session: Session) -> None:
    with pytest.raises(rr.InvalidValue, match="one of Context, AssetVersion, User, List, Note"):
        session.production.create_note(named(session, "Status", "Approved"), "x")


# --- timers ---------------------------------------------------------------------------------------


def test_a_timer_becomes_a_time_log(session: Session, film: Any, ada: Any) -> None:
    timer = session.production.start_timer(ada, film, name="anim", comment="ears")
    start = timer["start"]
    timelog = session.production.stop_timer(ada)

    assert {key: timelog[key] for key in ("user", "context", "start", "name", "comment", "project")} == {
        "user": ada, "context": film, "start": start, "name": "anim", "comment": "ears", "project": film,
    }  # fmt: skip
    assert timelog["duration"] >= 0
    assert ada["timers"] == []
    assert ada["timelogs"] == [timelog]


def test_a_user_has_one_timer_at_a_time(session: Session, film: Any, ada: Any) -> None:
    first = session.production.start_timer(ada, film)
    with pytest.raises(rr.NotUnique):
        session.production.start_timer(ada)
    assert session.created == []
    second = session.production.start_timer(ada, force=True)

    assert [each["id"] for each in session.query("Timer where user is $ada", ada=ada)] == [second["id"]]
    assert second["id"] != first["id"]
    [timelog] = session.query("Timelog where user is $ada", ada=ada)
    assert timelog["context"] is film


def test_a_timer_that_does_not_run_cannot_be_stopped(session: Session, ada: Any) -> None:
    with pytest.raises(rr.NoResult, match="has no timer that runs"):
        session.production.stop_timer(ada)


def test_timers_go_with_their_user(session: Session, film: Any, ada: Any) -> None:
    session.production.start_timer(ada, film)
    session.delete(ada)
    session.commit()

    assert session.query("Timer where context is $film", film=film).count() == 0


# --- values that are handed down --------------------------------------------------------------------


def test_what_has_no_value_of_its_own_has_that_of_the_nearest_above(session: Session, film: Any) -> None:
    session.apply_schema("[Context.attributes]\nfps = 'number'\n[AssetVersion.attributes]\nfps = 'number'")
    film["fps"] = 24
    sequence = session.create("Sequence", {"name": "sq", "parent": film})
    first, second = (session.create("Shot", {"name": name, "parent": sequence}) for name in ("a", "b"))
    second["fps"] = 0
    asset = session.create("Asset", {"name": "walk", "parent": second})
    old, new = (session.create("AssetVersion", {"asset": asset}) for _ in range(2))
    new["fps"] = 12
    session.commit()
    values = session.production.values

    assert values([film, sequence, first, second, asset, old, new], "fps") == [24, 24, 24, 0, 0, 0, 12]
    second["fps"] = None
    assert values([second, asset, old, new], "fps") == [24, 24, 24, 12]
    assert session.production.value(first, "fps") == 24
    assert values([], "fps") == []


def test_where_nothing_has_a_value_there_is_the_default(session: Session, film: Any) -> None:
    session.apply_schema("[Context.attributes]\nlens = 'text'\nplain = 'text'")
    session.create(
        "CustomAttributeConfiguration",
        {"key": "Lens!", "attribute": "lens", "applies_to": "show", "is_hierarchical": True, "default": "35mm"},
    )
    shot = session.create("Shot", {"name": "a", "parent": film})
    session.commit()

    assert session.production.value(shot, "lens") == "35mm"
    assert session.production.value(shot, "plain") is None


def test_values_are_handed_down_in_a_request_for_each_level(session: Session, film: Any) -> None:
    session.apply_schema("[Context.attributes]\nrate = 'number'")
    film["rate"] = 24
    sequences = [session.create("Sequence", {"name": f"sq{number}", "parent": film}) for number in range(5)]
    shots = [session.create("Shot", {"name": f"{number}", "parent": sequences[number % 5]}) for number in range(50)]
    session.commit()

    def trips(count: int) -> int:
        before = session.round_trips
        assert session.production.values(shots[:count], "rate") == [24] * count
        return session.round_trips - before

    assert trips(50) == trips(1) == 3


def test_what_cannot_hand_down_is_said(session: Session, film: Any, ada: Any) -> None:
    with pytest.raises(rr.UnknownAttribute):
        session.production.value(film, "no_such")
    with pytest.raises(rr.InvalidValue):
        session.production.value(ada, "name")
