"""What can go wrong between a remote session and its server, and what is made of it."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest

from recordroom.client.calls import Caller
from recordroom.client.credentials import ApiKey, Credentials
from recordroom.client.http import Options
from recordroom.client.remote import RemoteRoom
from recordroom.client.retry import NEVER, Retry
from recordroom.client.session import Session
from recordroom.errors import (
    Error,
    InvalidQuery,
    InvalidRequest,
    InvalidValue,
    NotAuthenticated,
    NotUnique,
    QueryTimeout,
    RoomNotFound,
    ServerUnavailable,
    StoreUnavailable,
    TooManyAttempts,
    UnknownDatabase,
)
from recordroom.model import wire
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, CommitResult
from recordroom.model.schema import EntityType
from recordroom.query.grammar import parse
from recordroom.query.request import DatabaseInfo, Page, QueryRequest, SchemaReply
from tests.client.scripted import Act, Script, answer, close, good, noise, reset, scripted

RESULT = CommitResult(revision=7, time=1)
ASKED = QueryRequest(query=parse("Task"))
SECRET = "rrk_very-secret"
QUICK = Retry(base=0.001, cap=0.002)


def error_answer(error: Error, **more: Any) -> Act:
    return answer(error.status, wire.encode_error(error), wire.JSON, **more)


class Naps(list[float]):
    """What a caller would have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def room_at(
    script: Script,
    retry: Retry = QUICK,
    credentials: Credentials | None = None,
    naps: Naps | None = None,
    **options: Any,
) -> RemoteRoom:
    known = ApiKey(SECRET) if credentials is None else credentials
    sleep = Naps() if naps is None else naps
    return RemoteRoom(Caller(script.url, known, options=Options(**options), retry=retry, sleep=sleep))


def pages(*counts: int) -> bytes:
    return b"".join(wire.frame(Page(type="Task", columns={"n": [0] * n}, count=n)) for n in counts)


STREAM = {"content_type": wire.MSGPACK}

# --- trying again ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [close, reset, noise, good(RESULT, cut=1), answer(503), answer(502, b"<html>", "text/html"), answer(408)],
    ids=["closed", "reset", "noise", "half", "503", "502", "408"],
)
def test_a_commit_is_sent_again_under_its_id_until_it_is_answered(bad: Act) -> None:
    commit = Commit(id=new_id())
    with scripted(bad, bad, good(RESULT)) as script:
        room = room_at(script)
        assert room.commit(commit) == RESULT
        room.close()

    assert len(script.heard) == 3
    assert all(each.endswith(wire.encode(commit)) for each in script.heard)


def test_connections_are_kept() -> None:
    with scripted(*[good(number) for number in range(5)]) as script:
        room = room_at(script)
        assert [room.count(ASKED) for _ in range(5)] == list(range(5))
        room.close()

    assert script.connections == 1


def test_a_kept_connection_that_died_is_nobodys_problem() -> None:
    def good_then_gone(connection: Any) -> bool:
        good(1)(connection)
        return False

    naps = Naps()
    with scripted(good_then_gone, good_then_gone, good(2)) as script:
        room = room_at(script, naps=naps)
        assert [room.count(ASKED), room.count(ASKED), room.count(ASKED)] == [1, 1, 2]
        room.close()

    assert script.connections == 3


def test_retry_after_is_waited_for() -> None:
    naps = Naps()
    with scripted(answer(503, retry_after="3"), answer(429, retry_after="2"), good(1)) as script:
        room = room_at(script, naps=naps)
        assert room.count(ASKED) == 1
        room.close()

    assert naps == [3.0, 2.0]


def test_a_date_to_retry_after_is_understood() -> None:
    naps = Naps()
    with scripted(
        answer(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), answer(503, retry_after="soon"), good(1)
    ) as script:
        room = room_at(script, naps=naps)
        assert room.count(ASKED) == 1
        room.close()

    assert all(each <= QUICK.cap for each in naps)


def test_a_wait_that_is_too_long_is_told_at_once() -> None:
    with scripted(error_answer(TooManyAttempts(retry_after=900), retry_after="900")) as script:
        room = room_at(script)
        with pytest.raises(TooManyAttempts, match="900") as caught:
            room.count(ASKED)
        room.close()

    assert (caught.value.retry_after, caught.value.attempts) == (900, 1)


def test_giving_up_tells_how_often_and_how_long() -> None:
    with scripted() as script:
        room = room_at(script, Retry(base=0.0, connection=3, first_contact=3))
        with pytest.raises(ServerUnavailable, match="tried 3 times") as caught:
            room.commit(Commit(id=new_id()))
        room.close()

    assert isinstance(caught.value, StoreUnavailable)
    assert (caught.value.attempts, caught.value.status, caught.value.where) == (3, 503, script.url)
    assert caught.value.seconds >= 0
    assert SECRET not in str(caught.value) + repr(caught.value.facts)


def test_where_nothing_listens_is_said_soon() -> None:
    with scripted() as script:
        pass
    room = room_at(script, Retry(base=0.0))
    with pytest.raises(ServerUnavailable, match="nothing answers there") as caught:
        room.databases()
    assert caught.value.attempts == Retry().first_contact


def test_a_database_that_the_server_cannot_reach_is_tried_again_then_told() -> None:
    away = error_answer(StoreUnavailable(reason="the connection was refused"))
    with scripted(away, good(1), *[away] * 2) as script:
        room = room_at(script, Retry(base=0.0, statuses={503: 2}))
        assert room.count(ASKED) == 1
        with pytest.raises(ServerUnavailable, match="the connection was refused; tried 2 times"):
            room.count(ASKED)
        room.close()


@pytest.mark.parametrize(
    "error",
    [
        NotUnique(type="Task", attributes=("name",), values=("a",)),
        QueryTimeout(seconds=30),
        InvalidQuery(reason="r"),
        Error("no"),
    ],
    ids=lambda each: each.code,
)
def test_errors_that_would_be_the_same_again_are_raised_at_once(error: Error) -> None:
    with scripted(error_answer(error)) as script:
        room = room_at(script)
        with pytest.raises(type(error)) as caught:
            room.commit(Commit(id=new_id()))
        room.close()

    assert (caught.value.message, caught.value.facts) == (error.message, error.facts)
    assert len(script.heard) == 1


def test_a_server_that_is_silent_is_left_after_the_time_out() -> None:
    def silent(connection: Any) -> bool:
        connection.recv(1)
        return False

    with scripted(silent, good(1)) as script:
        room = room_at(script, connect=5.0, read=0.2)
        assert room.count(ASKED) == 1
        room.close()

    assert script.connections == 2


def test_every_retry_can_be_switched_off() -> None:
    with scripted(close, good(1)) as script:
        room = room_at(script, NEVER)
        with pytest.raises(ServerUnavailable, match="tried 1 times"):
            room.count(ASKED)
        room.close()


# --- what is not safe to ask twice --------------------------------------------------------------------


@pytest.mark.parametrize("bad", [close, reset, answer(503), good(None, cut=0)], ids=["closed", "reset", "503", "half"])
def test_a_database_is_not_made_or_dropped_twice(bad: Act) -> None:
    with scripted(bad, bad) as script:
        room = room_at(script)
        with pytest.raises(ServerUnavailable):
            room.create_database(DatabaseInfo(key="a"))
        with pytest.raises(ServerUnavailable):
            room.drop_database("a")
        room.close()

    assert len(script.heard) == 2


def test_what_is_not_safe_to_ask_twice_has_a_connection_of_its_own() -> None:
    made = DatabaseInfo(key="a")
    with scripted(good(1), good(made), good(2)) as script:
        room = room_at(script)
        assert room.count(ASKED) == 1
        assert room.create_database(made) == made
        assert room.count(ASKED) == 2
        room.close()

    assert script.connections == 2


def test_a_refusal_to_be_asked_so_often_is_safe_to_repeat() -> None:
    made = DatabaseInfo(key="a")
    with scripted(answer(429), good(made)) as script:
        room = room_at(script)
        assert room.create_database(made) == made
        room.close()


# --- answers that are none ----------------------------------------------------------------------------


def test_the_page_of_a_proxy_is_no_answer() -> None:
    page = answer(200, b"<html>Sign in to the hotel</html>", "text/html; charset=utf-8")
    with scripted(*[page] * 2) as script:
        room = room_at(script, Retry(base=0.0, connection=2, first_contact=2))
        with pytest.raises(ServerUnavailable, match="200 with text/html"):
            room.count(ASKED)
        room.close()


def test_a_server_of_something_else_has_no_room() -> None:
    with scripted(answer(404, b"Not here", "text/plain")) as script:
        room = room_at(script)
        with pytest.raises(RoomNotFound, match="404 with text/plain"):
            room.count(ASKED)
        room.close()


@pytest.mark.parametrize("body", [b"", b"\xc1", wire.encode({"a": 1}), wire.encode("x")[:1]], ids=repr)
def test_an_answer_that_cannot_be_understood_is_told(body: bytes) -> None:
    with scripted(*[answer(200, body)] * 2) as script:
        room = room_at(script, Retry(base=0.0, connection=2, first_contact=2))
        with pytest.raises(ServerUnavailable, match="cannot be understood"):
            room.query(ASKED)
        room.close()


def test_an_error_of_a_newer_server_is_an_error_all_the_same() -> None:
    body = b'{"error": {"code": "of_tomorrow", "message": "Not today.", "details": {"x": 1}}}'
    with scripted(answer(422, body, wire.JSON)) as script:
        room = room_at(script)
        with pytest.raises(InvalidRequest, match="Not today") as caught:
            room.count(ASKED)
        room.close()

    assert caught.value.x == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_credential_is_not_carried_to_another_place(status: int) -> None:
    with scripted() as elsewhere, scripted(answer(status, location=f"{elsewhere.url}/v1/query?token=x")) as script:
        room = room_at(script)
        with pytest.raises(RoomNotFound, match="sends on to") as caught:
            room.query(ASKED)
        room.close()

    assert elsewhere.url in str(caught.value)
    assert "token=x" not in str(caught.value)
    assert elsewhere.connections == 0
    assert len(script.heard) == 1


# --- credentials --------------------------------------------------------------------------------------


class Renewing:
    """A token that is another after each refresh."""

    def __init__(self) -> None:
        self.numbers = itertools.count(2)
        self.token = "Bearer token1"
        self.refreshed: list[str] = []

    def header(self) -> str:
        return self.token

    def refresh(self, stale: str) -> bool:
        self.refreshed.append(stale)
        self.token = f"Bearer token{next(self.numbers)}"
        return True

    def handover(self) -> dict[str, Any]:
        return {}


EXPIRED = error_answer(NotAuthenticated(where="here", reason="the token has ended"))


def test_a_token_that_expired_is_renewed_and_the_request_made_again() -> None:
    credentials = Renewing()
    with scripted(EXPIRED, good(1)) as script:
        room = room_at(script, NEVER, credentials)
        assert room.count(ASKED) == 1
        room.close()

    assert credentials.refreshed == ["Bearer token1"]
    assert [b"Authorization: Bearer token%d\r\n" % n in each for n, each in enumerate(script.heard, 1)] == [True, True]


def test_a_token_that_is_never_accepted_is_not_renewed_for_ever() -> None:
    credentials = Renewing()
    with scripted(*[EXPIRED] * 10) as script:
        room = room_at(script, QUICK, credentials)
        with pytest.raises(NotAuthenticated, match="has ended"):
            room.count(ASKED)
        room.close()

    assert len(script.heard) == 3


def test_a_commit_that_may_have_been_heard_before_the_key_was_revoked_keeps_its_id() -> None:
    schema = good(SchemaReply(database="main", revision=1, types=[EntityType(name="Task")]))
    with scripted(schema, close, EXPIRED, good(CommitResult(revision=2, time=1, numbers=[1]))) as script:
        session = Session(room_at(script))
        task = session.create("Task")
        with pytest.raises(NotAuthenticated) as caught:
            session.commit()
        assert caught.value.unsure
        session.commit()
        assert session.state(task) == "clean"
        session.close()

    ids = [wire.decode(each.partition(b"\r\n\r\n")[2], Commit).id for each in script.heard[1:]]
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_a_key_that_is_refused_is_refused_at_once() -> None:
    with scripted(EXPIRED) as script:
        room = room_at(script)
        with pytest.raises(NotAuthenticated) as caught:
            room.count(ASKED)
        room.close()

    assert SECRET not in str(caught.value)


def test_nothing_shows_the_credential() -> None:
    with scripted() as script:
        room = room_at(script, NEVER)
        with pytest.raises(ServerUnavailable) as caught:
            room.count(ASKED)
        room.close()

    chain: BaseException | None = caught.value
    while chain is not None:
        assert SECRET not in f"{chain!r} {chain}"
        chain = chain.__cause__ or chain.__context__
    assert SECRET not in repr(room) + repr(room.caller) + repr(vars(room.caller))


# --- what goes with each request ----------------------------------------------------------------------


def test_headers_and_cookies_go_with_every_request() -> None:
    with scripted(good(1), good([])) as script:
        room = room_at(script, headers={"X-Team": "a"}, cookies={"route": "b", "more": "c"})
        room.count(ASKED)
        room.databases()
        room.close()

    for each in script.heard:
        assert b"X-Team: a\r\n" in each
        assert b"Cookie: route=b; more=c\r\n" in each
        assert b"User-Agent: recordroom/" in each
        assert b"Accept: application/msgpack\r\n" in each


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X A": "b"}},
        {"headers": {"X-A": "é"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"": "x"}},
        {"cookies": {"a": "b; c=d"}},
        {"cookies": {"a": "b\r\n"}},
        {"cookies": {"a=b": "c"}},
    ],
    ids=repr,
)
def test_headers_cannot_be_smuggled(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        Options(**wrong)


def test_keys_of_databases_stay_in_their_part_of_the_path() -> None:
    with scripted(error_answer(UnknownDatabase(name="a?b#c"))) as script:
        room = room_at(script)
        for key in ("a?b#c", "../journal", "a/b", "", "a\r\nb"):
            with pytest.raises(UnknownDatabase):
                room.schema(key)
        room.close()

    assert script.lines == ["GET /v1/schema/a%3Fb%23c HTTP/1.1"]


# --- streams ------------------------------------------------------------------------------------------


def test_a_stream_is_read_frame_by_frame() -> None:
    with scripted(answer(200, pages(2, 3) + wire.COMPLETE), good(1)) as script:
        room = room_at(script)
        assert [each.count for each in room.stream(ASKED)] == [2, 3]
        assert room.count(ASKED) == 1
        room.close()

    assert script.connections == 1


def test_an_empty_stream_has_no_pages() -> None:
    with scripted(answer(200, wire.COMPLETE)) as script:
        room = room_at(script)
        assert list(room.stream(ASKED)) == []
        room.close()


@pytest.mark.parametrize(
    "bad", [close, reset, answer(503), answer(200, pages(2), cut=5)], ids=["closed", "reset", "503", "half"]
)
def test_a_stream_that_does_not_begin_is_asked_for_again(bad: Act) -> None:
    with scripted(bad, answer(200, pages(2) + wire.COMPLETE)) as script:
        room = room_at(script)
        assert [each.count for each in room.stream(ASKED)] == [2]
        room.close()


@pytest.mark.parametrize(
    "body", [pages(2, 3)[:-1], pages(2, 3), pages(2) + b"\0\0\0\1\xc1"], ids=["in a page", "between pages", "garbage"]
)
def test_a_stream_that_breaks_off_is_not_taken_for_whole(body: bytes) -> None:
    with scripted(answer(200, body)) as script:
        room = room_at(script)
        found = room.stream(ASKED)
        assert next(found).count == 2
        with pytest.raises(ServerUnavailable):
            list(found)
        room.close()


def test_a_stream_that_breaks_off_goes_on_on_the_same_snapshot() -> None:
    def some(*names: str) -> bytes:
        return wire.frame(Page(type="Task", columns={"name": list(names)}, count=len(names), revision=9))

    away = wire.error_frame(StoreUnavailable(reason="the connection ended"))
    asked = QueryRequest(query=parse("select name from Task limit 10 offset 1"))
    with scripted(
        answer(200, some("a", "b") + some("c")), answer(200, some("d") + away), answer(200, wire.COMPLETE)
    ) as script:
        room = room_at(script)
        found = [name for page in room.stream(asked) for name in page.columns["name"]]
        room.close()

    assert found == ["a", "b", "c", "d"]
    sent = [wire.decode(each.partition(b"\r\n\r\n")[2], QueryRequest) for each in script.heard]
    assert [(each.at, each.query.offset, each.query.limit) for each in sent] == [(None, 1, 10), (9, 4, 7), (9, 5, 6)]


def test_where_the_past_cannot_be_read_a_broken_stream_is_what_it_is() -> None:
    first = wire.frame(Page(type="Task", columns={"name": ["a"]}, count=1, revision=9))
    with scripted(answer(200, first), error_answer(InvalidQuery(reason="not the past"))) as script:
        room = room_at(script)
        with pytest.raises(ServerUnavailable, match="in the middle"):
            list(room.stream(ASKED))
        room.close()


def test_an_error_in_the_middle_of_a_stream_is_raised_as_what_it_is() -> None:
    with scripted(answer(200, pages(1) + wire.error_frame(QueryTimeout(seconds=30)))) as script:
        room = room_at(script)
        found = room.stream(ASKED)
        assert next(found).count == 1
        with pytest.raises(QueryTimeout):
            next(found)
        room.close()


def test_a_stream_that_is_left_early_lets_go_of_its_connection() -> None:
    left = []

    def endless(connection: Any) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/msgpack\r\nconnection: close\r\n\r\n")
        page = pages(1000)
        try:
            while True:
                connection.sendall(page)
        except OSError:
            left.append(True)
            return False

    with scripted(endless, good(1)) as script:
        room = room_at(script)
        found = room.stream(ASKED)
        assert next(found).count == 1000
        found.close()  # type: ignore[attr-defined]
        assert room.count(ASKED) == 1
        room.close()

    assert left == [True]


def test_a_frame_that_claims_to_be_enormous_is_not_waited_for_with_memory() -> None:
    with scripted(answer(200, struct.pack(">I", 2**31 - 1) + b"x")) as script:
        room = room_at(script, NEVER)
        with pytest.raises(ServerUnavailable):
            list(room.stream(ASKED))
        room.close()


# --- pages --------------------------------------------------------------------------------------------


def test_pages_that_the_server_cuts_are_joined() -> None:
    first = Page(type="Task", ids=[b"a" * 16], columns={"n": [1]}, next=[1], count=1, revision=3)
    second = Page(type="Task", ids=[b"b" * 16], columns={"n": [2]}, next=[2], count=1, revision=4)
    with scripted(good(first), good(second)) as script:
        room = room_at(script)
        page = room.query(QueryRequest(query=parse("Task"), size=2))
        room.close()

    assert page == Page(type="Task", ids=[b"a" * 16, b"b" * 16], columns={"n": [1, 2]}, next=[2], count=2, revision=3)
