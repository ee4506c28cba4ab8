"""A real browser, headless: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def chromium() -> str:
    """Where the browser is. Without one the test is skipped, unless RECORDROOM_BROWSER says that there must be one."""
    named = os.environ.get("RECORDROOM_BROWSER")
    if named:
        program = shutil.which(named)
        assert program, f"RECORDROOM_BROWSER is {named}, and that is no program"
        return program
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip(
            "there is no Chromium here: install one (on Debian, apt install chromium), or set RECORDROOM_BROWSER"
        )
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """The browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS.split())
        try:
            yield browser
        finally:
            browser.close()
