import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.processes import Program, StackError, started, wait_for

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignores', flush=True); time.sleep(60)"
)


def program(folder: Path, *command: str, patience: float = 10.0) -> Program:
    return Program("part", command, folder, patience=patience, tied=True)


def test_started_found_again_and_stopped(tmp_path: Path) -> None:
    part = program(tmp_path, "sleep", "60")
    pid = part.start()
    assert part.start() == pid, "what runs is not started twice"
    assert Program("part", (), tmp_path).pid() == pid, "a later command finds it by name"
    assert part.stop()
    assert part.pid() is None
    assert started(pid) is None
    assert part.stop(), "to stop what does not run is no failure"


def test_a_process_id_that_was_given_to_a_stranger_is_left_alone(tmp_path: Path) -> None:
    part = program(tmp_path, "sleep", "60")
    part.start()
    part.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        note = tmp_path / "pid" / "part.json"
        note.write_text(json.dumps({"pid": stranger.pid, "started": "another boot:1"}))
        assert part.pid() is None
        assert part.stop()
        assert stranger.poll() is None
        note.write_text(json.dumps({"pid": stranger.pid, "started": started(stranger.pid)}))
        assert part.pid() == stranger.pid, "the same moment of start would have been recognised"
    finally:
        (tmp_path / "pid" / "part.json").unlink()
        stranger.kill()
        stranger.wait()


def test_a_process_runs_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    headless = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(1,)).start(); "
    part = program(tmp_path, sys.executable, "-c", headless + "ctypes.CDLL(None).pthread_exit(None)")
    pid = part.start()
    status = Path(f"/proc/{pid}/status")
    assert wait_for(lambda: "zombie" in status.read_text(), 10)
    assert part.pid() == pid, "its first thread is gone, and it holds its ports as before"
    assert wait_for(lambda: part.pid() is None, 10)


@pytest.mark.parametrize("note", ["", "{", "null", "[]", '{"pid": 1}', '{"pid": "x", "started": 1}'])
def test_a_damaged_note_means_that_nothing_runs(tmp_path: Path, note: str) -> None:
    part = program(tmp_path, "sleep", "60")
    (tmp_path / "pid").mkdir()
    (tmp_path / "pid" / "part.json").write_text(note)
    assert part.pid() is None


def test_who_does_not_stop_when_asked_is_killed_and_that_is_said(tmp_path: Path) -> None:
    part = program(tmp_path, sys.executable, "-c", STUBBORN, patience=0.3)
    part.start()
    part.await_ready(lambda: "ignores" in part.log.read_text(), 10)
    assert not part.stop()
    assert part.pid() is None


def test_one_that_ends_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    part = program(tmp_path, "sh", "-c", "echo first; seq 30; echo 'no disk' >&2; exit 3")
    part.start()
    with pytest.raises(StackError, match=r"ended while starting(?s:.*)no disk") as refused:
        part.await_ready(lambda: False, 10)
    assert str(part.log) in str(refused.value)
    assert "first" not in str(refused.value), "only the end of the log is shown"


def test_one_that_never_gets_ready_is_reported_in_time(tmp_path: Path) -> None:
    part = program(tmp_path, "sleep", "60")
    part.start()
    with pytest.raises(StackError, match="did not become ready within 0 s"):
        part.await_ready(lambda: False, 0.1)
    part.stop()


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-such-program"):
        Program("part", ("no-such-program",), tmp_path).start()


def test_a_tied_program_ends_with_who_started_it(tmp_path: Path) -> None:
    code = (
        "import pathlib, os, signal; from deploy.local.processes import Program, wait_for;"
        f"pid = Program('part', ('sleep', '60'), pathlib.Path({str(tmp_path)!r}), tied=True).start();"
        "assert wait_for(lambda: pathlib.Path(f'/proc/{pid}/comm').read_text() == 'sleep\\n', 10);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert wait_for(lambda: Program("part", (), tmp_path).pid() is None, 5)


def test_waiting_ends_at_its_deadline() -> None:
    began = time.monotonic()
    assert not wait_for(lambda: False, 0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert wait_for(lambda: True, 0)
    assert started(os.getpid())
