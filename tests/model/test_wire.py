"""The wire: what was encoded is decoded as it was; errors keep class and facts; frames may come in any pieces."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recordroom import errors
from recordroom.errors import Conflict, Error, InvalidRequest, NotFound, NotUnique, UnknownAttribute
from recordroom.model import operations, wire
from recordroom.model.operations import Clash, Commit, CommitResult, Refusal
from recordroom.model.schema import Attribute, EntityType
from recordroom.query import request

REQUESTS = [
    request.QueryRequest,
    request.MembersRequest,
    request.HistoryRequest,
    request.SearchRequest,
    request.RevertRequest,
    request.PreviewRequest,
    request.DatabaseInfo,
    Commit,
]
RESULTS = [
    request.Page,
    request.Members,
    request.Change,
    request.Hit,
    request.Header,
    request.SchemaEffect,
    request.SchemaReply,
    CommitResult,
    EntityType,
    Attribute,
]
QUERIES = [
    "Task where a is 1 order by b",
    "select count() from Task group by c",
    "Task where d any (e in (1, 'x', none))",
]

clean = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | clean
    | st.binary(max_size=20)
)
st.register_type_strategy(bytes, st.binary(min_size=16, max_size=16))
st.register_type_strategy(str, clean)
st.register_type_strategy(int, st.integers(0, 2**53))


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Structs of a type, made field by field from its annotations."""
    info = msgspec.inspect.type_info(kind)
    return of_type(info, 0)


def of_type(info: Any, depth: int) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.AnyType():
            return st.recursive(
                scalars,
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(clean, inner, max_size=3),
                max_leaves=5,
            )
        case msgspec.inspect.StructType(cls=cls) if cls.__name__ == "Query":
            from recordroom.query.grammar import parse

            return st.sampled_from(QUERIES).map(parse)
        case msgspec.inspect.StructType():
            fields = {each.name: of_type(each.type, depth + 1) for each in info.fields}
            return st.builds(info.cls, **fields)
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(of_type(item, depth), max_size=3)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(of_type(item, depth), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*(of_type(each, depth) for each in items))
        case msgspec.inspect.DictType(value_type=value):
            return st.dictionaries(clean, of_type(value, depth), max_size=3)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*(of_type(each, depth) for each in types))
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.BytesType():
            return st.from_type(bytes)
        case msgspec.inspect.IntType():
            return st.from_type(int)
        case msgspec.inspect.StrType():
            return clean
    raise AssertionError(f"no values for {info}")


@pytest.mark.parametrize("kind", [*REQUESTS, *RESULTS, *operations.Operation.__args__], ids=lambda kind: kind.__name__)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_struct_survives_the_wire(kind: Any, data: st.DataObject) -> None:
    value = data.draw(any_of(kind))

    found = wire.decode(wire.encode(value), kind)
    assert found == value
    assert type(found) is kind


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_a_request_with_an_unknown_field_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(InvalidRequest, match="unknown field `surprise`"):
        wire.decode(msgspec.msgpack.encode({"surprise": 1}), kind)


@pytest.mark.parametrize("kind", RESULTS[:-2], ids=lambda kind: kind.__name__)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_result_of_a_newer_server_may_have_more_fields(kind: Any, data: st.DataObject) -> None:
    value = data.draw(any_of(kind))
    tree = msgspec.to_builtins(value, builtin_types=(bytes,)) | {"of tomorrow": 1}

    assert wire.decode(msgspec.msgpack.encode(tree), kind) == value


@pytest.mark.parametrize("value", [2**70, object(), {1, object()}, "\ud800"])
def test_what_cannot_be_sent_is_said(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot be sent"):
        wire.encode(value)


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        wire.decode(b"\xa2\xff\xfe", str)


# --- errors ---------------------------------------------------------------------------------------

CLASSES = sorted(
    {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Error)},
    key=lambda each: each.code,
)
FACTS: dict[str, Any] = {
    "entity": bytes(16),
    "raw": b"\x01\x02",
    "value": "01890a5d-ac96-774b-bcce-b302099a8057",  # a text that looks like an id stays a text
    "uuid": uuid.UUID(int=5),
    "attributes": ("name", "project"),
    "values": (Decimal("1.50"), dt.date(2026, 11, 21), dt.datetime(2026, 11, 21, 10, 30, tzinfo=dt.UTC), None, True),
    "suggestions": ["a", "b"],
    "names": {"x", "y"},
    "large": 2**200,
    "number": -1.5,
    "infinite": float("inf"),
    "a/b~c": {"d/e": (1, (2, b"\x00" * 16))},
    "refused": [Refusal(type="T", entity=bytes(16), code="not_found", message="no", facts={"a": (1,)})],
}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_comes_back_with_its_message_and_facts(kind: type[Error]) -> None:
    error = kind("what happened", **FACTS)
    found = wire.decode_error(wire.encode_error(error), error.status)

    assert type(found) is kind
    assert (found.message, found.facts) == ("what happened", FACTS)
    assert str(found) == str(error)


def test_clashes_of_a_conflict_come_back() -> None:
    clash = Clash(type="Task", entity=bytes(16), attribute="due", base=1, mine=2, theirs=b"\x01" * 16, revision=9)
    error = Conflict(type="Task", entity="x", attributes={"due": clash}, names="due", clashes=[clash])

    assert wire.decode_error(wire.encode_error(error)).facts == error.facts


def test_facts_are_shown_as_json_to_everyone_else() -> None:
    body = json.loads(wire.encode_error(NotUnique(type="Task", attributes=("name",), values=("x",), entity=bytes(16))))

    assert body["error"] == {
        "code": "not_unique",
        "message": "Another Task has the same name 'x'.",
        "details": {
            "type": "Task",
            "attributes": ["name"],
            "values": ["x"],
            "entity": "00000000-0000-0000-0000-000000000000",
        },
        "types": {"/attributes": "tuple", "/values": "tuple", "/entity": "id"},
    }


def test_what_was_not_raised_on_purpose_says_nothing() -> None:
    assert b"secret" not in wire.encode_error(RuntimeError("secret"))
    found = wire.decode_error(wire.encode_error(RuntimeError("secret")))
    assert type(found) is Error


def deep() -> Any:
    found: Any = 1
    for _ in range(5_000):
        found = [found]
    return found


STRANGE = {
    "deep": deep(),
    "object": object(),
    "surrogate": "\ud800",
    "keys": {1: 2},
    "huge": 10**5000,
    "function": deep,
    "range": range(3),
}


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_an_error_can_always_be_sent(value: Any) -> None:
    found = wire.decode_error(wire.encode_error(InvalidRequest("\ud800 no", value=value, nested={"v": (value,)})))

    assert type(found) is InvalidRequest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"{}",
        b'{"error": 5}',
        b'{"error": {"code": "x", "message": 5}}',
        b"\xff",
        b'{"error": {"code": "not_found", "message": "m", "details": {"a": "x"}, "types": {"/a": "id"}}}',
        b'{"error": {"code": "not_found", "message": "m", "details": {"a": []}, "types": {"/a/7": "id"}}}',
        b'{"error": {"code": "not_found", "message": "m", "details": {}, "types": {"": "id"}}}',
        b'{"error": {"code": "not_found", "message": "m", "details": {"a": {}}, "types": {"/a": "clash"}}}',
    ],
)
@pytest.mark.parametrize(("status", "kind"), [(502, Error), (404, InvalidRequest)])
def test_an_answer_that_is_no_error_becomes_one_by_its_status(data: bytes, status: int, kind: type[Error]) -> None:
    found = wire.decode_error(data, status)

    assert (type(found), found.status) == (kind, status)


def test_a_code_of_a_newer_server_is_kept() -> None:
    found = wire.decode_error(b'{"error": {"code": "of_tomorrow", "message": "m", "details": {"a": 1}}}', 409)

    assert (type(found), found.message, found.facts["code"], found.facts["a"]) == (
        InvalidRequest,
        "m",
        "of_tomorrow",
        1,
    )


# --- frames ---------------------------------------------------------------------------------------

PAGES = [request.Page(type="Task", ids=[bytes(16)] * count, count=count) for count in (3, 0, 200)]


@given(cuts=st.lists(st.integers(0, 5_000), max_size=30))
def test_frames_may_come_in_any_pieces(cuts: list[int]) -> None:
    data = b"".join(map(wire.frame, PAGES)) + wire.COMPLETE
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    frames = wire.Frames(request.Page)
    found = [page for a, b in pairwise(places) for page in frames.feed(data[a:b])]

    assert found == PAGES
    assert frames.complete


def test_a_stream_that_breaks_off_is_not_complete() -> None:
    frames = wire.Frames(request.Page)

    assert list(frames.feed(wire.frame(PAGES[0]) + wire.frame(PAGES[2])[:-1])) == PAGES[:1]
    assert not frames.complete


def test_an_error_ends_a_stream_and_is_raised() -> None:
    frames = wire.Frames(request.Page)
    pages = frames.feed(wire.frame(PAGES[0]) + wire.error_frame(NotFound(type="Task", entity="x")))

    assert next(pages) == PAGES[0]
    with pytest.raises(NotFound) as caught:
        next(pages)
    assert caught.value.type == "Task"
    assert not frames.complete


def test_a_page_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        list(wire.Frames(request.Page).feed((1).to_bytes(4, "big") + b"\xc1"))


def test_an_error_of_two_classes_stays_both() -> None:
    found = wire.decode_error(wire.encode_error(UnknownAttribute(type="Task", name="x")))

    assert isinstance(found, KeyError)
