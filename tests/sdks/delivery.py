"""Owns one SDK's run: its driver as a process of its own, then what ingest took in and health counted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.ports import HOST
from deploy.local.processes import wait_for

if TYPE_CHECKING:
    from collections import Counter

    from tests.sdks.plan import Sdk
    from tests.sdks.product import Product

HERE = Path(__file__).parent
DRIVER_SECONDS, COUNT_SECONDS = 120.0, 30.0
# One observation a request here, since every call names its account: nothing is parked and published later.
REQUESTS, ACCEPTED = "kizuna_produce_seconds_count", "kizuna_ingest_events_total"
REPEATED = "kizuna_events_repeated_total"


class DriverError(Exception):
    """An SDK's process failed; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one SDK's calls. `counted` is by event, its total under the empty name."""

    sdk: Sdk
    version: str
    requests: int
    received: int
    counted: Counter[str]
    repeated: int

    def faults(self) -> list[str]:
        """Return what is not as it must be."""
        return [f"{self.sdk.package}: {fault}" for fault in [*self._sent_twice(), *miscounted(self.sdk, self.counted)]]

    def _sent_twice(self) -> list[str]:
        told = self.sdk.calls.total
        faults = [] if self.received == told else [f"ingest received {self.received} events instead of {told}"]
        return faults + ([f"{self.repeated} events came more than once"] if self.repeated else [])


def miscounted(sdk: Sdk, counted: Counter[str]) -> list[str]:
    """Return what health counted otherwise than it must."""
    wanted = sdk.calls.usage
    wanted[""] = wanted.total()
    return [
        f"{counted[name]} of {name or 'all events'} counted instead of {wanted[name]}"
        for name in sorted({*wanted, *counted})
        if counted[name] != wanted[name]
    ]


def deliver(sdk: Sdk, runtime: Path, product: Product) -> Outcome:
    """Let an SDK make its calls and wait until they are counted, or for half a minute.

    `runtime` is the interpreter of the SDKs for Python, or the folder of Node's modules. Raises DriverError.
    """
    before = _figures(product)
    version = _drive(sdk, runtime, product)
    wait_for(lambda: not miscounted(sdk, product.usage(sdk.calls.account)), COUNT_SECONDS, every=0.1)
    requests, received, repeated = (now - then for now, then in zip(_figures(product), before, strict=True))
    return Outcome(sdk, version, requests, received, product.usage(sdk.calls.account), repeated)


def _figures(product: Product) -> tuple[int, int, int]:
    ingest = product.metric("ingest", REQUESTS), product.metric("ingest", ACCEPTED)
    return *ingest, product.metric("health", REPEATED)


def _drive(sdk: Sdk, runtime: Path, product: Product) -> str:
    """Run the driver; returns the version that the SDK says it has."""
    program = [str(runtime), "-I", str(HERE / "python_driver.py")]
    environment = os.environ | {"NO_PROXY": HOST, "no_proxy": HOST}
    if sdk.runtime == "node":
        program, environment = ["node", str(HERE / "node" / "driver.cjs")], environment | {"NODE_PATH": str(runtime)}
    command = [*program, sdk.module, product.url, product.new_key(sdk.calls.account), sdk.calls.json()]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DriverError(f"{sdk.package} did not end within {DRIVER_SECONDS:.0f} s") from None
    if done.returncode:
        raise DriverError(f"{sdk.package} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
