"""Media with bytes changed at random: they are encoded, or refused by name; nothing else happens."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recordroom.errors import InvalidMedia, MediaLimit
from recordroom.media import Limits, encode
from tests.media.making import film, gif, picture, sound

pytestmark = pytest.mark.proof

LIMITS = Limits(seconds=30, cpu_seconds=30, memory=2**30, output_bytes=2**26, pixels=2**24)


def samples(folder: Path) -> list[Path]:
    return [
        film(folder / "a.mov"),
        film(folder / "b.mkv", codec="ffv1", with_sound=False),
        film(folder / "c.avi", codec="mpeg4"),
        film(folder / "d.webm", codec="libvpx", with_sound=False),
        gif(folder / "e.gif"),
        sound(folder / "f.wav"),
        picture(folder / "g.png", mode="RGBA"),
        picture(folder / "h.jpg", orientation=6),
        picture(folder / "i.tif"),
        picture(folder / "j.webp"),
    ]


def damaged(data: bytes, choice: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(choice.choice((1, 4, 30))):
        at = choice.randrange(len(found))
        found[at] = choice.choice((0, 0x7F, 0xFF, choice.randrange(256)))
    if choice.random() < 0.3:
        del found[choice.randrange(1, len(found)) :]
    return bytes(found)


def test_damaged_media_is_encoded_or_refused(tmp_path: Path, rounds: Callable[[int], int]) -> None:
    seed = random.randrange(2**32)
    choice, outcomes = random.Random(seed), Counter[str]()
    sources = [(each.name, each.read_bytes()) for each in samples(tmp_path)]
    for number in range(rounds(400)):
        name, data = sources[number % len(sources)]
        source = tmp_path / name
        source.write_bytes(damaged(data, choice))
        try:
            made = encode(source, tmp_path, LIMITS)
        except MediaLimit as error:
            outcomes[f"limit {error.limit}"] += 1
        except InvalidMedia as error:
            outcomes["crashed" if "it ended what opened it" in error.reason else "refused"] += 1
        else:
            assert made.outputs, f"seed {seed}, round {number}"
            outcomes["encoded"] += 1
    print(dict(outcomes))
    assert outcomes["encoded"]
    assert outcomes["refused"]
