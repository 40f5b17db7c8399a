"""What a replica says of the service is the service's, whoever is asked; what it says of itself names it."""

from datetime import timedelta

from shared import standing
from shared.clock import now
from shared.db import Database, execute
from shared.produce import Publisher
from tests.plugins.runtime import Running, Toy, effects, record, until, usage


async def test_a_place_that_another_replica_leaves_unread_counts(
    toy_database: Database, running: Running, publisher: Publisher
) -> None:
    async with running(Toy()) as runtime:
        await publisher.publish([record(usage("a", "e1"))])
        await until(lambda: effects(toy_database))
        await until(lambda: not any(runtime.consumer.lag().values()))
        async with toy_database.transaction() as conn:
            await execute(
                conn,
                """insert into position (topic, partition, cluster, next_offset, absorbed_through)
                   values ('usage.v1', 9, 'c', 7, $1)""",
                now() - timedelta(seconds=100),
            )
        said = await standing.status(runtime)
        assert said["lag"] == 0, "this replica has read all of its own"
        assert 100 <= said["lag_seconds"] < 160
        assert [each["owner"] for each in said["replicas"]] == [said["replica"]]


async def test_while_a_place_was_never_read_to_its_end_nobody_knows_how_far_behind(
    toy_database: Database, running: Running
) -> None:
    async def told() -> float | None:
        return (await standing.status(runtime))["lag_seconds"]  # type: ignore[no-any-return]  # of a JSON answer

    async with running(Toy()) as runtime:
        await until(lambda: runtime.consumer.assignment and runtime.consumer.assignment.places)
        await until(told)
        async with toy_database.transaction() as conn:
            await execute(conn, "insert into position (topic, partition, cluster, next_offset) values ('a', 9, 'c', 7)")
        assert await told() is None
        async with toy_database.transaction() as conn:
            await execute(conn, "delete from position")
        assert await told() is None
