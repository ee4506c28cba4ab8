"""`python -m recordroom.server.worker SOCKET`: one of several processes that serve; settings come on stdin."""

from __future__ import annotations

import sys

from .process import run_worker

if __name__ == "__main__":
    run_worker(int(sys.argv[1]), sys.stdin.buffer.read())
