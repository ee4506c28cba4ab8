"""Files much larger than what may be in memory, to an object store and back, in processes that are measured."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.proof

MOST = 120  # megabytes, of which Python and the client of the store take 35

SERVER = """
    import sys
    from tests.files.s3 import s3_server
    with s3_server() as server:
        server.bucket("bucket")
        print(server.endpoint, flush=True)
        sys.stdin.read()
"""
CLIENT = """
    import json, re, sys
    from pathlib import Path
    from recordroom.files import open_location
    from recordroom.files.transfer import Source
    endpoint, folder = sys.argv[1:]
    keys = {"access_key_id": "nobody", "secret_access_key": "nothing"}
    store = open_location("s3://bucket/x", endpoint=endpoint, region="us-east-1", **keys)
    disk = open_location(folder)
    up = Source(disk, "large")
    store.write("large", up, size=up.size)
    down = Source(store, "large", checksum=up.checksum)
    disk.write("again", down)
    # Of this program alone: what getrusage says begins with the memory of whoever started it.
    most = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({"size": down.size, "most": int(most[1]) // 1024}))
"""


def test_a_file_larger_than_memory_goes_to_an_object_store_and_back(
    tmp_path: Path, rounds: Callable[[int], int]
) -> None:
    size = rounds(20) * 50 * 1024 * 1024
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        endpoint = server.stdout.readline().strip()
        command = [sys.executable, "-c", textwrap.dedent(CLIENT), endpoint, str(tmp_path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()

    assert found["size"] == (tmp_path / "again").stat().st_size == size
    assert found["most"] < MOST
