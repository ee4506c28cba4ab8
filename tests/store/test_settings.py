from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import InvalidValue, UnknownName
from recordroom.store.settings import Settings, changed, dump, load


def test_settings_come_back_as_they_went() -> None:
    settings = changed(Settings(), {"retention": 30, "durability": "normal"})

    assert load(dump(settings)) == settings == Settings(retention=30, durability="normal")
    assert load("{}") == Settings()


@pytest.mark.parametrize(
    "place", ["/mnt/files", "C:\\\\files", "s3://bucket", "gs://bucket/a/b", "az://container/x", None]
)
def test_files_lie_at_an_absolute_place(place: str | None) -> None:
    assert load(dump(changed(Settings(), {"files": place}))).files == place


def test_an_unknown_setting_suggests_a_close_one() -> None:
    with pytest.raises(UnknownName) as caught:
        changed(Settings(), {"retension": 3})

    assert caught.value.suggestions == ["retention"]
    assert "'retension'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention", -1),
        ("retention", True),
        ("retention", "30"),
        ("durability", "half"),
        ("durability", None),
        ("orphans", 0),
        ("orphans", 1.5),
        ("files", ""),
        ("files", "relative/path"),
        ("files", "ftp://host/x"),
        ("files", "s3://key:secret@bucket/x"),
        ("files", "s3://bucket/x?secret=1"),
        ("files", "s3://"),
    ],
)
def test_a_wrong_value_says_what_is_expected(name: str, value: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        changed(Settings(), {name: value})

    assert (caught.value.attribute, caught.value.value) == (name, value)
