"""Trying again: how often, after which pauses, for how long."""

from __future__ import annotations

import pytest

from recordroom.client.retry import NEVER, Retry, Tries
from recordroom.errors import InvalidValue


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tries(policy: Retry, clock: Clock | None = None, chance: float = 1.0) -> Tries:
    return Tries(policy, clock or Clock(), lambda: chance)


def test_pauses_double_up_to_the_cap() -> None:
    policy = Retry(base=0.1, cap=1.0)

    assert [policy.pause(count, 1.0) for count in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert policy.pause(10_000, 1.0) == 1.0


def test_jitter_is_full() -> None:
    policy = Retry(base=1.0, cap=8.0)

    assert policy.pause(3, 0.0) == 0.0
    assert policy.pause(3, 0.25) == 1.0


def test_each_status_has_its_number_of_attempts() -> None:
    of = tries(Retry(statuses={503: 3, 429: 1}))

    assert of.after_status(503) is not None
    assert of.after_status(503) is not None
    assert of.after_status(503) is None
    assert of.count == 3
    assert tries(Retry(statuses={503: 3, 429: 1})).after_status(429) is None
    assert tries(Retry(statuses={503: 3})).after_status(500) is None


def test_a_server_that_was_never_met_is_given_up_sooner() -> None:
    policy = Retry(connection=5, first_contact=2)
    known, unknown = tries(policy), tries(policy)

    assert [known.after_break() is None for _ in range(5)] == [False, False, False, False, True]
    assert [unknown.after_break(met=False) is None for _ in range(2)] == [False, True]


def test_retry_after_is_honoured_up_to_what_is_long() -> None:
    policy = Retry(longest=10.0, base=0.1)

    assert tries(policy).after_status(503, 7.0) == 7.0
    assert tries(policy).after_status(503, 0.0) == 0.1
    assert tries(policy).after_status(503, 11.0) is None


def test_no_attempt_starts_after_the_budget() -> None:
    clock = Clock()
    of = tries(Retry(budget=5.0, base=1.0, cap=1.0), clock)

    assert of.after_break() == 1.0
    clock.now += 4.0
    assert of.after_break() == 1.0
    clock.now += 0.5
    assert of.after_break() is None
    assert of.seconds == 4.5


def test_never_is_once() -> None:
    assert tries(NEVER).after_break() is None
    assert tries(NEVER).after_status(503, 0.0) is None


@pytest.mark.parametrize(
    "wrong", [{"connection": 0}, {"first_contact": 0}, {"base": -1.0}, {"budget": float("nan")}, {"cap": float("inf")}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]
