"""What comes out of an encoding is decoded again: codec, pixels, order of atoms, size, times."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import PIL.Image
import pytest

from recordroom.media import Limits, encode, probe
from tests.media.making import atoms, film, gif, picture, sound, turned


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def frames_of(file: Path) -> list[Any]:
    with av.open(str(file)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(
    ("name", "codec", "size", "shown"),
    [
        ("a.mov", "libx264", (64, 48), (64, 48)),
        ("a.avi", "mpeg4", (65, 47), (64, 46)),
        ("a.mkv", "ffv1", (48, 64), (48, 64)),
        ("a.webm", "libvpx", (64, 48), (64, 48)),
    ],
)
def test_a_film_becomes_an_mp4_that_browsers_play(
    tmp_path: Path, out: Path, name: str, codec: str, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    source = film(tmp_path / name, codec=codec, size=size, with_sound=name == "a.mov")
    made = encode(source, out)

    assert [(each.name, each.format) for each in made.outputs] == [
        ("ftrackreview-mp4", "video/mp4"),
        ("ftrackreview-image", "image/jpeg"),
    ]
    file = out / made.outputs[0].file
    order = atoms(file)
    assert order.index("moov") < order.index("mdat")
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == shown == (made.outputs[0].width, made.outputs[0].height)
        assert video.average_rate == 24
        assert len(list(container.decode(video=0))) == 12 == made.outputs[0].frames


def test_sound_becomes_aac_and_stays_as_long_as_the_picture(tmp_path: Path, out: Path) -> None:
    made = encode(film(tmp_path / "a.mov", frames=24), out)

    with av.open(str(out / made.outputs[0].file)) as container:
        sounds = container.streams.audio[0]
        assert (sounds.codec_context.name, sounds.rate, sounds.layout.name) == ("aac", 48000, "stereo")
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(48000, abs=2 * 1024 + 1024)


def test_a_large_film_is_fitted_and_a_high_one_the_other_way_round(tmp_path: Path, out: Path) -> None:
    limits = Limits(width=160, height=90)
    wide = encode(film(tmp_path / "wide.mkv", size=(640, 200), frames=2, with_sound=False), out, limits)
    high = encode(film(tmp_path / "high.mkv", size=(200, 640), frames=2, with_sound=False), out, limits)

    assert [(each.outputs[0].width, each.outputs[0].height) for each in (wide, high)] == [(160, 50), (50, 160)]


def test_a_film_of_a_camera_held_upright_stands_upright(tmp_path: Path, out: Path) -> None:
    lying = film(tmp_path / "lying.mp4", frames=2)
    made = encode(turned(lying, tmp_path / "upright.mp4"), out)

    (mp4, image) = made.outputs
    assert (mp4.width, mp4.height, image.width, image.height) == (48, 64, 48, 64)
    frame = frames_of(out / mp4.file)[0].to_image()
    # What was on the left, and dark, is at the top when it is turned to the right.
    assert max(frame.getpixel((24, 8))) < 90 < 180 < max(frame.getpixel((24, 56)))
    with PIL.Image.open(out / image.file) as poster:
        assert max(poster.getpixel((24, 8))) < 90 < 180 < max(poster.getpixel((24, 56)))


def test_pixels_become_square(tmp_path: Path, out: Path) -> None:
    made = encode(film(tmp_path / "sar.mkv", aspect=Fraction(2), frames=2, with_sound=False), out)

    assert (made.outputs[0].width, made.outputs[0].height) == (128, 48)
    with av.open(str(out / made.outputs[0].file)) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 0, 1)


def test_the_rate_and_the_times_of_frames_stay(tmp_path: Path, out: Path) -> None:
    made = encode(film(tmp_path / "a.mkv", rate=12, frames=6, with_sound=False), out)

    assert made.outputs[0].rate == 12
    times = [frame.time for frame in frames_of(out / made.outputs[0].file)]
    assert times == pytest.approx([number / 12 for number in range(6)], abs=0.002)


def test_a_picture_that_moves_is_a_film(tmp_path: Path, out: Path) -> None:
    made = encode(gif(tmp_path / "a.gif"), out)

    assert made.source.sort == "video"
    assert len(frames_of(out / made.outputs[0].file)) == 4


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "bmp", "webp"])
def test_a_still_becomes_a_picture_and_no_film(tmp_path: Path, out: Path, ending: str) -> None:
    made = encode(picture(tmp_path / f"a.{ending}"), out)

    (image,) = made.outputs
    assert (image.name, image.format, image.width, image.height) == ("ftrackreview-image", "image/jpeg", 80, 40)
    with PIL.Image.open(out / image.file) as found:
        left, right = found.getpixel((10, 20)), found.getpixel((70, 20))
    assert left[0] > 200 > 60 > left[2]
    assert right[2] > 200 > 60 > right[0]


def test_a_picture_that_can_be_seen_through_stays_so(tmp_path: Path, out: Path) -> None:
    (image,) = encode(picture(tmp_path / "a.png", mode="RGBA"), out).outputs

    assert image.format == "image/png"
    with PIL.Image.open(out / image.file) as found:
        assert found.getpixel((70, 20))[3] == 0


def test_grey_of_sixteen_bits_keeps_its_shades(tmp_path: Path, out: Path) -> None:
    (image,) = encode(sixteen_bits(tmp_path / "a.png"), out).outputs

    with PIL.Image.open(out / image.file) as found:
        assert found.convert("L").getpixel((5, 5)) == pytest.approx(128, abs=2)


def sixteen_bits(target: Path) -> Path:
    PIL.Image.new("I;16", (10, 10), 128 * 257).save(target)
    return target


def test_a_sound_alone_becomes_a_sound_that_browsers_play(tmp_path: Path, out: Path) -> None:
    made = encode(sound(tmp_path / "a.wav"), out)

    (only,) = made.outputs
    assert (made.source.sort, only.format, only.frames) == ("audio", "audio/mp4", 0)
    with av.open(str(out / only.file)) as container:
        assert not container.streams.video
        assert container.streams.audio[0].codec_context.name == "aac"


def test_what_can_be_decoded_of_a_damaged_film_is_encoded(tmp_path: Path, out: Path) -> None:
    source = film(tmp_path / "a.mkv", frames=48, codec="mpeg4", with_sound=False)
    data = bytearray(source.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 200] = os.urandom(200)
    source.write_bytes(data[: len(data) * 3 // 4])
    made = encode(source, out)

    assert 0 < len(frames_of(out / made.outputs[0].file)) <= 48


def test_progress_goes_up_to_the_end(tmp_path: Path, out: Path) -> None:
    heard: list[float] = []
    encode(film(tmp_path / "a.mkv", frames=48, with_sound=False), out, progress=heard.append)

    assert heard == sorted(heard)
    assert heard[-1] > 0.9


def test_a_probe_says_what_it_is(tmp_path: Path) -> None:
    found = probe(film(tmp_path / "a.mp4", frames=12))

    assert (found.sort, found.width, found.height, found.rate, found.has_audio) == ("video", 64, 48, 24.0, True)
    assert found.duration == pytest.approx(0.5, abs=0.03)
    assert probe(picture(tmp_path / "a.jpg", orientation=6)).height == 80
