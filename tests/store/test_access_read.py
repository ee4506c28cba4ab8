"""What an actor sees: queries, members, counts, the past, search, history, the journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from recordroom.errors import NotAuthenticated, NotFound, PermissionDenied
from recordroom.model.actor import Actor
from recordroom.model.ids import new_id
from recordroom.model.operations import (
    Create,
    DefineType,
    Delete,
    Link,
    Publish,
    RenameAttribute,
    RenameType,
    SetKeys,
    Update,
)
from recordroom.model.schema import SYSTEM, Attribute, EntityType
from recordroom.query.grammar import parse
from recordroom.query.request import HistoryRequest, QueryRequest
from recordroom.query.subscriptions import FollowRequest
from recordroom.store import access as access_module
from recordroom.store.requests import Requests
from recordroom.store.room import Room
from tests.store.people import People, Seen


def a(name: str, kind: str = "text", **facts: object) -> Attribute:
    return Attribute(name=name, kind=kind, **facts)  # type: ignore[arg-type]


STUDIO = (
    EntityType(name="Tag", attributes=(a("name"),)),
    EntityType(
        name="Asset",
        attributes=(
            a("name"),
            a("project", "reference", target="Project", reverse="assets"),
            a("tags", "links", target="Tag", reverse="assets", notes=True),
        ),
    ),
    EntityType(name="Shot", extends="Asset", attributes=(a("frames", "integer"), a("slate"))),
    EntityType(
        name="Task",
        attributes=(
            a("name"),
            a("notes", "long_text"),
            a("bid", "integer"),
            a("asset", "reference", target="Asset", reverse="tasks"),
            a("project", "reference", target="Project", reverse="tasks"),
            a("assignee", "reference", target="User", reverse="tasks"),
            a("extra", "mapping"),
            a("double", "integer", computed="bid * 2"),
        ),
    ),
)


class Studio(NamedTuple):
    people: People
    bunny: bytes
    sintel: bytes
    rabbit: bytes  # an asset of Bunny
    dragon: bytes  # a shot of Sintel
    model: bytes  # a task of Bunny and rabbit
    paint: bytes  # a task of Sintel and dragon
    loose: bytes  # a task of neither


@pytest.fixture
def studio(room: Room) -> Iterator[Studio]:
    people = People(room)
    people.commit(*map(DefineType, STUDIO))
    make = people.make
    bunny, sintel = make("Project", name="Bunny"), make("Project", name="Sintel")
    rabbit = make("Asset", name="rabbit", project=bunny)
    dragon = make("Shot", name="dragon", project=sintel, frames=7, slate="s1")
    model = make("Task", name="model", notes="soft fur", bid=3, asset=rabbit, project=bunny)
    paint = make("Task", name="paint", notes="hard scales", bid=5, asset=dragon, project=sintel)
    loose = make("Task", name="loose", notes="fur everywhere", bid=7)
    yield Studio(people, bunny, sintel, rabbit, dragon, model, paint, loose)
    report = room.check()
    assert [str(problem) for problem in report.problems] == []


OWN = "project in $actor.projects"


def member(studio: Studio, *rules: tuple[object, ...], name: str = "ada") -> Seen:
    """A user on the project Bunny."""
    seen = studio.people.reader(name, *rules)
    studio.people.make("ProjectMember", project=studio.bunny, user=seen.user)
    return seen


# --- entities -------------------------------------------------------------------------------------


def test_only_entities_for_which_a_rule_holds_are_there(studio: Studio) -> None:
    seen = member(studio, ("read", "Task", OWN), ("read", "Task", "bid > 6"))

    assert seen.column("select name from Task order by name") == ["loose", "model"]
    assert seen.count("Task") == 2
    assert seen.count("Task where name is paint") == 0
    assert seen.ids("Asset") == []
    assert seen.column("select count() from Task") == [2]


def test_without_a_rule_nothing_is_there_but_oneself(studio: Studio) -> None:
    seen = studio.people.reader("ada")

    assert [seen.count(name) for name in ("Task", "Asset", "Project", "Role", "Rule", "Share")] == [0] * 6
    assert seen.column("select name from User") == ["ada"]


def test_a_rule_for_every_type_is_not_for_those_about_accounts(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "*"))

    assert (seen.count("Task"), seen.count("Asset"), seen.count("Shot")) == (3, 2, 1)
    assert [seen.count(name) for name in ("Project", "Role", "Rule", "Group", "ProjectMember")] == [0] * 5


def test_a_rule_for_every_type_holds_where_its_condition_makes_sense(studio: Studio) -> None:
    seen = member(studio, ("read", "*", OWN), ("read", "*", "frames > 1"))

    assert seen.column("select name from Task") == ["model"]
    assert seen.column("select name from Asset order by name") == ["dragon", "rabbit"]
    assert seen.count("Tag") == 0


def test_a_rule_for_a_type_is_for_those_that_extend_it(studio: Studio) -> None:
    assert studio.people.reader("ada", ("read", "Asset")).count("Shot") == 1
    eve = studio.people.reader("eve", ("read", "Shot"))

    assert eve.column("select name from Asset") == ["dragon"]


def test_a_rule_that_cannot_be_read_grants_nothing(studio: Studio) -> None:
    seen = studio.people.reader(
        "ada",
        ("read", "Task", "no such ("),
        ("read", "Task", "nosuch > 1"),
        ("read", "Nothing"),
        ("read", "Asset", "$actor.x = name"),
    )

    assert (seen.count("Task"), seen.count("Asset")) == (0, 0)


def test_a_fact_that_the_user_does_not_have_matches_nothing(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task", "project.name is $actor.full_name"))

    assert seen.count("Task") == 0


def test_conditions_of_rules_see_what_the_actor_does_not(studio: Studio) -> None:
    seen = studio.people.reader(
        "ada",
        ("read", "Task", 'project.name is "Bunny" and asset.name is "rabbit"'),
        ("read", "Asset", "tasks any (bid > 4)"),
        ("read", "Project", 'id in (select project from Task where name is "paint")'),
    )

    assert seen.column("select name from Task") == ["model"]
    assert seen.column("select name from Asset") == ["dragon"]
    assert seen.column("select name from Project") == ["Sintel"]


def test_facts_about_the_actor_stand_in_rules(studio: Studio) -> None:
    people = studio.people
    group = people.make("Group", name="riggers")
    role = people.role(
        "facts",
        ("read", "Task", "assignee is $actor"),
        ("read", "Asset", "name is $actor.full_name"),
        ("read", "Tag", '"facts" in $actor.roles and name is "r"'),
        ("read", "Group", "id in $actor.groups"),
        ("read", "User", "id is $actor.id"),
    )
    seen = people.seen(people.user("ada", full_name="rabbit"), "ada")
    people.link("Group", "roles", group, role)
    people.link("User", "groups", seen.user, group)
    people.change("Task", studio.paint, assignee=seen.user)
    people.make("Tag", name="r")

    assert seen.column("select name from Task") == ["paint"]
    assert seen.column("select name from Asset") == ["rabbit"]
    assert seen.column("select name from Tag") == ["r"]
    assert seen.column("select name from Group") == ["riggers"]


# --- attributes -----------------------------------------------------------------------------------


def test_a_hidden_attribute_is_null_wherever_it_is_read(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task", None, ["name"]), ("read", "Task", "bid > 6", ["bid"]))

    assert seen.rows("select name, bid, double from Task order by name") == [
        ("loose", 7, 14),
        ("model", None, None),
        ("paint", None, None),
    ]
    assert seen.column("select name from Task where bid = 3") == []
    assert seen.column("select name from Task where bid is None order by name") == ["model", "paint"]
    assert seen.column("select name from Task where double < 9") == []
    assert seen.column("select name from Task where not bid > 4 order by name") == ["model", "paint"]
    assert seen.column("select name from Task order by bid, name") == ["loose", "model", "paint"]
    assert seen.rows("select bid, count() as n from Task group by bid") == [(7, 1), (None, 2)]
    assert seen.rows("select sum(bid) as s, max(bid) as m from Task") == [(7, 7)]
    assert seen.column('select name from Task where notes contains "fur"') == []
    assert seen.column('select name from Task where notes matches "fur"') == []


def test_entities_are_found_page_by_page_by_what_is_seen(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task", None, ["name"]), ("read", "Task", "bid > 6", ["bid"]))
    query = parse("select name from Task order by bid descending")
    names, after = [], None
    while True:
        page = seen.room.query(QueryRequest(database="main", query=query, size=1, after=after))
        names += page.columns["name"]
        after = page.next
        if after is None:
            break

    assert names == ["loose", "model", "paint"]
    streamed = seen.room.stream(QueryRequest(database="main", query=query, size=2))
    assert [name for each in streamed for name in each.columns["name"]] == names


def test_a_reference_to_what_cannot_be_seen_is_null(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task"), ("read", "Asset", 'name is "rabbit"'), ("read", "Project"))

    columns = seen.page("select name, asset, asset.name from Task order by name").columns
    assert columns == {
        "name": ["loose", "model", "paint"],
        "asset": [None, studio.rabbit, None],
        "asset.name": [None, "rabbit", None],
        "asset.entity_type": [None, "Asset", None],
    }
    assert seen.column("select name from Task where asset is None order by name") == ["loose", "paint"]
    assert seen.count("Task where asset has ()") == 1
    assert seen.count('Task where asset.name is "dragon"') == 0
    assert seen.count("Task where asset in (select id from Shot)") == 0
    found = seen.page("Task where asset is $dragon", parameters={"dragon": studio.dragon})
    assert found.ids == []


# --- collections, links, mappings -----------------------------------------------------------------


def test_collections_have_visible_members_only(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Project"), ("read", "Task", "bid > 4"))

    owners = (studio.bunny, studio.sintel)
    members = seen.members("Project", "tasks", *owners)
    assert (members.owners, members.page and members.page.ids) == ([studio.sintel], [studio.paint])
    assert seen.rows("select name, count(tasks) as n from Project order by name") == [("Bunny", 0), ("Sintel", 1)]
    assert seen.column("select name from Project where tasks any ()") == ["Sintel"]
    assert seen.column("select name from Project where tasks.bid = 3") == []


def test_a_collection_of_what_cannot_be_seen_is_empty(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task"), ("read", "Project", None, ["name"]))

    assert seen.members("Project", "tasks", studio.bunny).owners == []
    assert seen.count("Project where tasks any ()") == 0
    eve = studio.people.reader("eve", ("read", "Task"))
    assert eve.members("Project", "tasks", studio.bunny).owners == []
    bob = studio.people.reader("bob", ("read", "Task", None, ["name"]), ("read", "Project"))
    assert bob.members("Project", "tasks", studio.bunny).owners == []


def test_links_are_there_where_both_ends_are(studio: Studio) -> None:
    people = studio.people
    red, blue = people.make("Tag", name="red"), people.make("Tag", name="blue")
    people.commit(
        Link(type="Asset", attribute="tags", sources=[studio.rabbit] * 2, targets=[red, blue], notes=["r", "b"]),
        Link(type="Asset", attribute="tags", sources=[studio.dragon], targets=[red], notes=["d"]),
    )
    seen = people.reader("ada", ("read", "Tag", 'name is "red"'), ("read", "Asset", 'name is "rabbit"'))

    assert seen.members("Asset", "tags", studio.rabbit, studio.dragon).notes == ["r"]
    assert seen.members("Tag", "assets", red, blue).notes == ["r"]
    assert seen.rows("select name, count(tags) as n from Asset") == [("rabbit", 1)]
    assert seen.count('Asset where tags.name is "blue"') == 0
    assert seen.count('Tag where assets any (name is "rabbit")') == 1
    hidden = people.reader("eve", ("read", "Tag"), ("read", "Asset", None, ["name"]))
    assert hidden.members("Asset", "tags", studio.rabbit).owners == []
    assert hidden.members("Tag", "assets", red).owners == []
    other = people.reader("bob", ("read", "Tag", None, ["name"]), ("read", "Asset"))
    assert len(other.members("Asset", "tags", studio.rabbit).owners) == 2
    assert other.members("Tag", "assets", red).owners == []


def test_entries_of_mappings_are_there_where_the_attribute_is(studio: Studio) -> None:
    people = studio.people
    ids = [studio.model, studio.paint]
    people.commit(SetKeys(type="Task", attribute="extra", ids=ids, keys=["k", "k"], values=["x", "y"]))
    seen = people.reader("ada", ("read", "Task", None, ["name"]), ("read", "Task", "bid = 3", ["extra"]))

    assert seen.members("Task", "extra", *ids).values == ["x"]
    assert seen.rows('select name, extra["k"] from Task order by name') == [
        ("loose", None),
        ("model", "x"),
        ("paint", None),
    ]
    assert seen.count("Task where extra any (value is y)") == 0


# --- who ------------------------------------------------------------------------------------------


def test_a_change_of_rules_holds_at_once(studio: Studio) -> None:
    people = studio.people
    role = people.role("r")
    seen = people.seen(people.user("ada", role), "ada")
    assert seen.count("Task") == 0
    rule = people.rule(role, "read", "Task")
    assert seen.count("Task") == 3
    people.change("Rule", rule, condition="bid = 3")
    assert seen.count("Task") == 1
    people.unlink("User", "roles", seen.user, role)

    assert seen.count("Task") == 0


def test_a_request_asks_nothing_about_the_actor_again(studio: Studio) -> None:
    seen = member(studio, ("read", "Task", OWN))
    seen.ids("Task")
    before = seen.room.driver.statements
    seen.ids("Task")
    restricted = seen.room.driver.statements - before
    owner = Seen(studio.people.room, Actor(name="owner"))
    owner.ids("Task")
    before = seen.room.driver.statements
    owner.ids("Task")

    assert restricted == seen.room.driver.statements - before


def test_actors_with_the_same_rules_share_statements_and_no_facts(studio: Studio) -> None:
    people = studio.people
    role = people.role("r", ("read", "Task", OWN))
    ada, eve = (people.seen(people.user(name, role), name) for name in ("ada", "eve"))
    people.make("ProjectMember", project=studio.bunny, user=ada.user)
    people.make("ProjectMember", project=studio.sintel, user=eve.user)

    assert [each.column("select name from Task") for each in (ada, eve, ada)] == [["model"], ["paint"], ["model"]]
    catalog = people.room.driver.run(people.room._open.current()).by_key["main"]
    first, second = ada.access(), eve.access()
    assert first is not None
    assert second is not None
    assert first.rules(catalog) is second.rules(catalog)


def test_users_who_are_not_active_or_gone_are_not_known(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "*"))
    assert seen.count("Task") == 3
    studio.people.change("User", seen.user, active=False)
    with pytest.raises(NotAuthenticated):
        seen.count("Task")
    with pytest.raises(NotAuthenticated):
        seen.room.databases()
    studio.people.delete("User", seen.user)
    with pytest.raises(NotAuthenticated):
        seen.count("Task")


def test_scopes_of_a_token_narrow_what_the_user_may(studio: Studio) -> None:
    people = studio.people
    user = people.user("ada", people.role("all", *[(verb, "*") for verb in ("read", "update", "define")]))
    query = QueryRequest(database="main", query=parse("Task"))

    assert people.seen(user).room.explain(query)
    for scopes in (("read",), ("write",)):
        seen = people.seen(user, scopes=scopes)
        assert seen.count("Task") == 3
        with pytest.raises(PermissionDenied):
            seen.room.explain(query)
    owner = Seen(people.room, Actor(name="owner", scopes=("read",)))
    assert (owner.count("Task"), owner.count("Role")) == (3, 1)
    with pytest.raises(PermissionDenied):
        owner.room.explain(query)


def test_administrators_are_not_restricted(studio: Studio) -> None:
    everything = [
        (verb, each)
        for verb in ("read", "create", "update", "delete", "share")
        for each in ("*", "User", "Group", "Role", "Rule", "Project", "ProjectMember", "Share", "Token", "Webhook")
    ]
    seen = studio.people.reader("ada", *everything, ("define", "*"))

    assert seen.access() is None
    assert studio.people.seen(seen.user, scopes=("read",)).access() is not None


def test_a_room_without_accounts_has_no_rules(room: Room) -> None:
    assert Seen(room, Actor(name="ada", user=new_id())).access() is None


# --- shares ---------------------------------------------------------------------------------------


def test_a_share_shows_one_entity_until_it_ends(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    people = studio.people
    seen = people.reader("ada")
    now = access_module.now()
    people.make("Share", type="Task", entity=studio.model, access="read", user=seen.user)
    people.make("Share", type="Task", entity=studio.paint, access="read", user=seen.user, ends=now + 60_000_000)

    assert seen.column("select name from Task order by name") == ["model", "paint"]
    monkeypatch.setattr(access_module, "now", lambda: now + 61_000_000)
    assert seen.column("select name from Task order by name") == ["model"]


def test_shares_reach_groups_and_members_of_projects(studio: Studio) -> None:
    people = studio.people
    ada, eve = people.reader("ada"), people.reader("eve")
    group = people.make("Group", name="g")
    people.link("User", "groups", ada.user, group)
    people.make("ProjectMember", project=studio.bunny, group=group)
    people.make("Share", type="Task", entity=studio.loose, access="read", group=group)
    people.make("Share", type="Asset", entity=studio.dragon, access="write", project=studio.bunny)

    assert ada.column("select name from Task") == ["loose"]
    assert ada.column("select name from Asset") == ["dragon"]
    assert (eve.count("Task"), eve.count("Asset")) == (0, 0)


# --- the past -------------------------------------------------------------------------------------


def test_the_past_is_seen_by_todays_rules_on_its_own_state(studio: Studio) -> None:
    people = studio.people
    seen = member(studio, ("read", "Task", OWN))
    start = people.room.query(QueryRequest(database="main", query=parse("Task"))).revision
    people.change("Task", studio.loose, project=studio.bunny)
    people.change("Task", studio.model, project=studio.sintel)
    people.delete("Task", studio.paint)

    assert seen.column("select name from Task") == ["loose"]
    # model was of Bunny then, but is there today and cannot be seen.
    assert seen.column("select name from Task", at=start) == []
    people.delete("Task", studio.model)
    assert seen.column("select name from Task", at=start) == ["model"]
    assert seen.members("Project", "tasks", studio.bunny, at=start).owners == []


def test_history_tells_what_could_be_seen(studio: Studio) -> None:
    people = studio.people
    seen = member(studio, ("read", "Task", OWN, ["name", "project", "asset"]), ("read", "Task", "bid > 8", ["bid"]))
    task = studio.model
    people.change("Task", task, bid=9)
    people.change("Task", task, bid=10, name="modelling")
    people.change("Task", task, project=studio.sintel, name="away")
    people.change("Task", task, project=studio.bunny)

    told = seen.history("Task", task)
    assert ("update", "bid", None, 9) in told
    assert ("update", "bid", 9, 10) in told
    assert ("create", "name", None, "model") in told
    assert not [each for each in told if each[1] in ("asset", "project", "notes")]
    with pytest.raises(NotFound):
        seen.history("Task", studio.paint)
    people.change("Task", task, project=studio.sintel, bid=1)
    with pytest.raises(NotFound):
        seen.history("Task", task)


def test_history_page_by_page_is_the_whole_history(studio: Studio) -> None:
    people = studio.people
    seen = studio.people.reader("ada", ("read", "Task", None, ["name"]))
    for number in range(5):
        people.change("Task", studio.model, bid=100 + number)
        people.change("Task", studio.model, name=f"n{number}")
    found, before = [], None
    while page := seen.room.history(
        HistoryRequest(database="main", type="Task", id=studio.model, limit=2, before=before)
    ):
        found += [each.after for each in page]
        before = page[-1].revision

    assert found == ["n4", "n3", "n2", "n1", "n0", "model"]


def test_history_of_links_has_visible_members_only(studio: Studio) -> None:
    people = studio.people
    red, blue = people.make("Tag", name="red"), people.make("Tag", name="blue")
    people.link("Asset", "tags", studio.rabbit, red, blue)
    people.unlink("Asset", "tags", studio.rabbit, red, blue)
    seen = people.reader("ada", ("read", "Asset"), ("read", "Tag", 'name is "red"'))
    changes = seen.room.history(HistoryRequest(database="main", type="Asset", id=studio.rabbit, attribute="tags"))

    assert [(each.verb, each.member) for each in changes] == [("unlink", red), ("link", red)]


# --- search ---------------------------------------------------------------------------------------


def test_search_finds_and_quotes_what_can_be_seen(studio: Studio) -> None:
    seen = studio.people.reader(
        "ada", ("read", "Task", None, ["name"]), ("read", "Task", "bid > 6", ["notes"]), ("read", "Asset", "name is x")
    )

    assert seen.found("fur") == [(studio.loose, {"notes": "[fur] everywhere"})]
    assert seen.found("model") == [(studio.model, {"name": "[model]"})]
    assert seen.found("model fur") == []
    assert seen.found("loose fur") == [(studio.loose, {"name": "[loose]", "notes": "[fur] everywhere"})]
    assert seen.found("rabbit") == []
    assert seen.found("dragon") == []
    assert studio.people.reader("eve").found("fur") == []


def test_a_condition_with_matches_finds_what_can_be_seen(studio: Studio) -> None:
    seen = studio.people.reader("ada", ("read", "Task", None, ["name"]), ("read", "Task", "bid > 6", ["notes"]))

    assert seen.column('select name from Task where notes matches "fur"') == ["loose"]
    assert seen.column('select name from Task where not notes matches "fur" order by name') == ["model", "paint"]


# --- the journal ----------------------------------------------------------------------------------


def test_the_journal_shows_what_can_be_seen(studio: Studio) -> None:
    people = studio.people
    seen = member(studio, ("read", "Task", OWN, ["name", "project", "asset"]))
    start = people.commit(Publish(topic="start")).revision
    both = Update(type="Task", ids=[studio.model, studio.paint], columns={"name": ["m", "p"], "bid": [1, 2]})
    people.commit(both, notes="both")
    people.change("Task", studio.paint, name="q")
    people.commit(Update(type="Task", ids=[studio.model], columns={"bid": [4]}), notes="secret")
    people.commit(Publish(topic="hello", data=1), notes="hi")
    people.delete("Task", studio.model, studio.paint)
    last = people.make("Tag", name="red")

    entries = seen.room.journal(start)
    assert [each.header.notes for each in entries] == ["both", "hi", None, None]
    update = entries[0].operations[0]
    assert (update.ids, update.columns, update.before) == ([studio.model], {"name": ["m"]}, {"name": ["model"]})
    delete = entries[2].operations[0]
    assert isinstance(delete, Delete)
    assert delete.ids == [studio.model]
    assert {name for name in delete.before if name not in SYSTEM} == {"name", "project", "asset"}
    assert delete.before["name"] == ["m"]
    # The last one read shows how far, and nothing else.
    assert (entries[3].operations, entries[3].header.actor, entries[3].header.time) == ([], "", 0)
    assert last


def test_events_are_of_what_can_be_seen(studio: Studio) -> None:
    people = studio.people
    seen = member(studio, ("read", "Task", OWN, ["name", "project"]))
    start = people.commit(Publish(topic="start")).revision
    people.change("Task", studio.model, bid=100)
    people.change("Task", studio.paint, name="hidden")
    shown = people.change("Task", studio.model, name="shown").revision
    request = FollowRequest(
        database="main", after=start, subscriptions=["recordroom.commit", "Task where name is_not None"]
    )
    followed = seen.room._read(Requests(seen.room._open, seen.actor).follow(request))

    assert [each.event.revision for each in followed.deliveries] == [shown]
    assert followed.position == shown


def test_creates_in_the_journal_keep_their_numbers(studio: Studio) -> None:
    people = studio.people
    seen = people.reader("ada", ("read", "Task", "bid < 2", ["name"]), ("read", "Task", "bid = 0"))
    start = people.commit(Publish(topic="start")).revision
    ids = [new_id() for _ in range(5)]
    people.commit(Create(type="Task", ids=ids, columns={"name": list("abcde"), "bid": [1, 5, 0, 1, 1]}))
    [entry] = seen.room.journal(start)
    numbers = dict(zip(seen.ids("Task"), seen.column("select number from Task"), strict=True))

    told = {
        entity: (operation.first_number + place, {name: values[place] for name, values in operation.columns.items()})
        for operation in entry.operations
        for place, entity in enumerate(operation.ids)
    }
    assert {entity: number for entity, (number, _) in told.items()} == numbers
    assert {entity: values for entity, (_, values) in told.items()} == {
        ids[0]: {"name": "a"},
        ids[2]: {"name": "c", "bid": 0},
        ids[3]: {"name": "d"},
        ids[4]: {"name": "e"},
    }


def test_a_reference_to_what_is_hidden_looks_like_one_that_was_never_given(studio: Studio) -> None:
    people = studio.people
    hidden = people.make("Project", name="hidden")
    seen = people.reader("ada", ("read", "Task", "", ["name", "project"]))
    start = people.commit(Publish(topic="start")).revision
    with_one, without = new_id(), new_id()
    people.commit(Create(type="Task", ids=[with_one], columns={"name": ["a"], "project": [hidden]}))
    people.commit(Create(type="Task", ids=[without], columns={"name": ["b"]}))

    entries = seen.room.journal(start)

    assert [operation.columns for entry in entries for operation in entry.operations] == [
        {"name": ["a"]},
        {"name": ["b"]},
    ]


def test_headers_are_there_for_those_who_see_something(studio: Studio) -> None:
    people = studio.people
    seen = member(studio, ("read", "Task", OWN))
    shown = people.change("Task", studio.model, name="m").revision
    hidden = people.change("Task", studio.paint, name="p").revision

    assert seen.room.header(shown).revision == shown
    with pytest.raises(NotFound) as none:
        seen.room.header(hidden + 1)
    with pytest.raises(NotFound) as unseen:
        seen.room.header(hidden)
    assert str(unseen.value) == str(none.value).replace(str(hidden + 1), str(hidden))


def test_names_that_changed_since_hide_what_stood_under_them(studio: Studio) -> None:
    people = studio.people
    seen = people.reader("ada", ("read", "*"))
    start = people.change("Task", studio.model, name="m", bid=1).revision - 1
    people.commit(RenameAttribute(type="Task", name="bid", to="effort"), RenameType(name="Tag", to="Label"))

    [update] = seen.room.journal(start)[0].operations
    assert update.columns == {"name": ["m"]}
