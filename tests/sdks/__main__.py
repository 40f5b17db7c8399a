"""`make sdks`: four unmodified SDKs deliver 1,000 events each, and their recorded requests give no cause for a retry.

Exit 1 naming what is wrong.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from deploy.local.processes import StackError
from deploy.local.progress import say
from tests.sdks import install, recorded
from tests.sdks.delivery import DriverError, Outcome, deliver
from tests.sdks.plan import SDKS
from tests.sdks.product import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sdks.product import Product

SETTLED_SECONDS = 2.0


def main() -> None:
    """Install, run, judge, print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped again
    began = time.monotonic()
    try:
        outcomes, faults = _judged({"python": install.python(), "node": install.node()})
    except (install.InstallError, StackError, DriverError) as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    console = Console(width=max(110, shutil.get_terminal_size().columns))  # a log has no width of its own
    console.print(_table(outcomes))
    console.print(
        "\n".join(faults) or f"Nothing lost, nothing sent twice, after {time.monotonic() - began:.0f} s", markup=False
    )
    sys.exit(bool(faults))


def _judged(runtimes: dict[str, Path | None]) -> tuple[list[Outcome], list[str]]:
    outcomes: list[Outcome] = []
    with running() as product:
        for sdk in SDKS:
            if runtime := runtimes[sdk.runtime]:
                say("sdk", f"{sdk.package} sends {sdk.calls.total:,} calls")
                outcomes.append(deliver(sdk, runtime, product))
        faults = [fault for outcome in outcomes for fault in outcome.faults()]
        return outcomes, faults + _unsettled(outcomes, product) + _replayed(product)


def _unsettled(outcomes: list[Outcome], product: Product) -> list[str]:
    """Return what is counted otherwise two seconds later, so that nothing comes late and twice."""
    time.sleep(SETTLED_SECONDS)  # that nothing happens cannot be polled for
    return [
        f"{outcome.sdk.package}: counted {later.total()} instead of {outcome.counted.total()} in the end"
        for outcome in outcomes
        if (later := product.usage(outcome.sdk.calls.account)) != outcome.counted
    ]


def _replayed(product: Product) -> list[str]:
    """Send the recordings again, and some requests that must be refused; return what is wrong about the answers."""
    address, key = urlsplit(product.url).netloc, product.new_key("recordings")
    taken = [request for each in recorded.recordings() for request in recorded.requests(each, address, key)]
    refused = recorded.refusals(address, key)
    say("recorded", f"{len(taken)} recorded requests and {len(refused)} bad ones are sent again")
    faults = [recorded.fault(request, recorded.send(request, product.url)) for request in taken]
    faults += [recorded.refusal_fault(each, status, recorded.send(each, product.url)) for each, status in refused]
    return [fault for fault in faults if fault]


def _table(outcomes: list[Outcome]) -> Table:
    numbers = ("sent", "received", "tracks", "pages", "counted", "requests", "repeated")
    table = Table("SDK", "version", *numbers)
    for column in table.columns[2:]:
        column.justify = "right"
    for each in outcomes:
        calls = each.sdk.calls
        figures = calls.total, each.received, calls.tracks, calls.people, each.counted[""], each.requests, each.repeated
        table.add_row(each.sdk.package, each.version, *(f"{figure:,}" for figure in figures))
    return table


if __name__ == "__main__":
    main()
