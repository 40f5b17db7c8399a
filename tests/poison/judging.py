"""Says of every record that was placed what each of its readers made of it, and what is wrong about that."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from aiokafka import TopicPartition

from deploy.local.plan import CONSUMERS
from shared.cluster import Cluster
from shared.events import event_key
from shared.kafka_admin import describe
from tests.plugins.topics import onlooker
from tests.poison.records import COUNTED, KINDS, SKIPPED, readers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.plugins.e2e import Deployment
    from tests.poison.placing import Placed

Place = tuple[str, int, int]
QUIET_MS: Final = 1500


@dataclass
class Findings:
    """What services have, by service: letters and copies on their dead-letter topics by place, keys of counted ids."""

    letters: dict[str, dict[Place, list[Any]]] = field(default_factory=dict)
    copies: dict[str, dict[Place, list[Any]]] = field(default_factory=dict)
    counted: dict[str, set[bytes]] = field(default_factory=dict)

    def verdict(self, service: str, placed: Placed) -> str:
        """Return a reason, `counted` or `skipped`."""
        letters = self.letters[service].get(place_of(placed))
        if letters:
            return str(letters[0]["reason"])
        key = event_key(placed.case.source, placed.case.event_id)
        return COUNTED if key in self.counted[service] else SKIPPED


def complaints(placed: Sequence[Placed], found: Findings, *, killed: bool = False) -> list[str]:
    """Return what is wrong; nothing for services that did their duty.

    A service that was `killed` may send a copy again that it had sent: what is kept is one letter all the same.
    """
    wrong = []
    for each in placed:
        for service in readers(each.case.topic):
            wrong += [f"{each.case.name}, {service}: {what}" for what in _wrong(each, service, found, killed=killed)]
    return wrong


def _wrong(placed: Placed, service: str, found: Findings, *, killed: bool) -> Iterable[str]:
    expected, verdict = placed.case.verdicts[service], found.verdict(service, placed)
    if verdict != expected:
        yield f"{verdict}, expected {expected}"
    if expected in {COUNTED, SKIPPED}:
        return
    letters = found.letters[service].get(place_of(placed), [])
    copies = found.copies[service].get(place_of(placed), [])
    if len(letters) != 1 or not copies or (len(copies) > 1 and not killed):
        yield f"{len(letters)} letters and {len(copies)} copies, expected one of each"
    for letter in letters:
        if (_bytes(letter["key"]), _bytes(letter["value"])) != (placed.case.key, placed.case.value):
            yield "the letter's bytes are not those of the record"
    for copy in copies:
        if (copy.key, copy.value) != (placed.case.key, placed.case.value):
            yield "the copy's bytes are not those of the record"
        if dict(copy.headers).get("reason") != expected.encode():
            yield f"the copy says {dict(copy.headers).get('reason')!r}"


def place_of(placed: Placed) -> Place:
    return placed.case.topic, placed.partition, placed.offset


def _bytes(part: Mapping[str, Any] | None) -> bytes | None:
    if part is None:
        return None
    return bytes.fromhex(part["hex"]) if "hex" in part else str(part["text"]).encode()


async def look(deployment: Deployment, bootstrap: str) -> Findings:
    """Ask services, databases and dead-letter topics of a whole deployment."""
    found = Findings()
    for service in CONSUMERS:
        found.letters[service] = _letters(deployment, service)
        topics = [f"{topic}.{service}.dlq" for topic in KINDS if service in readers(topic)]
        found.copies[service] = await copies(bootstrap, topics)
        rows = await ask(deployment, service, "select key from inbox union all select key from inbox_history")
        found.counted[service] = {bytes(row["key"]) for row in rows}
    return found


async def ask(deployment: Deployment, service: str, sql: str, *args: object) -> list[Any]:
    """Ask a service's database."""
    url = deployment.environment["DATABASE_URL"]
    connection = await asyncpg.connect(url, server_settings={"search_path": service})
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


def _letters(deployment: Deployment, service: str) -> dict[Place, list[Any]]:
    by_place = defaultdict(list)
    cursor = None
    while True:
        page = deployment.get(service, "/v1/dead-letters", limit=500, **({"cursor": cursor} if cursor else {}))
        for letter in page["items"]:
            whole = deployment.get(service, f"/v1/dead-letters/{letter['id']}")
            by_place[whole["topic"], whole["partition"], whole["offset"]].append(whole)
        cursor = page["next_cursor"]
        if not cursor:
            return by_place


async def copies(bootstrap: str, topics: Sequence[str]) -> dict[Place, list[Any]]:
    """Read dead-letter topics from the beginning to the end, by the place that each record names."""
    counts = (await describe(Cluster(bootstrap), topics)).partitions
    by_place = defaultdict(list)
    async with onlooker(bootstrap) as reader:
        reader.assign([TopicPartition(topic, n) for topic in topics for n in range(counts[topic])])
        while batches := await reader.getmany(timeout_ms=QUIET_MS):
            for record in (record for batch in batches.values() for record in batch):
                _, topic, partition, offset = dict(record.headers)["place"].decode().rsplit("/", 3)
                by_place[topic, int(partition), int(offset)].append(record)
    return by_place


def strays(placed: Sequence[Placed], found: Findings) -> list[str]:
    """Return what services keep besides: letters for records that are good, or that lay somewhere else before."""
    known = {place_of(each) for each in placed if set(each.case.verdicts.values()) - {COUNTED, SKIPPED}}
    places = [(service, place) for service, letters in found.letters.items() for place in letters.keys() - known]
    return [f"{service}: a letter for {place}, which is no hostile record" for service, place in sorted(places)]


def tally(placed: Sequence[Placed], found: Findings) -> dict[str, Counter[str]]:
    """Return, by service, how many records were refused, counted and skipped."""
    kinds: dict[str, Counter[str]] = {service: Counter() for service in CONSUMERS}
    for each in placed:
        for service in readers(each.case.topic):
            verdict = found.verdict(service, each)
            kinds[service][verdict if verdict in {COUNTED, SKIPPED} else "refused"] += 1
    return kinds
