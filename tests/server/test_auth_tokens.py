from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from recordroom.errors import NotAuthenticated, TokenExpired
from recordroom.model.ids import show_id
from recordroom.server.auth.settings import AuthSettings
from recordroom.store.creation import room_facts
from recordroom.store.secrets import ROOM, secret_of
from tests.server.people import HERE, with_people


def b64(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def tampered(people, answer):
    """(what is wrong, token) for tokens that must all be refused."""
    token = answer["access_token"]
    head, body, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    own = await people.room.driver.run(secret_of(people.room.driver.dialect, ROOM, "signing_keys"))
    key = ECKey.import_key(json.loads(own.data)["keys"][0])
    foreign = ECKey.generate_key("P-256", private=True)
    public = key.as_pem(private=False)

    def signed(changes, signer=key, **more):
        made = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(header | more, made, signer, algorithms=["ES256"])

    yield "alg none", f"{b64(header | {'alg': 'none'})}.{body}."
    yield "alg none with the signature", f"{b64(header | {'alg': 'none'})}.{body}.{signature}"
    confused = f"{b64(header | {'alg': 'HS256'})}.{body}"
    digest = hmac.new(public, confused.encode(), hashlib.sha256).digest()
    yield "public key as a shared secret", f"{confused}.{b64(digest)}"
    yield "another key", jwt.encode(header, claims, foreign, algorithms=["ES256"])
    yield "no kid", jwt.encode({"alg": "ES256"}, claims, key, algorithms=["ES256"])
    yield "unknown kid", jwt.encode(header | {"kid": "x"}, claims, key, algorithms=["ES256"])
    yield "own key in the header", signed({}, foreign, jwk=foreign.as_dict(private=False))
    yield "audience", signed({"aud": show_id(bytes(16))})
    yield "many audiences", signed({"aud": [claims["aud"], "other"]})
    yield "no audience", signed({"aud": None})
    yield "issuer", signed({"iss": "somebody"})
    yield "no end", signed({"exp": None})
    yield "an end that is no number", signed({"exp": "never"})
    yield "no session", signed({"sid": None})
    yield "session that is not there", signed({"sid": show_id(bytes(16))})
    yield "session that is a number", signed({"sid": 5})
    yield "another user's", signed({"sub": show_id(people.admin.actor.user)})
    yield "body changed", f"{head}.{b64(claims | {'sub': show_id(people.admin.actor.user)})}.{signature}"
    yield "signature cut", f"{head}.{body}.{signature[:-4]}"
    yield "no signature", f"{head}.{body}."
    yield "header is a list", f"{b64([1])}.{body}.{signature}"
    yield "body is a list", f"{head}.{b64([1])}.{signature}"
    yield "deep", f"{b64(b'[' * 1000)}.{body}.{signature}"


def test_tokens_that_are_not_ours_get_one_error(places):
    async def story(people):
        await people.user("ann")
        answer = await people.log_in("ann")
        wrong = []
        messages = set()
        async for what, token in tampered(people, answer):
            try:
                await people.accounts.identify(f"Bearer {token}")
            except NotAuthenticated as error:
                messages.add((type(error), error.message))
            else:
                wrong.append(what)
        assert wrong == []
        assert len(messages) == 1
        assert (await people.of(answer)).actor.name == "ann"

    with_people(places(), story)


def test_an_expired_token_says_that_it_can_be_renewed(places, monkeypatch):
    async def story(people):
        await people.user("ann")
        answer = await people.log_in("ann")
        await people.of(answer)
        for part in ("recognition", "grants"):
            monkeypatch.setattr(f"recordroom.server.auth.{part}.now", lambda: time.time_ns() // 1000 + 601_000_000)
        with pytest.raises(TokenExpired):
            await people.of(answer)
        renewed = await people.accounts.grant(
            {"grant": "refresh_token", "refresh_token": answer["refresh_token"]}, client=HERE
        )
        assert (await people.of(renewed)).actor.name == "ann"

    with_people(places(), story)


def test_tokens_of_another_room_are_not_ours(places):
    kept = {}

    async def one(people):
        kept["token"] = (await people.log_in_admin())["access_token"]

    async def first(people):
        code = await people.accounts.reset(people.admin, "administrator")
        people.log_in_admin = lambda: people.accounts.grant({"grant": "code", "code": code["code"]}, client=HERE)
        await one(people)

    async def other(people):
        facts = await people.room.driver.run(room_facts())
        assert show_id(facts.id) not in kept["token"]
        with pytest.raises(NotAuthenticated):
            await people.accounts.identify(f"Bearer {kept['token']}")

    with_people(places("one"), first)
    with_people(places("other"), other)


def test_a_replayed_refresh_token_ends_the_session(places):
    async def story(people):
        await people.user("ann")
        answers = [await people.log_in("ann")]

        async def renew(answer, client=HERE):
            request = {"grant": "refresh_token", "refresh_token": answer["refresh_token"]}
            return await people.accounts.grant(request, client=client)

        answers.append(await renew(answers[0]))
        answers.append(await renew(answers[1]))
        assert len({each["refresh_token"] for each in answers}) == 3
        with pytest.raises(NotAuthenticated):
            await renew(answers[0])
        for each in answers:
            with pytest.raises(NotAuthenticated):
                await people.of(each)
        with pytest.raises(NotAuthenticated):
            await renew(answers[2])

    with_people(places(), story)


def test_a_refresh_whose_answer_was_lost_can_be_repeated_from_the_same_address_only(places):
    async def story(people):
        await people.user("ann")
        answer = await people.log_in("ann")
        request = {"grant": "refresh_token", "refresh_token": answer["refresh_token"]}
        first = await people.accounts.grant(request, client=HERE)
        again = await people.accounts.grant(request, client=HERE)
        assert again["refresh_token"] == first["refresh_token"]
        assert (await people.of(again)).token == (await people.of(first)).token
        with pytest.raises(NotAuthenticated):
            await people.accounts.grant(request, client="203.0.113.9")
        with pytest.raises(NotAuthenticated):
            await people.of(first)

    with_people(places(), story)


def test_without_grace_a_second_use_is_a_replay(places_sqlite):
    async def story(people):
        await people.user("ann")
        request = {"grant": "refresh_token", "refresh_token": (await people.log_in("ann"))["refresh_token"]}
        await people.accounts.grant(request, client=HERE)
        with pytest.raises(NotAuthenticated):
            await people.accounts.grant(request, client=HERE)

    with_people(places_sqlite(), story, AuthSettings(grace_seconds=-1))


def test_a_forged_refresh_token_ends_nobodys_session(places_sqlite):
    async def story(people):
        await people.user("ann")
        answer = await people.log_in("ann")
        token = answer["refresh_token"]
        for forged in ("rrf_" + "A" * 43 + token[47:], token[:-1], token + "A", token[4:]):
            with pytest.raises(NotAuthenticated):
                await people.accounts.grant({"grant": "refresh_token", "refresh_token": forged}, client=HERE)
        assert (await people.of(answer)).actor.name == "ann"

    with_people(places_sqlite(), story)


def test_a_new_signing_key_leaves_old_tokens_good_unless_they_shall_not_be(places):
    async def story(people):
        await people.user("ann")
        old = await people.log_in("ann")
        await people.accounts.new_signing_key()
        new = await people.log_in("ann")
        assert (await people.of(old)).actor == (await people.of(new)).actor
        await people.accounts.new_signing_key(keep=False)
        for each in (old, new):
            with pytest.raises(NotAuthenticated):
                await people.of(each)

    with_people(places(), story)
