"""The suite that ships for those who write accessors: it passes and fails where it should, and needs pytest only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/files.md"


def example() -> str:
    """The accessor and its test module, as the guide shows them."""
    section = GUIDE.read_text(encoding="utf-8").partition("## An accessor of your own\n")[2].partition("\n## ")[0]
    return "\n\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))


def run(module: str, folder: Path) -> str:
    """What pytest says of a test module in an empty folder."""
    (folder / "test_mine.py").write_text(module, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_mine.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_the_accessor_of_the_guide_passes_the_suite(tmp_path: Path) -> None:
    said = run(example(), tmp_path)

    assert re.search(r"^\d\d passed", said, re.MULTILINE), said
    assert "failed" not in said


def test_an_accessor_that_overwrites_unasked_fails_and_is_told_why(tmp_path: Path) -> None:
    said = run(example().replace("overwrite=overwrite", "overwrite=True"), tmp_path)

    assert "FAILED test_mine.py::TestLoggedDisk::test_a_file_is_not_overwritten_unasked" in said
    assert "DID NOT RAISE" in said


def test_an_assertion_that_fails_shows_its_values(tmp_path: Path) -> None:
    said = run(example().replace("return count", "return count + 1"), tmp_path)

    assert "assert 6 == 5" in said


def test_without_pytest_the_error_names_what_to_install() -> None:
    code = "import sys\nsys.modules['pytest'] = None\nimport recordroom.testing"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr

    assert said.splitlines()[-1].endswith("MissingExtra: This needs pytest: pip install 'recordroom[testing]'.")
