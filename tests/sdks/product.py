"""The product that the SDKs send to: ingest and health with servers of their own on free ports."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import credentials, stack
from deploy.local.plan import PORTS, Plan
from deploy.local.ports import free_ports
from tests.sdks.install import HOME

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES: Final = {"ingest": "services.ingest", "health": "services.health"}


class Product:
    """A running stack; `url` is ingest's."""

    def __init__(self, plan: Plan, http: httpx.Client) -> None:
        self.url = plan.url("ingest")
        self._plan = plan
        self._http = http

    def new_key(self, source: str) -> str:
        """Make a write key for one source."""
        answer = self._http.post(f"{self.url}/v1/keys", json={"source": source, "name": source})
        return str(answer.raise_for_status().json()["key"])

    def usage(self, account: str) -> Counter[str]:
        """Return how much of each event health has counted for an account; `total` is under the empty name."""
        answer = self._http.get(f"{self._plan.url('health')}/v1/accounts/{account}/usage")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return Counter()
        said = answer.raise_for_status().json()
        counted = Counter({"": said["total"]})
        for item in said["items"]:
            counted[item["event"]] += item["quantity"]
        return counted

    def metric(self, part: str, sample: str) -> int:
        """Return the sum of a service's samples of one name, over all labels."""
        text = self._http.get(f"{self._plan.url(part)}/metrics").raise_for_status().text
        families = text_string_to_metric_families(text)
        return int(sum(each.value for family in families for each in family.samples if each.name == sample))


@contextmanager
def running() -> Iterator[Product]:
    """Start what is needed in a folder that goes with it, and stop it afterwards; nothing there is worth draining."""
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME, prefix="stack-") as folder:
        plan = Plan(Path(folder), dict(zip(PORTS, free_ports(len(PORTS)), strict=True)), modules=MODULES)
        stack.up(plan)
        try:
            token = credentials.admin_token(plan.folder)
            with httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=10, trust_env=False) as http:
                yield Product(plan, http)
        finally:
            stack._stop_in_order(stack.running_parts(plan))
