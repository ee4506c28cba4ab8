"""Names that somebody else had before, and guests who publish; on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom import connect
from recordroom.client.job_leases import creator
from recordroom.errors import PermissionDenied
from tests.conftest import DATABASES
from tests.server.outsiders import Yard, yards


@pytest.fixture(scope="module", params=DATABASES)
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yield from yards(request, tmp_path_factory.mktemp("yard"))


def join(yard: Yard, name: str, *, anew: bool = False) -> None:
    """A contributor of that name, with a key; `anew` after the one before was deleted."""
    session = yard.session
    if anew:
        session.delete(yard.users[name])
        session.commit()
    user = yard.users[name] = session.create("User", {"name": name, "active": True})
    user["roles"].append(session.query("Role where name is contributor").one())
    session.create("ProjectMember", {"project": yard.open, "user": user})
    session.commit()
    yard.keys[name], yard.names[name] = yard.stage.new_key(name)[0], name


def test_who_has_the_name_of_somebody_who_left_has_not_what_they_made(yard: Yard) -> None:
    join(yard, "nina")
    component = yard.component("nina", b"of nina")
    assert yard.ask("nina", "GET", f"/v1/files/{component}").data == b"of nina"

    join(yard, "nina", anew=True)

    assert yard.ask("nina", "GET", f"/v1/files/{component}").status == 404
    delete = {"op": "Delete", "type": "FileComponent", "ids": [component]}
    assert yard.commit("nina", delete).status in (403, 404)
    assert yard.ask("administrator", "GET", f"/v1/files/{component}").status == 200
    own = yard.component("nina", b"of another")
    assert yard.ask("nina", "GET", f"/v1/files/{own}").data == b"of another"


def test_a_job_of_somebody_who_left_is_not_done_for_who_has_their_name(yard: Yard) -> None:
    join(yard, "jane")
    with connect(yard.server.url, api_key=yard.keys["jane"]) as session:
        made = session.jobs.submit("nothing", {})["id"]
    job = yard.session.query("Job where id is $id", id=made).one()
    assert creator(yard.session, job["id"]) == "jane"
    job["user"] = yard.users["bob"]  # who is handed it; otherwise it goes with its user
    yard.session.commit()

    join(yard, "jane", anew=True)

    with pytest.raises(PermissionDenied, match="jane before"):
        creator(yard.session, job["id"])


# --- guests ---------------------------------------------------------------------------------------


def publish(yard: Yard, who: str) -> tuple[int, int]:
    """The answers to an event by itself, and to one in a commit."""
    alone = yard.ask(who, "POST", "/v1/events", {"topic": "fire", "data": {"all": "out"}})
    return alone.status, yard.commit(who, {"op": "Publish", "topic": "fire", "data": None}).status


def test_guests_publish_nothing(yard: Yard) -> None:
    assert publish(yard, "gus") == (403, 403)
    assert publish(yard, "looker") == (403, 403)
    assert publish(yard, "mallory") == (200, 200)


def test_guests_publish_where_a_rule_of_theirs_allows_anything(yard: Yard) -> None:
    session = yard.session
    guest = session.query("Role where name is guest").one()
    rule = session.create("Rule", {"role": guest, "verb": "read", "type": "Status"})
    session.commit()
    try:
        assert publish(yard, "gus") == (200, 200)
    finally:
        session.delete(rule)
        session.commit()


def test_what_is_shared_with_a_guest_lets_them_publish_nothing(yard: Yard) -> None:
    share = {"type": "Shot", "entity": yard.shot["id"], "user": yard.users["gus"], "access": "write"}
    made = yard.session.create("Share", share)
    yard.session.commit()
    try:
        assert publish(yard, "gus") == (403, 403)
    finally:
        yard.session.delete(made)
        yard.session.commit()
