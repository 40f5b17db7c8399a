"""`python -m deploy.local.jars` fetches Apache Kafka: Maven copies what pom.xml names into the checkout, once.

Nothing lands outside of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.local.processes import StackError
from deploy.local.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable

_POM: Final = Path(__file__).with_name("pom.xml")
_CACHE: Final = Path(__file__).parents[2] / ".cache"
_JAVA: Final = 17
_SAY_EVERY: Final = 10
_TAIL: Final = 15


def jars(cache: Path = _CACHE) -> Path:
    """Return the folder that the broker's jars are in, once they are there: another pom, another folder."""
    return cache / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"


def java() -> str:
    """Return the Java program to run."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def provide(cache: Path = _CACHE) -> None:
    """Make sure that Java and the jars are there; the first call downloads these and says so.

    Raises StackError, with the remedy, when something is missing that it cannot get.
    """
    if shutil.which(java()) is None:
        raise StackError(_needed("Java", f"{java()} was not found"))
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests and a stack may want it at the same time
        if not jars(cache).exists():
            _download(jars(cache), cache / "maven")


def _require_new_java() -> None:
    told = subprocess.run((java(), "-XX:-UsePerfData", "-version"), check=False, capture_output=True, text=True)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < _JAVA:
        raise StackError(_needed("Java", f"{java()} says {told.stderr.strip()}"))


def _download(folder: Path, repository: Path) -> None:
    _require_new_java()  # only now: asking costs half a start of the broker
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(_needed("Maven", "mvn was not found"))
    say("kafka", "downloading Apache Kafka with Maven (about 100 MB, this once)")
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    command = (
        *(maven, "--batch-mode", "--file", str(_POM), f"-Dmaven.repo.local={repository}"),
        *("dependency:copy-dependencies", f"-DoutputDirectory={new}"),
    )
    environment = os.environ | {"MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -XX:-UsePerfData"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        last = _follow(process.stdout or ())
    if process.returncode:
        raise StackError("Maven did not fetch Apache Kafka:\n" + "\n".join(f"  {line}" for line in last))
    new.rename(folder)
    say("kafka", f"{len(list(folder.iterdir()))} jars in {folder}")


def _follow(lines: Iterable[str]) -> list[str]:
    """Say now and then how far it has come; returns the end of the output."""
    last: list[str] = []
    files = 0
    for line in lines:
        last = [*last[1 - _TAIL :], line.rstrip()]
        if "Downloaded from" in line and ".jar " in line:
            files += 1
            if files % _SAY_EVERY == 0:
                say("kafka", f"{files} files")
    return last


def _needed(what: str, found: str) -> str:
    return (
        f"KAFKA=apache needs Maven and a JDK, {_JAVA} or newer, and {what} cannot be used: {found}.\n"
        "On Debian: apt install maven openjdk-17-jdk-headless. Without KAFKA=apache the embedded broker is used."
    )


def main() -> None:
    """Fetch it now; exit 1 and say why when that is not possible."""
    try:
        provide()
    except StackError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
