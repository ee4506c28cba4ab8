"""Changes that cannot be: references, unique sets, required values, circles, deletes, schema changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

import recordroom as rr
from tests.acceptance.bad_input.conftest import Desk

NOWHERE = str(uuid.UUID(int=7))
RELATIONS = ["place", "keeper", "owner", "k_reference"]


# --- references ---


@pytest.mark.parametrize("attribute", RELATIONS)
def test_a_reference_to_nothing(desk: Desk, attribute: str) -> None:
    with desk.refuses(
        rr.InvalidReference, type="Thing", attribute=attribute, target="Place", value=NOWHERE, entity=desk.thing["id"]
    ):
        desk.thing[attribute] = NOWHERE
        desk.session.commit()
    with desk.refuses(rr.InvalidReference, attribute=attribute, value=NOWHERE):
        desk.session.create("Thing", {"name": "x", attribute: NOWHERE})
        desk.session.commit()
    with desk.refuses(rr.InvalidReference, attribute=attribute, value=NOWHERE):
        desk.session.create_many("Thing", {"name": ["x", "y"], attribute: [desk.place, NOWHERE]})
        desk.session.commit()


@pytest.mark.parametrize("attribute", RELATIONS)
def test_a_reference_to_the_wrong_type(desk: Desk, attribute: str) -> None:
    thing = desk.thing
    for value in (thing, thing["id"], uuid.UUID(thing["id"])):
        with desk.refuses(
            rr.InvalidReference, type="Thing", attribute=attribute, target="Place", value=thing["id"], found="Thing"
        ):
            thing[attribute] = value
            desk.session.commit()
        with desk.refuses(rr.InvalidReference, attribute=attribute, found="Thing"):
            desk.session.create("Thing", {"name": "x", attribute: value})
            desk.session.commit()


@pytest.mark.parametrize("attribute", ["k_links", "noted"])
def test_links_to_nothing_and_to_the_wrong_type(desk: Desk, attribute: str) -> None:
    with desk.refuses(rr.InvalidReference, attribute=attribute, value=NOWHERE):
        desk.thing[attribute] = [NOWHERE]
        desk.session.commit()
    with desk.refuses(rr.InvalidReference, attribute=attribute, found="Thing"):
        desk.thing[attribute] = [desk.thing]
        desk.session.commit()
    with desk.refuses(rr.InvalidReference, attribute=attribute, found="Thing"):
        desk.thing[attribute].append(desk.thing)
        desk.session.commit()


def test_members_of_a_collection_of_the_wrong_type(desk: Desk) -> None:
    for change in (
        lambda: desk.place["things"].append(desk.place),
        lambda: desk.place.update(things=[desk.thing, desk.place]),
    ):
        with desk.refuses(rr.InvalidReference, type="Place", attribute="things", found="Place"):
            change()


def test_a_reference_to_what_others_deleted(desk: Desk) -> None:
    gone = desk.session.create("Place", {"name": "gone"})
    desk.session.commit()
    with rr.connect(desk.where) as other:
        other.delete(other.get("Place", gone["id"]))
        other.commit()
    with desk.refuses(rr.InvalidReference, attribute="place", value=gone["id"]):
        desk.thing["place"] = gone
        desk.session.commit()


def test_an_entity_of_another_session(desk: Desk) -> None:
    with rr.connect(desk.where) as other:
        theirs = other.query("Place").first()
        with desk.refuses(rr.InvalidReference, type="Thing", attribute="place") as caught:
            desk.thing["place"] = theirs
        assert "merge" in str(caught.value)
        for use in (
            lambda: desk.session.delete(theirs),
            lambda: desk.session.history(theirs),
        ):
            with desk.refuses(rr.InvalidValue):
                use()


def test_changes_to_what_others_deleted(desk: Desk) -> None:
    gone = desk.session.create("Place", {"name": "gone"})
    desk.session.commit()
    with rr.connect(desk.where) as other:
        other.delete(other.get("Place", gone["id"]))
        other.commit()
    with desk.refuses(rr.NotFound, type="Place", entity=gone["id"]):
        gone["size"] = 1
        desk.session.commit()


# --- unique sets ---


def test_duplicates_within_a_commit(desk: Desk) -> None:
    with desk.refuses(rr.NotUnique, type="Place", attributes=("name",), values=("twice",)):
        desk.session.create("Place", {"name": "twice"})
        desk.session.create("Place", {"name": "twice"})
        desk.session.commit()
    with desk.refuses(rr.NotUnique, type="Thing", attributes=("place", "slot")):
        desk.session.create_many("Thing", {"name": ["a", "b"], "place": [desk.place] * 2, "slot": [7, 7]})
        desk.session.commit()


def test_a_duplicate_of_one_in_the_room(desk: Desk) -> None:
    with desk.refuses(
        rr.NotUnique, type="Place", attributes=("name",), values=("harbour",), existing=desk.place["id"]
    ) as caught:
        new = desk.session.create("Place", {"name": "harbour"})
        desk.session.commit()
    assert caught.value.entity == new["id"]
    with desk.refuses(rr.NotUnique, attributes=("place", "slot"), existing=desk.thing["id"]):
        desk.session.create("Thing", {"name": "x", "place": desk.place, "slot": 1})
        desk.session.commit()


def test_a_duplicate_by_update_and_a_swap(desk: Desk) -> None:
    session = desk.session
    a, b = session.create("Thing", {"name": "a", "code": "a"}), session.create("Thing", {"name": "b", "code": "b"})
    session.commit()
    with desk.refuses(rr.NotUnique, type="Thing", attributes=("code",), values=("b",), existing=b["id"]):
        a["code"] = "b"
        session.commit()
    a["code"], b["code"] = "b", "a"
    session.commit()
    assert (a["code"], b["code"]) == ("b", "a")
    assert session.query("Thing where code is 'a'").one() is b
    session.delete([a, b])
    session.commit()


# --- required values ---


@pytest.mark.parametrize(
    "act",
    [
        lambda d: d.session.create("Place", {}),
        lambda d: d.session.create("Place", {"name": None}),
        lambda d: d.session.create("Place"),
        lambda d: d.session.create_many("Place", {"size": [1, 2]}),
        lambda d: d.session.create_many("Place", {"name": ["a", None]}),
        lambda d: d.place.update(name=None),
    ],
    ids=["none given", "null", "no data", "no column", "a null in a column", "update"],
)
def test_a_required_value_is_missing(desk: Desk, act: Any) -> None:
    with desk.refuses(rr.MissingValue, type="Place", attribute="name") as caught:
        act(desk)
        desk.session.commit()
    assert caught.value.count >= 1
    assert len(caught.value.entities) == caught.value.count


# --- circles ---


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_new_entities_in_a_circle(desk: Desk, count: int) -> None:
    with desk.refuses(rr.CreateCycle) as caught:
        made = [desk.session.create("Thing", {"name": f"t{n}"}) for n in range(count)]
        for one, following in zip(made, [*made[1:], made[0]], strict=True):
            one["next"] = following
        desk.session.commit()
    assert set(caught.value.entities) == {each["id"] for each in made}
    assert "t0" in caught.value.path or made[0]["id"] in caught.value.path


# --- deletes ---


def test_a_restricted_delete_names_who_refers(desk: Desk) -> None:
    place = desk.session.create("Place", {"name": "kept"})
    keepers = [desk.session.create("Thing", {"name": f"k{n}", "keeper": place}) for n in range(3)]
    desk.session.commit()
    with desk.refuses(
        rr.DeleteRestricted, type="Place", entity=place["id"], referring_type="Thing", attribute="keeper", count=3
    ) as caught:
        desk.session.delete(place)
        desk.session.commit()
    assert set(caught.value.examples) <= {each["id"] for each in keepers}
    assert caught.value.examples
    desk.session.delete([place, *keepers])
    desk.session.commit()


def test_a_restricted_delete_by_a_cascade(desk: Desk) -> None:
    session = desk.session
    owner = session.create("Place", {"name": "owner"})
    session.create("Thing", {"name": "owned", "owner": owner})
    other = session.create("Thing", {"name": "other", "keeper": owner})
    session.commit()
    with desk.refuses(rr.DeleteRestricted, entity=owner["id"]):
        session.delete(owner)
        session.commit()
    session.delete(other)
    session.delete(owner)
    session.commit()
    assert session.query("Thing where name in ('owned', 'other')").count() == 0


def test_what_is_not_restricted_is_nullified_and_cascaded(desk: Desk) -> None:
    session = desk.session
    place = session.create("Place", {"name": "going"})
    left = session.create("Thing", {"name": "left", "place": place})
    session.create("Thing", {"name": "taken", "owner": place})
    session.commit()
    session.delete(place)
    session.commit()
    with rr.connect(desk.where) as other:
        assert other.get("Thing", left["id"])["place"] is None  # type: ignore[index]
        assert other.query("Thing where name is 'taken'").first() is None
    session.delete(left)
    session.commit()


# --- schema changes ---

CONTRADICTIONS = {
    "a choice taken away": ('k_choice = { kind = "choice", choices = ["done"] }', "k_choice", "open"),
    "another kind": ('k_text = "integer"', "k_text", "words"),
    "a smaller maximum": ("few = { kind = 'integer', min = 0, max = 5 }", "few", 9),
    "a shorter length": ("short = { kind = 'text', max_length = 2 }", "short", "abcde"),
    "a pattern": ("k_text = { kind = 'text', pattern = '[0-9]+' }", "k_text", "words"),
    "a value for all": ("k_text = { kind = 'text', required = true }", "k_text", None),
    "a unique value": ("slot = { kind = 'integer', unique = true }", "slot", 1),
    "one instead of many": ("tags = 'text'", "tags", ("a", "b")),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_schema_change_that_rows_contradict_names_them(desk: Desk, case: str) -> None:
    line, attribute, value = CONTRADICTIONS[case]
    session = desk.session
    bad = session.create("Thing", {"name": "bad", attribute: value})
    session.commit()
    schema = session.schema
    with desk.refuses(rr.SchemaChangeRefused) as caught:
        session.apply_schema(f"[Thing]\nunique = [['place', 'slot']]\n[Thing.attributes]\n{line}")
    assert attribute in caught.value.where
    assert bad["id"] in caught.value.entities
    assert caught.value.count >= 1
    assert session.schema.hash == schema.hash
    assert session.transport.schema("main").hash == schema.hash
    session.delete(bad)
    session.commit()


@pytest.mark.parametrize(
    "text",
    [
        "[Thing",
        "[Thing]\nattributes = 5",
        "Thing = 5",
        "[Thing.attributes]\nx = 5",
        "[Thing.attributes]\nx = { kind = 'integer', default = 'five' }",
        "[Thing.attributes]\nx = { kind = 'choice', choices = [] }",
        "[Thing.attributes]\nx = { kind = 'choice', choices = ['a'], default = 'b' }",
        "[Thing.attributes]\nx = { kind = 'integer', min = 5, max = 1 }",
        "[Thing.attributes]\nx = { kind = 'text', pattern = '[' }",
        "[Thing.attributes]\nx = { kind = 'text', computed = 'upper(' }",
        "[Thing.attributes]\nid = 'text'",
        "[Thing.attributes]\nNAME = 'text'\nname = 'text'",
        "[thing.attributes]\nx = 'text'",
        "[A]\nextends = 'B'\n[B]\nextends = 'A'",
        "[A.attributes]\nx = { kind = 'text', label = \"\\u0000\" }",
        "\0",
        "\ud800",
    ],
    ids=ascii,
)
def test_a_schema_that_cannot_be(desk: Desk, text: str) -> None:
    with desk.refuses(rr.InvalidSchema) as caught:
        desk.session.apply_schema(text)
    assert caught.value.where
    assert caught.value.reason
    with desk.refuses(rr.InvalidSchema):
        desk.session.plan_schema(text)
