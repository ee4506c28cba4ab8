"""Files that are no media, and some that were made to harm whoever opens them."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import PIL.Image
import pytest

from recordroom.errors import InvalidMedia, MediaLimit, MissingExtra
from recordroom.media import Limits, encode, probe, thumbnail
from tests.media.making import film, picture


def png(width: int, height: int, rows: int) -> bytes:
    """A picture that says it is so large, and has so many rows of nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = bytes(width * 3 + 1) if rows else b""
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Much work in few bytes: two large frames, again and again."""
    target = tmp_path_factory.mktemp("long") / "long.gif"
    images = [PIL.Image.new("L", (1200, 900), shade) for shade in (0, 255)]
    images[0].save(target, save_all=True, append_images=[images[1], images[0]] * 150, duration=40, optimize=False)
    return target


@pytest.mark.parametrize(
    "data",
    [b"", b"hello there", bytes(100_000), os.urandom(4096), b"\x89PNG\r\n\x1a\n" + b"?" * 64, b"GIF89a", b"RIFF\xff\xff\xff\xffAVI "],
    ids=["empty", "text", "zeros", "noise", "half a PNG", "half a GIF", "half an AVI"],
)  # fmt: skip
def test_what_is_no_media_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "film.mov"
    source.write_bytes(data)

    with pytest.raises(InvalidMedia, match=r"'film\.mov' cannot be used as media") as refused:
        encode(source, tmp_path)
    assert refused.value.code == "invalid_media"


def test_a_file_that_vanished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia, match="no such file"):
        encode(tmp_path / "gone.mov", tmp_path)


def test_a_file_that_vanishes_meanwhile_is_encoded_to_its_end(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mov", with_sound=False)
    made = encode(source, tmp_path, progress=lambda _: source.unlink(missing_ok=True))

    assert made.outputs[0].frames == 12


def test_pipes_folders_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for each in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidMedia, match="it is no file"):
            encode(each, tmp_path)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (200_000, 1000)])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(png(*size, rows=0))

    with pytest.raises(MediaLimit) as refused:
        thumbnail(source, tmp_path / "t.jpg")
    assert (refused.value.limit, refused.value.value) == ("pixels", 2**27)


def test_a_picture_that_needs_more_memory_than_it_may_is_given_up_on(tmp_path: Path) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(png(11_000, 11_000, rows=11_000))

    with pytest.raises(MediaLimit) as refused:
        thumbnail(source, tmp_path / "t.jpg", limits=Limits(memory=400 * 2**20))
    assert refused.value.limit == "memory"


def test_a_film_with_too_many_pixels_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", size=(320, 240), frames=2, with_sound=False)

    with pytest.raises(MediaLimit, match="pixels"):
        encode(source, tmp_path, Limits(pixels=320 * 239))


def test_time_on_the_clock_is_limited(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", with_sound=False)

    with pytest.raises(MediaLimit, match="seconds") as refused:
        encode(source, tmp_path, Limits(seconds=0.05))
    assert refused.value.limit == "seconds"


def test_time_of_processors_is_limited(tmp_path: Path, long_film: Path) -> None:
    with pytest.raises(MediaLimit) as refused:
        encode(long_film, tmp_path, Limits(cpu_seconds=1))
    assert refused.value.limit == "cpu_seconds"


def test_the_size_of_what_is_written_is_limited(tmp_path: Path) -> None:
    source = tmp_path / "noise.png"
    PIL.Image.frombytes("RGB", (400, 400), os.urandom(400 * 400 * 3)).save(source)

    moving = film(tmp_path / "noise.mkv", frames=24)
    for each, most in ((source, 20_000), (moving, 1000)):
        with pytest.raises(MediaLimit) as refused:
            encode(each, tmp_path, Limits(output_bytes=most))
        assert refused.value.limit == "output_bytes"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {url}\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("list.mpd", '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{url}</BaseURL></AdaptationSet></Period></MPD>'),
        ("list.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'),
    ],
)  # fmt: skip
def test_lists_that_open_addresses_and_other_files_open_nothing(tmp_path: Path, name: str, text: str) -> None:
    secret = film(tmp_path / "secret.mp4", with_sound=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        port = server.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/a.ts", f"tcp://127.0.0.1:{port}", f"file://{secret}", str(secret)):
            source = tmp_path / name
            source.write_text(text.format(url=url, port=port))
            with pytest.raises(InvalidMedia):
                encode(source, tmp_path)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_ends_the_decoder_does_not_end_us(tmp_path: Path, long_film: Path) -> None:
    before = children()
    killed = threading.Thread(target=kill_the_next, args=(before,))
    killed.start()

    with pytest.raises(InvalidMedia, match="it ended what opened it"):
        encode(long_film, tmp_path)
    killed.join()
    assert children() == before


def children() -> set[int]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(each) for file in found for each in file.read_text().split()}


def kill_the_next(before: set[int]) -> None:
    """Crash the process that decodes, as soon as there is one."""
    while True:
        for each in children() - before:
            os.kill(each, signal.SIGSEGV)
            return
        time.sleep(0.005)


def test_who_is_told_of_progress_may_end_it(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def told(part: float) -> None:
        raise Enough

    before = children()
    with pytest.raises(Enough):
        encode(film(tmp_path / "a.mkv", frames=48, with_sound=False), tmp_path, progress=told)
    assert children() == before


def test_it_ends_with_whoever_started_it(tmp_path: Path, long_film: Path) -> None:
    code = f"from recordroom.media import encode; encode({str(long_film)!r}, {str(tmp_path)!r}, progress=print)"
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        (child,) = (
            int(each)
            for file in Path(f"/proc/{parent.pid}/task").glob("*/children")
            for each in file.read_text().split()
        )
        parent.kill()
        parent.wait()
    end = time.monotonic() + 20
    while is_running(child):
        assert time.monotonic() < end, "the process goes on without anybody who waits"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_hears_nothing_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDROOM_API_KEY", "rrk_secret")
    seen: list[bytes] = []

    def look(part: float) -> None:
        found = [Path(f"/proc/{each}") for each in children()]
        ours = [each for each in found if b"recordroom.media.child" in (each / "cmdline").read_bytes()]
        seen.extend((each / "environ").read_bytes() for each in ours)

    encode(film(tmp_path / "a.mkv", frames=48, size=(640, 480), with_sound=False), tmp_path, progress=look)
    assert seen
    assert not any(b"rrk_secret" in each for each in seen)


def test_the_process_itself_opens_nothing_here(tmp_path: Path) -> None:
    code = f"import sys; from recordroom.media import probe; probe({str(picture(tmp_path / 'a.png'))!r}); print([n for n in ('av', 'PIL') if n in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def test_probe_is_bounded_too(tmp_path: Path) -> None:
    with pytest.raises(MediaLimit):
        probe(film(tmp_path / "a.mkv", with_sound=False), Limits(pixels=1))


def test_what_it_needs_and_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(MissingExtra, match=r"recordroom\[media\]"):
        probe(picture(tmp_path / "a.png"))
