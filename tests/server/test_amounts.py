"""How many values a body may have: counted before they are made, and right for whatever is sent."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recordroom.errors import RequestTooLarge
from recordroom.model import wire
from recordroom.server import amounts
from recordroom.server.limits import Limits
from tests.served import Served, served


def made(dice: random.Random, depth: int = 0) -> Any:
    """Something that JSON and msgpack have."""
    kind = dice.randrange(9 if depth < 4 else 6)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.randrange(-(2**63), 2**64) >> dice.randrange(64)
    if kind == 2:
        return dice.uniform(-1e9, 1e9)
    if kind < 6:
        return "".join(dice.choice('a,[{:}]"\\é山𝄞\n') for _ in range(dice.choice([0, 3, 40, 300])))
    if kind < 8:
        return [made(dice, depth + 1) for _ in range(dice.choice([0, 2, 5, 20]))]
    return {f"k{each}": made(dice, depth + 1) for each in range(dice.choice([0, 2, 5, 20]))}


def texts_and_containers(value: Any) -> int:
    if isinstance(value, str | bytes):
        return 1
    if isinstance(value, list):
        return 1 + sum(map(texts_and_containers, value))
    if isinstance(value, dict):
        return 1 + sum(1 + texts_and_containers(each) for each in value.values())
    return 0


def parts(value: Any) -> int:
    """What JSON text begins or parts: the containers, commas and colons."""
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(parts, value))
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + len(value) + sum(map(parts, value.values()))
    return 0


@pytest.mark.parametrize("seed", range(300))
def test_counts_are_exact(seed: int) -> None:
    value = made(random.Random(seed))
    for check, plain, data, count in (
        (amounts.check_json, amounts.is_plain_json, msgspec.json.encode(value), parts(value) + 1),
        (amounts.check_msgpack, amounts.is_plain_msgpack, msgspec.msgpack.encode(value), texts_and_containers(value)),
    ):
        check(data, count)
        if count > (check is amounts.check_json):
            with pytest.raises(RequestTooLarge):
                check(data, count - 1)
            assert not plain(data, count - 1)


@pytest.mark.parametrize("data", [b"\xc1" * 50, b"\xdb\xff\xff\xff\xff", b"\xdc", b"\xa5ab", b""])
def test_what_is_no_msgpack_ends_too(data: bytes) -> None:
    amounts.check_msgpack(data, 100)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(str(tmp_path_factory.mktemp("amounts") / "r.room"), limits=Limits(values=1_000)) as found:
        yield found


@pytest.mark.parametrize("path", ["/v1/commit", "/v1/query", "/v1/events", "/v1/preview"])
def test_a_body_of_too_many_values_is_refused(server: Served, path: str) -> None:
    many: list[Any] = [[] for _ in range(1_001)]
    for kind, data in ((wire.JSON, msgspec.json.encode(many)), (wire.MSGPACK, msgspec.msgpack.encode(many))):
        answer = server.request("POST", path, data, content_type=kind)
        assert (answer.status, answer.json()["error"]["code"]) == (413, "request_too_large"), path


def test_texts_may_have_as_many_commas_as_they_like(server: Served) -> None:
    body = {"topic": "rows", "data": {"csv": "1,2,[3],{4}:\\" * 1_000}}
    for kind, data in ((wire.JSON, msgspec.json.encode(body)), (wire.MSGPACK, msgspec.msgpack.encode(body))):
        assert server.request("POST", "/v1/events", data, content_type=kind).status == 200


LISTS = {"json": "b'[],' * (most // 3)", "msgpack": "bytes([0x90]) * most"}


@pytest.mark.parametrize("form", LISTS)
def test_the_largest_body_of_empty_lists_takes_no_memory(form: str) -> None:
    script = (
        "import resource\n"
        "from recordroom.errors import RequestTooLarge\n"
        "from recordroom.server import amounts\n"
        "from recordroom.server.limits import Limits\n"
        "most = Limits().body\n"
        f"data = {LISTS[form]}\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        f"    assert not amounts.is_plain_{form}(data, Limits().values)\n"
        f"    amounts.check_{form}(data, Limits().values)\n"
        "except RequestTooLarge:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 100_000  # KiB; the lists would be gigabytes
