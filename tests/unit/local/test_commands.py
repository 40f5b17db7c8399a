"""What stands outside of Python: the Makefile's own help, and what set-up says on a machine that lacks something."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROMISED = {"help", "demo", "test", "up", "down", "status", "check", "bench", "sdks", "soak", "plugins"}


def test_help_lists_every_command() -> None:
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], check=True, capture_output=True, text=True).stdout
    listed = set(re.findall(r"^  make (\w+) +\S", shown, flags=re.MULTILINE))
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets
    assert listed >= PROMISED
    assert listed == set(targets[1].split()) - {"setup"}


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ('case "$2" in *print*) echo 3.9;; *) exit 1;; esac', "Python 3.11 or newer is needed; .*/python is 3.9"),
        ('case "$2" in *print*) echo 3.11;; *ensurepip*) exit 1;; esac', "apt install python3.11-venv"),
        ("", "Python 3.11 or newer is needed and none was found"),
    ],
)
def test_set_up_names_what_is_missing_and_how_to_get_it(answers: str, complaint: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{answers}\n")
    python.chmod(stat.S_IRWXU)
    command = [str(ROOT / "deploy" / "local" / "setup.sh"), str(python) if answers else "", "0.0.0"]
    refused = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert re.search(complaint, refused.stderr)
    assert not (tmp_path / ".venv").exists()
