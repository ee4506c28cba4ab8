from __future__ import annotations

import pytest

from recordroom.errors import ChecksumMismatch
from recordroom.files import MemoryAccessor
from recordroom.files.accessor import CHUNK
from recordroom.files.transfer import Source, checksum_of, verified

DATA = bytes(range(256)) * (CHUNK // 64)


@pytest.fixture
def memory() -> MemoryAccessor:
    made = MemoryAccessor()
    made.write("a", [DATA])
    return made


def test_a_source_counts_sums_and_tells(memory: MemoryAccessor) -> None:
    told: list[int] = []
    source = Source(memory, "a", progress=told.append)

    assert (source.size, b"".join(source)) == (len(DATA), DATA)
    assert source.checksum == checksum_of([DATA])
    assert sum(told) == len(DATA)


@pytest.mark.parametrize("start", [0, 1, CHUNK, CHUNK + 7, len(DATA) - 1, len(DATA)])
def test_a_source_that_begins_later_is_summed_whole(memory: MemoryAccessor, start: int) -> None:
    source = Source(memory, "a")

    assert b"".join(source.open(start)) == DATA[start:]
    assert source.checksum == checksum_of([DATA])


@pytest.mark.parametrize("begin", [0, 5, CHUNK, 2 * CHUNK + 1])
def test_a_source_that_is_resumed_is_summed_once(memory: MemoryAccessor, begin: int) -> None:
    told: list[int] = []
    source = Source(memory, "a", progress=told.append)
    first = source.open()
    next(first)
    next(first)

    assert b"".join(source.open(begin)) == DATA[begin:]
    assert source.checksum == checksum_of([DATA])
    assert sum(told) == len(DATA)


def test_a_file_that_changes_while_it_is_read_is_not_kept(memory: MemoryAccessor) -> None:
    for data in (b"less", DATA + b"more"):
        source = Source(memory, "a")
        memory.write("a", [data], overwrite=True)
        target = MemoryAccessor()
        with pytest.raises(ChecksumMismatch, match="changed while"):
            target.write("b", source)
        assert not target.exists("b")
        memory.write("a", [DATA], overwrite=True)


def test_a_file_that_is_not_what_it_should_be_is_not_kept(memory: MemoryAccessor) -> None:
    wrong = checksum_of([b"other"])
    target = MemoryAccessor()
    with pytest.raises(ChecksumMismatch) as caught:
        target.write("b", Source(memory, "a", checksum=wrong))

    assert (caught.value.expected, caught.value.found) == (wrong, checksum_of([DATA]))
    assert not target.exists("b")


def test_what_is_read_is_verified_at_its_end() -> None:
    assert b"".join(verified([b"a", b"b"], "x", checksum_of([b"ab"]))) == b"ab"
    assert b"".join(verified([b"ab"], "x", None)) == b"ab"
    assert b"".join(verified([b"ab"], "x", "md5:other")) == b"ab"
    with pytest.raises(ChecksumMismatch):
        list(verified([b"ac"], "x", checksum_of([b"ab"])))


def test_a_file_that_grows_without_end_is_left(memory: MemoryAccessor, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(memory, "a")
    monkeypatch.setattr(memory, "read", lambda path, start: iter(lambda: bytes(CHUNK), None))
    with pytest.raises(ChecksumMismatch, match="changed while"):
        MemoryAccessor().write("b", source)
