"""Fetching Apache Kafka: what is said on a machine that lacks something."""

import stat
from pathlib import Path

import pytest

from deploy.local.jars import provide
from deploy.local.processes import StackError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java and Maven; what is put into the folder can be called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return programs


def install(machine: Path, name: str, script: str) -> None:
    program = machine / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)


JAVA = "echo 'openjdk version \"{}\" 2025-04-15' >&2"


def test_a_machine_without_java_is_told_what_to_install(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"java was not found(?s:.*)apt install maven openjdk-17"):
        provide(tmp_path / "cache")


@pytest.mark.parametrize("version", ["1.8.0_442", "11.0.2"])
def test_an_old_java_is_named(machine: Path, tmp_path: Path, version: str) -> None:
    install(machine, "java", JAVA.format(version))
    with pytest.raises(StackError, match=rf"17 or newer, and Java cannot be used: .*{version}"):
        provide(tmp_path / "cache")


def test_a_machine_without_maven_is_told_what_to_install(machine: Path, tmp_path: Path) -> None:
    install(machine, "java", JAVA.format("21.0.1"))
    with pytest.raises(StackError, match="Maven cannot be used: mvn was not found"):
        provide(tmp_path / "cache")


def test_a_download_that_fails_is_shown_and_leaves_no_half_of_it(machine: Path, tmp_path: Path) -> None:
    install(machine, "java", JAVA.format("17.0.15"))
    install(machine, "mvn", "echo 'the registry does not answer'; exit 1")
    with pytest.raises(StackError, match=r"Maven did not fetch Apache Kafka:\n.*does not answer"):
        provide(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["kafka.lock"]
