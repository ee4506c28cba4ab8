"""Memberships, roles of users, objects of lists and links of versions: pairs with ids, with the unmodified client."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import recordroom as rr
from recordroom.dialects.ftrack.pairs import is_made
from recordroom.model.ids import as_id
from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api.exception

Connect = Callable[..., Any]
Unique = Callable[[str], str]
Halves = tuple[str, str, str, Any, Any]


@pytest.fixture
def versions(session: Any, version: Any) -> list[Any]:
    """Three versions of an asset."""
    made = [version, *(session.create("AssetVersion", {"asset": version["asset"]}) for _ in range(2))]
    session.commit()
    return made


@pytest.fixture(params=["AssetVersionLink", "Membership", "UserSecurityRole", "ListObject", "ListObject of versions"])
def halves(
    request: pytest.FixtureRequest, session: Any, user: Any, unique: Unique, shots: list[Any], versions: list[Any]
) -> Halves:
    """A type of pairs, what it calls its halves, and two entities that may be those."""
    name, _, of = request.param.partition(" of ")
    if name == "AssetVersionLink":
        return name, "from", "to", versions[0], versions[1]
    if name == "UserSecurityRole":
        return name, "user", "security_role", user, session.query("SecurityRole where name is reader").one()
    if name == "Membership":
        made, member = session.create("Group", {"name": unique("group")}), user
        session.commit()
        return name, "user", "group", user, made
    kind, member = ("AssetVersionList", versions[2]) if of else ("TypedContextList", shots[1])
    made = session.create(kind, {"name": unique("list"), "project": shots[0]["project"]})
    session.commit()
    return name, "list", "entity", made, member


def rows(session: Any, halves: Halves) -> list[Any]:
    name, one, other, first, _ = halves
    return session.query(
        f'select {one}_id, {other}_id, {one}, {other} from {name} where {one}.id is "{first["id"]}"'
    ).all()


def test_a_pair_is_made_by_entities_and_deleted_by_the_object_it_was_made_as(
    session: Any, connect: Connect, halves: Halves
) -> None:
    name, one, other, first, second = halves
    made = session.create(name, {one: first, other: second})
    session.commit()

    assert (made[f"{one}_id"], made[f"{other}_id"]) == (first["id"], second["id"])
    assert made[one] is first
    assert made[other] is second
    [seen] = rows(connect(), halves)
    assert seen["id"] == made["id"]
    assert (seen[one]["id"], seen[other]["id"]) == (first["id"], second["id"])
    assert connect().get(name, made["id"])[other]["id"] == second["id"]
    session.delete(made)
    session.commit()
    assert rows(connect(), halves) == []
    assert connect().get(name, made["id"]) is None


def test_a_pair_is_made_by_ids(session: Any, connect: Connect, halves: Halves) -> None:
    name, one, other, first, second = halves
    made = session.create(name, {f"{one}_id": first["id"], f"{other}_id": second["id"]})
    session.commit()

    assert made[one] is first
    last = connect()
    [seen] = rows(last, halves)
    last.delete(seen)
    last.commit()
    assert rows(connect(), halves) == []


def test_a_pair_of_which_only_the_id_is_said_is_read_and_deleted(
    session: Any, connect: Connect, halves: Halves
) -> None:
    name, one, other, first, second = halves
    made = session.create(name, {one: first, other: second})
    session.commit()

    last = connect()
    said = last.create(name, {"id": made["id"]}, reconstructing=True)
    assert (said[f"{one}_id"], said[other]["id"]) == (first["id"], second["id"])
    last.delete(said)
    last.commit()
    assert rows(connect(), halves) == []


def test_the_halves_may_be_given_one_after_the_other(session: Any, connect: Connect, halves: Halves) -> None:
    name, one, other, first, second = halves
    made = session.create(name, {one: first})
    made[other] = second
    session.commit()

    assert [each["id"] for each in rows(connect(), halves)] == [made["id"]]


def test_a_pair_is_ensured(session: Any, connect: Connect, halves: Halves) -> None:
    name, one, other, first, second = halves
    data = {f"{one}_id": first["id"], f"{other}_id": second["id"]}
    made = session.ensure(name, data)
    again = connect().ensure(name, data)

    assert again["id"] == made["id"]
    assert len(rows(connect(), halves)) == 1


def test_a_pair_with_one_half_is_refused(session: Any, halves: Halves) -> None:
    name, one, _, first, _ = halves
    session.create(name, {one: first})

    with pytest.raises(ftrack_api.exception.ServerError, match="expected an entity"):
        session.commit()


def made_as(session: Any, id: str, first: Any, second: Any) -> None:
    session.create("AssetVersionLink", {"id": id, "from_id": first["id"], "to_id": second["id"]})
    session.commit()


# --- ids ----------------------------------------------------------------------------------------------


def test_a_pair_that_nobody_named_has_an_id_that_stays(
    studio: Stage, session: Any, connect: Connect, versions: list[Any]
) -> None:
    with rr.connect(studio.server.url, api_key=studio.key) as native:
        used = native.get("AssetVersion", versions[0]["id"])
        native.get("AssetVersion", versions[1]["id"])["uses_versions"].add(used)
        native.commit()
    where = f"to_id is {versions[1]['id']}"
    [first], [again] = (connect().query(f"AssetVersionLink where {where}").all() for _ in range(2))

    assert first["id"] == again["id"]
    assert is_made(as_id(first["id"]))
    found = session.get("AssetVersionLink", first["id"])
    assert (found["from"], found["to"]) == (versions[0], versions[1])
    assert session.query(f"AssetVersionLink where id in ({first['id']}, {uuid.uuid4()})").one() is found
    session.delete(found)
    session.commit()
    assert list(connect().get("AssetVersion", versions[1]["id"])["uses_versions"]) == []


def test_made_up_ids_lead_to_nothing_of_another_sort(session: Any, connect: Connect, versions: list[Any]) -> None:
    versions[1]["uses_versions"].append(versions[0])
    session.commit()
    [link] = session.query(f"AssetVersionLink where to_id is {versions[1]['id']}")

    assert session.get("Membership", link["id"]) is None
    other = connect()
    with pytest.raises(ftrack_api.exception.ServerError, match="an id that nothing has"):
        made_as(other, link["id"], versions[0], versions[2])


def test_an_id_is_given_once(session: Any, connect: Connect, versions: list[Any]) -> None:
    made = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
    session.commit()
    other = connect()

    with pytest.raises(ftrack_api.exception.ServerError, match="an id that nothing has"):
        made_as(other, made["id"], versions[0], versions[2])


def test_a_pair_leads_where_it_did_first(session: Any, versions: list[Any]) -> None:
    made = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
    session.commit()

    with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
        made["from"] = versions[2]


def test_a_pair_may_be_made_and_ended_again_and_again(session: Any, connect: Connect, versions: list[Any]) -> None:
    ids = []
    for _ in range(3):
        made = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
        ids.append(made["id"])
        session.commit()
        other = connect()
        other.get("AssetVersion", versions[1]["id"])["uses_versions"] = []
        other.commit()
    last = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
    session.commit()

    [seen] = connect().query(f"AssetVersionLink where to_id is {versions[1]['id']}")
    assert seen["id"] == last["id"]
    assert seen["id"] not in ids


# --- links of versions ----------------------------------------------------------------------------------


def test_links_stand_on_both_sides_of_versions(session: Any, connect: Connect, versions: list[Any]) -> None:
    first, second, third = versions
    session.create("AssetVersionLink", {"from": first, "to": second})
    session.create("AssetVersionLink", {"from": first, "to": third})
    session.commit()

    other = connect()
    seen = other.query(
        "select outgoing_links.to.version, incoming_links.from.version, uses_versions, used_in_versions"
        f" from AssetVersion where asset_id is {first['asset_id']} order by version"
    ).all()
    assert [[each["to"]["version"] for each in one["outgoing_links"]] for one in seen] == [[2, 3], [], []]
    assert [[each["from"]["version"] for each in one["incoming_links"]] for one in seen] == [[], [1], [1]]
    assert [each["id"] for each in seen[1]["uses_versions"]] == [first["id"]]
    assert {each["id"] for each in seen[0]["used_in_versions"]} == {second["id"], third["id"]}
    assert other.query(f"AssetVersion where incoming_links.from_id is {first['id']}").all() == seen[1:]
    assert (
        other.query(
            f"AssetVersion where outgoing_links any (to.version is 3) and asset_id is {first['asset_id']}"
        ).all()
        == seen[:1]
    )
    assert (
        other.query(f"AssetVersion where asset_id is {first['asset_id']} and not incoming_links any ()").one()
        is seen[0]
    )


def test_lists_of_links_are_changed_on_either_side(session: Any, connect: Connect, versions: list[Any]) -> None:
    first, second, third = versions
    link = session.create("AssetVersionLink", {"from": first, "to": second})
    second["incoming_links"].append(link)
    other = session.create("AssetVersionLink", {"from": first, "to": third})
    first["outgoing_links"].append(other)
    session.commit()
    assert [each["id"] for each in connect().get("AssetVersion", second["id"])["uses_versions"]] == [first["id"]]
    first["outgoing_links"].remove(link)
    session.commit()

    seen = connect().get("AssetVersion", first["id"])
    assert [each["id"] for each in seen["used_in_versions"]] == [third["id"]]
    assert [each["id"] for each in seen["outgoing_links"]] == [other["id"]]


def test_pairs_of_a_version_that_goes_are_gone(session: Any, connect: Connect, versions: list[Any]) -> None:
    made = [session.create("AssetVersionLink", {"from": each, "to": versions[2]}) for each in versions[:2]]
    session.commit()
    session.delete(versions[0])
    session.commit()

    assert [each["id"] for each in connect().query(f"AssetVersionLink where to_id is {versions[2]['id']}")] == [
        made[1]["id"]
    ]


def test_versions_and_their_link_come_and_go_in_one_commit(session: Any, connect: Connect, version: Any) -> None:
    new = [session.create("AssetVersion", {"asset": version["asset"]}) for _ in range(2)]
    link = session.create("AssetVersionLink", {"from": new[0], "to": new[1]})
    session.commit()
    assert [each["id"] for each in connect().get("AssetVersion", new[1]["id"])["incoming_links"]] == [link["id"]]
    session.delete(link)
    session.delete(new[0])
    session.commit()

    assert list(connect().get("AssetVersion", new[1]["id"])["incoming_links"]) == []


def test_many_pairs_take_as_many_requests_as_one(
    session: Any, connect: Connect, calls: list[Any], versions: list[Any], unique: Unique, shots: list[Any]
) -> None:
    listed = session.create("TypedContextList", {"name": unique("list"), "project": shots[0]["project"]})
    for each in shots:
        session.create("ListObject", {"list": listed, "entity": each})
    session.commit()
    other = connect()
    calls.clear()
    found = other.query(f"select entity.name from ListObject where list_id is {listed['id']}").all()

    assert [each["entity"]["name"] for each in found] == [each["name"] for each in shots]
    assert len(calls) <= 1


def test_objects_of_all_kinds_of_lists_are_asked_for_at_once(
    session: Any, connect: Connect, versions: list[Any], unique: Unique, shots: list[Any]
) -> None:
    name = unique("list")
    for kind, item in (("TypedContextList", shots[0]), ("AssetVersionList", versions[0])):
        listed = session.create(kind, {"name": name, "project": shots[0]["project"]})
        session.create("ListObject", {"list": listed, "entity": item})
    session.commit()

    found = (
        connect()
        .query(f'select entity.name, entity.version, entity.context_type from ListObject where list.name is "{name}"')
        .all()
    )

    assert {(each["entity"].entity_type, each["entity"]["id"]) for each in found} == {
        ("Shot", shots[0]["id"]), ("AssetVersion", versions[0]["id"]),
    }  # fmt: skip
