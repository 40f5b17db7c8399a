"""The stack's own broker as a process: loopback only; the embedded one is another cluster after every start."""

import psutil

from deploy.local.broker import Broker
from deploy.local.topics import make_topics, topic_names
from shared.cluster import Cluster
from shared.kafka_admin import describe
from tests.plugins.kafka import OwnBroker


async def test_every_start_is_another_cluster(embedded_broker: Broker) -> None:
    first = await describe(Cluster(embedded_broker.bootstrap_servers), [])
    assert embedded_broker.stop()
    embedded_broker.start()
    second = await describe(Cluster(embedded_broker.bootstrap_servers), [])
    assert first.cluster_id != second.cluster_id


def test_it_listens_on_loopback_alone(broker: OwnBroker) -> None:
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == broker.port}
    assert listening == {"127.0.0.1"}


async def test_topics_have_the_same_number_of_partitions_and_are_made_once(broker: OwnBroker) -> None:
    names = topic_names()
    assert {"usage.v1", "backfill.v1", "billing.v1.revenue.dlq"} <= set(names)
    environ = {"KIZUNA_PARTITIONS": "3", "KIZUNA_TOPIC_PREFIX": "mine-"}
    for _ in range(2):
        assert await make_topics(Cluster(broker.bootstrap_servers), environ) == len(names)
    view = await describe(Cluster(broker.bootstrap_servers), [f"mine-{name}" for name in names])
    assert view.partitions == {f"mine-{name}": 3 for name in names}
