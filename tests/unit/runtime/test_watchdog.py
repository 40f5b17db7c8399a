"""An event loop that is blocked is named with its stack, and a process whose loop never comes back is ended."""

import subprocess
import sys
from textwrap import dedent

BLOCKED = dedent("""
    import asyncio, time
    from shared.watchdog import Watchdog

    def the_culprit(seconds):
        time.sleep(seconds)

    async def main():
        Watchdog(asyncio.get_running_loop(), told=1, stuck={stuck}).start()
        await asyncio.sleep(0.2)
        the_culprit({seconds})
        await asyncio.sleep(0.2)
        print("came back")

    asyncio.run(main())
""")


def run(seconds: float, stuck: float) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", BLOCKED.format(seconds=seconds, stuck=stuck))
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_loop_that_never_comes_back_ends_the_process_and_its_stack_says_why() -> None:
    done = run(90, stuck=3)
    assert done.returncode == 1
    assert "event_loop_stuck" in done.stdout
    assert "the_culprit" in done.stdout
    assert "came back" not in done.stdout


def test_a_loop_that_comes_back_was_named_and_goes_on() -> None:
    done = run(2.5, stuck=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event_loop_blocked" in done.stdout
    assert "the_culprit" in done.stdout
    assert "came back" in done.stdout
