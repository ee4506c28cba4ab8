from __future__ import annotations

import asyncio

import pytest

from recordroom.errors import InvalidValue, NotAuthenticated, TooManyAttempts
from recordroom.server.auth.attempts import ADDRESS, PAIR, USER, network_of, wait_after
from recordroom.server.auth.password import Passwords, check_new, hashed, is_right
from tests.server.people import HERE, PASSWORD, with_people


@pytest.mark.parametrize("limit", [PAIR, USER, ADDRESS])
def test_delays_grow_up_to_a_limit(limit):
    waits = [wait_after(count, limit) for count in range(limit.free + 40)]

    assert waits[: limit.free] == [0] * limit.free
    assert waits == sorted(waits)
    assert waits[limit.free] == 1
    assert waits[-1] == limit.most


def test_addresses_of_one_household_are_one():
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::2%eth0")
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("unix") == "unix"


def test_a_password_is_compared_whole_and_in_normal_form():
    kept = hashed("Å" * 100 + "1")

    assert is_right(kept, "A\u030a" * 100 + "1")
    assert not is_right(kept, "Å" * 100 + "2")
    assert not is_right(kept, "Å" * 100)
    assert not is_right(None, "the password of nobody")
    assert not is_right(kept, "\ud800")
    assert not is_right("not a hash", "x")


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 2000, "aaaaaaaaaaaaaaaa", "ann-the-great", "\ud800" * 4 + "abcdefghi"]
)
def test_bad_new_passwords_are_refused_without_showing_them(text):
    with pytest.raises(InvalidValue) as caught:
        check_new(text, "Ann-The-Great", 12)

    assert not text or text not in str(caught.value)


def test_too_many_at_once_are_told_to_come_back():
    async def run():
        passwords = Passwords(1, 2)
        several = [passwords.run(is_right, None, "x") for _ in range(6)]
        results = await asyncio.gather(*several, return_exceptions=True)
        passwords.close()
        return results

    results = asyncio.run(run())
    assert sum(isinstance(each, TooManyAttempts) for each in results) == 3


def test_a_changed_password_ends_other_sessions(places):
    async def story(people):
        await people.user("ann")
        here, there = await people.log_in("ann"), await people.log_in("ann")
        ann = await people.of(here)
        with pytest.raises(NotAuthenticated):
            await people.accounts.set_password(ann, {"password": "no", "new_password": PASSWORD[::-1]}, client=HERE)
        with pytest.raises(NotAuthenticated):
            await people.accounts.set_password(ann, {"new_password": PASSWORD[::-1]}, client=HERE)
        await people.accounts.set_password(ann, {"password": PASSWORD, "new_password": PASSWORD[::-1]}, client=HERE)
        assert (await people.of(here)).token == ann.token
        with pytest.raises(NotAuthenticated):
            await people.of(there)
        with pytest.raises(NotAuthenticated):
            await people.log_in("ann")
        assert (await people.log_in("ann", PASSWORD[::-1]))["user"] == "ann"

    with_people(places(), story)


def test_who_logged_in_with_a_code_sets_a_password_without_the_one_before(places_sqlite):
    async def story(people):
        await people.accounts.set_password(people.admin, {"new_password": PASSWORD}, client=HERE)
        assert (await people.log_in("administrator"))["user"] == "administrator"

    with_people(places_sqlite(), story)


def test_a_code_sets_a_password_once_without_the_one_before(places_sqlite):
    async def story(people):
        await people.accounts.set_password(people.admin, {"new_password": PASSWORD}, client=HERE)
        with pytest.raises(NotAuthenticated):
            await people.accounts.set_password(people.admin, {"new_password": PASSWORD + "!"}, client=HERE)

    with_people(places_sqlite(), story)


def test_one_who_guesses_has_to_wait_longer_and_longer(places, monkeypatch):
    clock = {"now": 1_800_000_000_000_000}
    monkeypatch.setattr("recordroom.server.auth.desk.is_right", lambda kept, text: False)

    async def story(people):
        monkeypatch.setattr("recordroom.server.auth.desk.now", lambda: clock["now"])
        waits = []
        for _ in range(16):
            try:
                await people.log_in("ghost", "guess")
            except TooManyAttempts as error:
                waits.append(error.retry_after)
                clock["now"] += error.retry_after * 1_000_000
            except NotAuthenticated:
                pass
        assert waits == [1, 2, 4]

    with_people(places(), story)


def test_attempts_at_once_gain_nothing(places_sqlite):
    async def story(people):
        tries = [people.log_in("ghost", f"guess {at}") for at in range(25)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(type(each) is NotAuthenticated for each in results) == PAIR.free

    with_people(places_sqlite(), story)
