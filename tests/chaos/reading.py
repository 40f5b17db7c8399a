"""What there is: rows of the services' tables, records of the topics, messages of the inbox, answers over HTTP."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.topics import READ_BY
from tests.chaos.cluster import PARTITIONS
from tests.plugins.topics import onlooker

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.chaos.cluster import Cluster

Places = dict[TopicPartition, int]
IN: Final = ("usage.v1", "billing.v1", "customer.v1")
OUT: Final = ("health.v1", "signals.v1", "revenue.v1", "alerts.v1")
KEPT: Final = {
    "health": "select event_id from health.fact",
    "revenue": "select event_id from revenue.snapshot",
    "alerts": """select event_id from alerts.profile_fact union all select event_id from alerts.owner_fact
                 union all select event_id from alerts.subscription_fact""",
}
POSITIONS: Final = "select topic, partition, next_offset from {0}.position"
INBOX: Final = """select count(*)::int as times from (select key from {0}.inbox union all
                  select key from {0}.inbox_history) k group by key having count(*) > 1"""


@dataclass(slots=True)
class Found:
    """Everything that is judged, as it was read."""

    usage: dict[tuple[str, str], tuple[int, int]]
    days: dict[tuple[str, str], tuple[int, int]]
    totals: dict[str, int]
    kept: dict[str, list[str]]
    claimed_twice: dict[str, int]
    ledgers: dict[str, int]
    topics: dict[str, dict[str, list[dict[str, Any]]]]
    sequences: dict[str, int]
    alerts: dict[str, list[dict[str, Any]]]
    messages: dict[str, list[dict[str, Any]]]
    went_back: list[str] = field(default_factory=list)


async def read(
    cluster: Cluster, accounts: list[str], messages: list[dict[str, Any]], since: Places | None = None
) -> Found:
    """Read all that is known about `accounts`: the topics `since` some offsets, and messages that the inbox took."""
    usage = await cluster.sql(
        "select account_id, product, sum(calls)::int as calls, sum(quantity)::int as quantity "
        "from health.usage_delta group by account_id, product"
    )
    days = await cluster.sql("select account_id, day::text, calls, quantity::int from health.usage_day")
    heads = await cluster.sql("select account_id, sequence::int from health.account_health")
    back = await cluster.sql("select what from chaos.went_back order by at")
    return Found(
        usage={(row["account_id"], row["product"]): (row["calls"], row["quantity"]) for row in usage},
        days={(row["account_id"], row["day"]): (row["calls"], row["quantity"]) for row in days},
        totals={account: await _total(cluster, account) for account in accounts},
        kept={name: [row["event_id"] for row in await cluster.sql(query)] for name, query in KEPT.items()},
        claimed_twice={name: len(await cluster.sql(INBOX.format(name))) for name in KEPT},
        ledgers={account: await _ledger(cluster, account) for account in accounts},
        topics=await _records(cluster, since or {}),
        sequences={row["account_id"]: row["sequence"] for row in heads},
        alerts=await _alerts(cluster, accounts),
        messages=_by_account(messages),
        went_back=[row["what"] for row in back],
    )


async def ends_now(cluster: Cluster) -> Places:
    """Return where the topics that are judged end."""
    async with _reader(cluster) as client:
        return await _ends(client, (*IN, *OUT))


async def _records(cluster: Cluster, since: Places) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the events of the topics that are judged, by topic and account, in the order of the log."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {topic: defaultdict(list) for topic in (*IN, *OUT)}
    async with _reader(cluster) as client:
        for place, end in (await _ends(client, (*IN, *OUT))).items():
            client.assign([place])
            client.seek(place, since.get(place, 0))
            while await client.position(place) < end:
                for batch in (await client.getmany(timeout_ms=500)).values():
                    for record in batch:
                        _keep(found[place.topic][(record.key or b"").decode()], record.value)
    return found


def _keep(events: list[dict[str, Any]], value: Any) -> None:
    with suppress(ValueError):  # a scene may have placed a record that is no event
        events.append(json.loads(value))


async def unread(cluster: Cluster) -> dict[str, int]:
    """Return how many records services have not read, by their own positions and the broker's ends, where there are."""
    waiting: dict[str, int] = {}
    async with _reader(cluster) as client:
        for service, topics in READ_BY.items():
            ends = await _ends(client, topics)
            rows = await cluster.sql(POSITIONS.format(service))
            at = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            waiting |= {f"{service} {p.topic}/{p.partition}": end - at.get(p, 0) for p, end in ends.items()}
    return {place: records for place, records in waiting.items() if records > 0}


def _reader(cluster: Cluster) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
    return onlooker(cluster.plan.bootstrap_servers)


async def _ends(client: AIOKafkaConsumer, topics: tuple[str, ...]) -> Places:
    places = [TopicPartition(topic, partition) for topic in topics for partition in range(int(PARTITIONS))]
    client.assign(places)
    ends: Places = await client.end_offsets(places)
    return ends


async def _total(cluster: Cluster, account: str) -> int:
    answer = await cluster.find("health", f"/v1/accounts/{account}/usage")
    return int(float(answer.get("total", 0)))


async def _ledger(cluster: Cluster, account: str) -> int:
    answer = await cluster.find("revenue", f"/v1/accounts/{account}/ledger")
    return round(sum(float(row["amount"]) for row in answer.get("items", ())))


async def _alerts(cluster: Cluster, accounts: list[str]) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for account in accounts:
        found[account] = (await cluster.find("alerts", "/v1/alerts", account=account)).get("items", [])
    return found


def _by_account(messages: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        for account in message["account_ids"]:
            found[account].append(message)
    return found
