"""`make rules`: promtool judges the rules, their tests and, where the local stack is up, what its services answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import httpx

from deploy.local.plan import SERVICES, plan_of
from deploy.local.stack import running_parts
from deploy.monitoring.__main__ import FOLDER, RULES_FILE, TESTS_FILE


def main() -> int:
    """Run all that can be judged here and say what cannot; return the exit code."""
    promtool = shutil.which("promtool")
    if promtool is None:
        sys.stderr.write("promtool is not installed; Debian's package prometheus has it: apt-get install prometheus\n")
        return 1
    done = [
        subprocess.run((promtool, *words), cwd=FOLDER, check=False).returncode  # noqa: S603 - found by its name
        for words in (("check", "rules", RULES_FILE), ("test", "rules", TESTS_FILE))
    ]
    plan = plan_of(os.environ)
    if not running_parts(plan):
        sys.stdout.write("The local stack is not up (make up), so no service's answer was looked at.\n")
        return max(done)
    return max(*done, *(scrape(promtool, service, plan.url(service)) for service in SERVICES))


def scrape(promtool: str, service: str, url: str) -> int:
    """Have promtool judge what a service answers to a scrape."""
    answer = httpx.get(f"{url}/metrics", timeout=10).raise_for_status().content
    judged = subprocess.run((promtool, "check", "metrics"), input=answer, check=False)  # noqa: S603 - found by its name
    sys.stdout.write(f"{service}: {len(answer):,} bytes of metrics: {'FAILED' if judged.returncode else 'SUCCESS'}\n")
    return judged.returncode


if __name__ == "__main__":
    sys.exit(main())
