"""The pages in a real browser: clicked through, with the keyboard too, dark and light, on a desk and on a phone.

RECORDROOM_SCREENSHOTS names a folder that gets pictures of them: `docs/images` has those of the documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

import recordroom as rr
from tests.acceptance.browser import browsing
from tests.served import Served, served
from tests.server.studio import furnish

WIDE, NARROW = (1280, 800), (390, 844)
FOLDER = os.environ.get("RECORDROOM_SCREENSHOTS")


class Studio(NamedTuple):
    server: Served
    session: rr.Session
    there: dict[str, Any]
    browser: Browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    path = str(tmp_path_factory.mktemp("pages") / "studio.room")
    # The browser's driver keeps an event loop in this thread: the server is made before it.
    with (
        served(path, accounts=True) as server,
        rr.connect(server.url, api_key=server.api_key) as session,
        browsing() as browser,
    ):
        yield Studio(server, session, furnish(session), browser)


class Looking:
    """A tab, and what went wrong in it."""

    def __init__(self, browser: Browser, size: tuple[int, int]) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def pictured(self, name: str) -> None:
        if FOLDER:
            self.page.screenshot(path=Path(FOLDER) / f"{name}.png", full_page=True)


@pytest.fixture
def look(studio: Studio, request: pytest.FixtureRequest) -> Iterator[Looking]:
    found = Looking(studio.browser, getattr(request, "param", WIDE))
    yield found
    found.context.close()
    assert found.wrong == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("look", [pytest.param(WIDE, id="desk"), pytest.param(NARROW, id="phone")], indirect=True)
def test_the_three_pages_fit_and_can_be_read(studio: Studio, look: Looking, theme: str) -> None:
    there, page = studio.there, look.page
    where = "phone" if page.viewport_size and page.viewport_size["width"] == NARROW[0] else "desk"
    about = {"info": there["animation 1"], "tasks": there["ada"], "tasks_browser": there["sq010"]}
    for name, entity in about.items():
        page.goto(studio.session.widget_url(name, entity, theme))  # type: ignore[arg-type]
        look.pictured(f"page-{name}-{theme}-{where}")

        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, name
        assert page.evaluate(_FAINT) == [], name
        assert page.locator("h1").count() == 1


# Texts whose contrast with what is behind them is below 4.5 : 1 (WCAG 2.2, 1.4.3).
_FAINT = """() => {
  const parts = (color) => color.match(/[0-9.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((each) => {
      const c = each / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      const alpha = parts(color)[3];
      if (alpha === undefined || alpha > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("main *")]
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((each) => {
      const [a, b] = [light(getComputedStyle(each).color), light(ground(each))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05) < 4.5;
    })
    .map((each) => each.outerHTML);
}"""


def test_one_clicks_from_tasks_to_an_entity_to_what_it_is_in(studio: Studio, look: Looking) -> None:
    page = look.page
    page.goto(studio.session.widget_url("tasks", studio.there["ada"]))
    page.get_by_role("link", name="animation 1").click()
    assert page.get_by_role("heading", level=1).inner_text() == "animation 1"
    page.get_by_role("navigation", name="Where it is").get_by_role("link", name="sh0010").click()
    assert page.get_by_role("heading", level=1).inner_text() == "sh0010"
    page.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="bbb").click()
    page.get_by_role("link", name="sq010").click()
    page.get_by_role("searchbox").fill("light")
    page.get_by_role("button", name="Find").click()

    assert page.get_by_role("rowheader").all_inner_texts() == ["lighting 1", "lighting 2", "lighting 3"]
    assert page.title() != "taken"


def test_shots_and_versions_can_be_told_apart(studio: Studio, look: Looking) -> None:
    page, session, shot = look.page, studio.session, studio.there["sh0010"]
    page.goto(session.widget_url("tasks", studio.there["ada"]))
    assert page.get_by_role("cell", name="sq010 / sh0010").count() > 0

    walk = session.create("Asset", {"name": "walk", "parent": shot, "type": session.query("AssetType").first()})
    for _ in range(11):
        session.create("AssetVersion", {"asset": walk})
    session.commit()
    page.goto(session.widget_url("info", walk))
    page.get_by_role("link", name="walk v011").click()

    assert page.get_by_role("heading", level=1).inner_text() == "walk v011"
    page.go_back()
    names = [each for each in page.locator("main a").all_inner_texts() if each.startswith("walk v")]
    assert names == [f"walk v{number:03d}" for number in range(1, 12)]


def test_the_keyboard_is_enough(studio: Studio, look: Looking) -> None:
    page = look.page
    page.goto(studio.session.widget_url("tasks", studio.there["ada"]))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Done":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.wait_for_url("**show=done**")

    assert outline == "solid"
    assert page.get_by_role("rowheader").first.inner_text() == "compositing 1"


def test_a_theme_stays_while_one_clicks(studio: Studio, look: Looking) -> None:
    look.page.goto(studio.session.widget_url("tasks", studio.there["ada"], "light"))
    look.page.get_by_role("link", name="animation 1").click()

    assert look.page.locator("html").get_attribute("data-theme") == "light"


def test_who_is_invited_chooses_a_password_in_the_browser(studio: Studio, look: Looking) -> None:
    studio.session.create("User", {"name": "emmy"})
    studio.session.commit()
    code = studio.server.request("POST", "/v1/users/emmy/reset").json()["code"]
    page = look.page
    page.goto(f"{studio.server.url}/pages/welcome#user=emmy&code={code}")
    assert code not in page.url
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_label("The same again").fill("correct horse batterx")
    page.get_by_role("button").click()
    assert "not the same" in page.get_by_role("status").inner_text()
    page.get_by_label("The same again").fill("correct horse battery")
    page.get_by_role("button").click()
    page.get_by_text("Your password is set, emmy").wait_for()

    given = {"grant": "password", "user": "emmy", "password": "correct horse battery"}
    assert studio.server.request("POST", "/v1/tokens", given).status == 200
