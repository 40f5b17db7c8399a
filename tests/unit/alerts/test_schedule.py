"""What goes out now: one message a mailbox, held back while facts are missing, summed up when there are many."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.delivery import HOLD_BACK
from services.alerts.directory import Account
from services.alerts.episode import Alert, Said, fold
from services.alerts.queue import Delivery, Waiting
from services.alerts.schedule import MOST_SINGLE, Choice, Head, World, choose, missing_topics
from shared.events import RestsOn
from tests.unit.alerts.saying import HANAKO, JANE, START, signal
from tests.unit.alerts.test_routing import Post

if TYPE_CHECKING:
    from services.alerts.channel import Channel

HEAD = Head("here", {"customer.v1": 5, "billing.v1": 5})
RESTS = RestsOn(cluster="here", partition=0, positions={"customer.v1": 6, "billing.v1": 5, "usage.v1": 99})


def alert(account: str, *, resolved: bool = False, rests_on: RestsOn | None = None) -> Alert:
    events = [Said("opened", signal(rests_on=rests_on), START, "1")]
    if resolved:
        events.append(Said("cleared", signal("cleared"), START, "2"))
    return fold(account, events, [])[0]


def waiting(number: int, account: str = "acme", rank: int = 3, **more: Any) -> Waiting:
    resolved = bool(more.pop("resolved", False))
    rests_on = more.pop("rests_on", None)
    given: dict[str, Any] = {"state": "pending", "planned_at": START + timedelta(seconds=number)} | more
    delivery = Delivery(f"d{number}", f"a{number}", account, 0, rank, "csm", "post", **given)
    return Waiting(delivery, alert(account, resolved=resolved, rests_on=rests_on))


def world(now: timedelta = timedelta(), owners: Mapping[str, Any] | None = None) -> World:
    people = {"acme": JANE, "other": HANAKO} if owners is None else owners
    accounts = {name: Account(name, name, owners={"csm": person} if person else {}) for name, person in people.items()}
    return World(accounts, {"post": cast("Channel", Post(team=None))}, {0: HEAD}, START + now)


def sent(choice: Choice) -> dict[str, list[str]]:
    return {job.to.key: [each.id for each in job.deliveries] for job in choice.jobs}


def test_one_message_a_mailbox_the_gravest_first() -> None:
    found = choose([waiting(1), waiting(2, rank=4), waiting(3), waiting(4, "other")], world())
    assert sent(found) == {f"post:{JANE.email}": ["d2"], f"post:{HANAKO.email}": ["d4"]}


def test_more_than_ten_are_one_summary_and_keep_its_name() -> None:
    many = [waiting(number) for number in range(MOST_SINGLE + 1)]
    [job] = choose(many, world()).jobs
    assert len(job.deliveries) == MOST_SINGLE + 1
    assert job.batch == job.id
    [again] = choose(reversed(many), world()).jobs
    assert again.batch == job.batch
    [single] = choose(many[1:], world()).jobs
    assert (len(single.deliveries), single.batch) == (1, None)


def test_a_summary_that_was_attempted_stays_as_it_is() -> None:
    tried = [waiting(number, batch="b", attempts=1, repeated=True) for number in range(12)]
    [job] = choose([*tried, *(waiting(number) for number in range(20, 40))], world()).jobs
    assert (job.batch, len(job.deliveries), job.ambiguous) == ("b", 12, True)


def test_resolved_alerts_are_withdrawn_and_unreachable_ones_reported() -> None:
    found = choose([waiting(1, resolved=True), waiting(2, "nobody")], world(owners={"acme": JANE, "nobody": None}))
    assert found.withdrawn == ["d1"]
    assert [each.id for each in found.unreachable] == ["d2"]
    assert found.jobs == []


def test_a_signal_waits_for_the_facts_it_rests_on_but_not_for_ever() -> None:
    late = waiting(0, rests_on=RESTS)
    assert choose([late], world()).jobs == []
    [job] = choose([late], world(HOLD_BACK)).jobs
    assert job.topics[0].missing == ("customer.v1",)


def test_only_what_this_service_reads_is_waited_for() -> None:
    assert missing_topics(RESTS, Head("here", {"customer.v1": 6, "billing.v1": 9})) == ()
    assert missing_topics(RESTS, Head("here", {})) == ("billing.v1", "customer.v1")
    assert missing_topics(RESTS, Head("elsewhere", {})) == ()
    assert missing_topics(None, Head(None, {})) == ()


@given(st.lists(st.tuples(st.sampled_from(["acme", "other"]), st.integers(1, 4), st.booleans()), max_size=40))
def test_nothing_is_lost_doubled_or_mixed_up(entries: list[tuple[str, int, bool]]) -> None:
    all_waiting = [waiting(n, name, rank, resolved=over) for n, (name, rank, over) in enumerate(entries)]
    done: list[str] = []
    left = all_waiting
    while left:
        found = choose(left, world())
        ids = [each.id for job in found.jobs for each in job.deliveries] + found.withdrawn
        assert ids, "there is always something to do"
        for job in found.jobs:
            assert {each.account_id for each in job.deliveries} <= {"acme" if job.to.person == "jane" else "other"}
        done += ids
        left = [each for each in left if each.delivery.id not in set(ids)]
    assert sorted(done) == sorted(each.delivery.id for each in all_waiting)


def test_what_could_not_be_started_falls_out_of_the_job() -> None:
    [job] = choose([waiting(number) for number in range(12)], world()).jobs
    kept = job.of([each for each in job.deliveries if each.id in {"d3", "d7"}])
    assert [each.id for each in kept.deliveries] == ["d3", "d7"]
    assert len(kept.topics) == len(kept.tiers) == 2
    assert kept.batch == job.batch
