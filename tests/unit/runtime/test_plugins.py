"""Plug-ins are found by being there, and by nothing else."""

import sys
from pathlib import Path

import pytest

from shared.plugins import PACKAGES, discover, main


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("toys")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def add(folder: Path, module: str, name: str) -> None:
    (folder / f"{module}.py").write_text(f"class Toy:\n    name = {name!r}\n\nPLUGIN = Toy()\n")


def test_a_file_is_enough_and_helpers_are_none(package: Path) -> None:
    add(package, "b_second", "second")
    add(package, "a_first", "first")
    (package / "shared_by_both.py").write_text("LIMIT = 3\n")
    assert [plugin.name for plugin in discover("toys")] == ["first", "second"]
    assert discover("toys")[0] is discover("toys")[0]


def test_two_of_one_name_are_refused(package: Path) -> None:
    add(package, "one", "same")
    add(package, "two", "same")
    with pytest.raises(ValueError, match="share a name"):
        discover("toys")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_has_some(name: str) -> None:
    assert discover(name)


def test_they_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    shown = capsys.readouterr().out
    for package in PACKAGES:
        for plugin in discover(package):
            assert f"{package.rsplit('.', 1)[-1]:10} {plugin.name}" in shown
