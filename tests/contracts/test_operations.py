"""The page of operations: what it tells to type can be typed, and the files that it names are there."""

import subprocess

import pytest
import typer

from cli.__main__ import COMMANDS
from tests.contracts.test_docs import code_of

PAGE = "docs/operations.md"
BLOCKS = [*code_of(PAGE, "console"), *code_of(PAGE, "sh")]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_shell_understands_it(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_its_commands_are_those_of_the_command_line() -> None:
    lines = [line.split() for block in BLOCKS for line in block.splitlines() if line.startswith("kizuna ")]
    assert lines
    for _, name, *rest in lines:
        command = COMMANDS[name]
        if isinstance(command, typer.Typer):
            assert rest[0] in {each.name for each in command.registered_commands}
