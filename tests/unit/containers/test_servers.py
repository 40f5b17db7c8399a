"""Servers in containers that were asked for are had, or the run ends: nothing is skipped or runs elsewhere."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("wanted", "told"), [("containers", "no container engine answers"), ("dockers", "KIZUNA_TEST_SERVERS=dockers")]
)
def test_a_run_that_cannot_be_what_it_should_be_ends(wanted: str, told: str) -> None:
    given = {"KIZUNA_TEST_SERVERS": wanted, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    command = [sys.executable, "-m", "pytest", "-q", "tests/unit/runtime/test_moments.py"]
    run = subprocess.run(command, env=os.environ | given, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert told in run.stdout + run.stderr
    assert "passed" not in run.stdout
