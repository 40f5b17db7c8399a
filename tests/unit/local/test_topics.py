from importlib import import_module

import pytest

from deploy.local.plan import CONSUMERS
from deploy.local.topics import BACKFILL, READ_BY, topic_names
from shared.events.catalog import TYPES


@pytest.mark.parametrize("service", CONSUMERS)
def test_dead_letters_have_a_place_for_all_that_a_service_reads(service: str) -> None:
    module = import_module(f"services.{service}.absorb")
    (read,) = {each.topics for each in vars(module).values() if isinstance(getattr(each, "topics", None), tuple)}
    assert set(READ_BY[service]) == set(read)
    assert {f"{topic}.{service}.dlq" for topic in (*read, BACKFILL)} <= set(topic_names())


def test_every_type_has_its_topic_and_none_is_named_twice() -> None:
    assert {known.topic for known in TYPES.values()} <= set(topic_names())
    assert len(set(topic_names())) == len(topic_names())
