"""Text that tries to be a statement, wherever text can stand: it stays data, or is refused as a name."""

from __future__ import annotations

from typing import Any

import pytest

import recordroom as rr
from tests.acceptance.bad_input.conftest import SCHEMA, Desk

ATTEMPTS = [
    "'; DROP TABLE rr_room; --",
    '"; DROP TABLE "main.Thing"; --',
    "' OR '1'='1",
    "x' UNION SELECT * FROM rr_commit --",
    "\\'; DELETE FROM rr_journal; --",
    "$$; DROP SCHEMA public CASCADE; $$",
    "%s %(name)s ? ?1 :name $1 {0} {name} %",
    "]; DROP TABLE x; [",
    "`; DROP TABLE x; `",
    "/* */ -- \n ; \r\n\t",
    'word:* & !x | <-> "near" NEAR(a b) col:x',
    "\u202e\u200b'’‘\"“”;",
    "<script>alert('x')</script>\x1b[31m",
]


@pytest.fixture(params=ATTEMPTS, ids=ascii)
def attempt(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


def test_values_keys_notes_and_actors_come_back_as_they_were(desk: Desk, attempt: str) -> None:
    data: dict[str, Any] = {
        "name": attempt,
        "code": attempt,
        "k_text": attempt,
        "k_long_text": attempt,
        "tags": [attempt, attempt],
        "k_json": {attempt: [attempt]},
        "k_mapping": {attempt: attempt},
        "counts": {attempt: 5},
    }
    with rr.connect(desk.where, actor=attempt) as writer:
        place = writer.get("Place", desk.place["id"])
        made = writer.create("Thing", data)
        made["noted"].link(place, attempt)
        writer.publish(attempt, {attempt: attempt}, target=attempt)
        result = writer.commit(attempt)
    with rr.connect(desk.where) as reader:
        found = reader.query("Thing where name is $name", name=attempt).one()
        assert {name: found[name] for name in ("name", "code", "k_text", "k_long_text", "k_json")} == {
            name: data[name] for name in ("name", "code", "k_text", "k_long_text", "k_json")
        }
        assert found["tags"] == (attempt, attempt)
        assert dict(found["k_mapping"]) == {attempt: attempt}
        assert dict(found["counts"]) == {attempt: 5}
        assert found["noted"].note(reader.get("Place", desk.place["id"])) == attempt
        assert found["created_by"] == attempt
        change = reader.history(found)[0]
        assert (change.actor, change.notes) == (attempt, attempt)
        assert reader.transport.header(result.revision).notes == attempt
        assert reader.decode(reader.encode(found, "all")) is found
        reader.delete(found)
        reader.commit()


def test_questions_compare_with_it_and_nothing_else(desk: Desk, attempt: str) -> None:
    session = desk.session
    Thing = session.types["Thing"]
    asked = [
        session.query("Thing where name is $text", text=attempt),
        session.query("Thing where name in $texts", texts=[attempt]),
        session.query("Thing where name contains $text", text=attempt),
        session.query("Thing where name starts_with $text", text=attempt),
        session.query("Thing where place.name is $text", text=attempt),
        session.query(Thing.k_mapping[attempt] == attempt),
        session.query(Thing.name == attempt),
        session.query(Thing.name.in_([attempt])),
        session.query("Thing").where(Thing.code == attempt).order_by(Thing.name),
    ]
    before = desk.state()
    for result in asked:
        assert result.all() == []
        assert result.count() == 0
        assert result.explain()
    assert session.get("Thing", {"name": attempt}) is None
    assert desk.state() == before


def test_searches_find_words_only(desk: Desk, attempt: str) -> None:
    before = desk.state()
    if any(each.isalnum() for each in attempt):
        assert desk.session.search(attempt) == []
    else:
        with pytest.raises(rr.InvalidQuery, match="word"):
            desk.session.search(attempt)
    assert desk.state() == before


def test_as_a_name_it_is_unknown(desk: Desk, attempt: str) -> None:
    session = desk.session
    for use in (
        lambda: session.create(attempt, {}),
        lambda: session.get(attempt, desk.thing["id"]),
        lambda: session.create_many(attempt, {"name": ["x"]}),
        lambda: session.search("anchor", types=[attempt]),
        lambda: session.types[attempt],
    ):
        with desk.refuses(rr.UnknownType, name=attempt):
            use()
    for use in (
        lambda: session.create("Thing", {attempt: 1}),
        lambda: desk.thing[attempt],
        lambda: desk.thing.__setitem__(attempt, 1),
        lambda: session.create_many("Thing", {"name": ["x"], attempt: [1]}),
        lambda: session.history(desk.thing, attribute=attempt),
        lambda: session.get("Thing", {attempt: 1}),
    ):
        with desk.refuses(rr.UnknownAttribute, name=attempt):
            use()
    with desk.refuses(rr.UnknownDatabase):
        rr.connect(desk.where, database=attempt)
    with desk.refuses(rr.InvalidSchema):
        session.databases.create(attempt)


def test_in_paths_and_orders_it_is_no_query(desk: Desk, attempt: str) -> None:
    session = desk.session
    before = desk.state()
    for use in (
        lambda: session.query(attempt).all(),
        lambda: session.query(f"Thing where {attempt} is 'x'").all(),
        lambda: session.query(f"Thing order by {attempt}").all(),
        lambda: session.query(f"select {attempt} from Thing").all(),
        lambda: session.query("Thing").select(attempt).all(),
        lambda: session.query("Thing").order_by(attempt).all(),
        lambda: session.populate(desk.thing, [attempt]),
    ):
        with pytest.raises((rr.InvalidQuery, rr.UnknownName)):
            use()
    assert desk.state() == before


def test_in_a_schema_it_is_words(desk: Desk, attempt: str) -> None:
    session = desk.session

    def quoted(text: str) -> str:
        return '"' + "".join(f"\\U{ord(each):08x}" for each in text) + '"'

    word = quoted(attempt)
    session.apply_schema(
        f"[Extra]\nlabel = {word}\nplural = {word}\ndescription = {word}\n[Extra.attributes]\n"
        f"kind = {{ kind = 'choice', choices = [{word}, 'other'], default = {word}, label = {word} }}\n"
        f"note = {{ kind = 'text', default = {word}, description = {word} }}\n"
    )
    made = session.create("Extra", {})
    session.commit()
    with rr.connect(desk.where) as other:
        found = other.query("Extra").one()
        assert (found["kind"], found["note"]) == (attempt, attempt)
        extra = other.schema["Extra"]
        assert (extra.label, extra.plural, extra.description) == (attempt, attempt, attempt)
        assert other.query("Extra where kind is $text", text=attempt).one() is found
    session.delete(made)
    session.commit()
    # Names are no place for it.
    for name in (f"[{word}.attributes]\nx = 'text'", f"[Extra.attributes]\n{word} = 'text'"):
        with desk.refuses(rr.InvalidSchema):
            session.apply_schema(name)
    session.databases.create("labelled", label=attempt, description=attempt)
    assert session.databases["labelled"].label == attempt
    session.databases.drop("labelled")
    session.apply_schema(SCHEMA, allow_drop=True)
    assert "Extra" not in session.schema
