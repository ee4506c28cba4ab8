from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from recordroom.errors import InvalidMedia
from recordroom.media import thumbnail
from tests.media.making import film, picture, sound


def made(source: Path, size: int = 300) -> PIL.Image.Image:
    target = source.with_name("thumbnail.jpg")
    told = thumbnail(source, target, size)
    with PIL.Image.open(target) as found:
        found.load()
    assert found.format == "JPEG"
    assert found.size == told
    return found


@pytest.mark.parametrize(("size", "fitted"), [(300, (80, 40)), (20, (20, 10)), (1, (1, 1))])
def test_it_fits_a_square_and_keeps_its_shape(tmp_path: Path, size: int, fitted: tuple[int, int]) -> None:
    assert made(picture(tmp_path / "a.png"), size).size == fitted


def test_it_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    found = made(picture(tmp_path / "a.jpg", orientation=6))

    assert found.size == (40, 80)
    assert found.getpixel((20, 10))[0] > 200 > 60 > found.getpixel((20, 70))[0]


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    found = made(picture(tmp_path / "a.png", mode="RGBA"))

    assert found.getpixel((70, 20)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA"])
def test_it_takes_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    source = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.Image.new("RGBA" if mode == "LA" else "RGB", (30, 20), "white").convert(mode).save(source)

    assert made(source).getpixel((15, 10)) == (255, 255, 255)


def test_a_film_shows_a_moment_after_its_beginning(tmp_path: Path) -> None:
    found = made(film(tmp_path / "a.mp4", frames=48))

    red, _, blue = found.getpixel((50, 24))
    assert 20 < blue < 60
    assert red > 180


def test_a_sound_has_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia, match="no picture"):
        made(sound(tmp_path / "a.wav"))
