"""The rules of the ledger, one by one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.revenue.facts import next_effect, visible
from services.revenue.ledger import history, ledger, standing
from shared.mrr import money
from tests.unit.revenue.building import at, event, item, known, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.revenue.movement import Movement
    from shared.events import Event

JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)


def rows(*events: Event) -> list[tuple[str, str, str]]:
    return [(str(row.effective_on), row.kind, money(row.amount)) for row in ledger(known(one) for one in events)]


def told(found: Sequence[Movement], *names: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in found]


def test_growth_and_shrinkage() -> None:
    grown = event("1", at(JANUARY), snapshot(item("100"))), event("2", at(FEBRUARY), snapshot(item("150")))
    assert rows(*grown) == [("2024-01-01", "new", "100.00"), ("2024-02-01", "expansion", "50.00")]
    shrunk = event("1", at(JANUARY), snapshot(item("100"))), event("2", at(FEBRUARY), snapshot(item("50")))
    assert rows(*shrunk)[1:] == [("2024-02-01", "contraction", "-50.00")]


def test_a_day_is_netted_over_subscriptions() -> None:
    found = rows(
        event("1", at(JANUARY), snapshot(item("100"))),
        event("2", at(FEBRUARY, 3), snapshot(subscription_id="s", status="ended")),
        event("3", at(FEBRUARY, 20), snapshot(item("70"), subscription_id="t")),
    )
    assert found == [("2024-01-01", "new", "100.00"), ("2024-02-01", "contraction", "-30.00")]


def test_what_begins_and_ends_within_a_day_leaves_nothing() -> None:
    assert (
        rows(event("1", at(JANUARY, 1), snapshot(item("9"))), event("2", at(JANUARY, 9), snapshot(status="ended")))
        == []
    )


def test_of_two_snapshots_for_one_moment_the_later_learned_counts_then_the_greater_id() -> None:
    early = event("b", at(JANUARY), snapshot(item("10")), recorded=at(JANUARY, 1))
    late = event("a", at(JANUARY), snapshot(item("20")), recorded=at(JANUARY, 2))
    greater = event("c", at(JANUARY), snapshot(item("30")), recorded=at(JANUARY, 2))
    assert rows(early, late) == rows(late, early) == [("2024-01-01", "new", "20.00")]
    assert rows(greater, late, early) == [("2024-01-01", "new", "30.00")]


def test_a_day_is_the_vendors_day() -> None:
    evening = event("1", at("2024-01-31", 20), snapshot(item("10")))
    assert ledger([known(evening, ZoneInfo("Asia/Tokyo"))])[0].effective_on == FEBRUARY


def test_a_renewal_has_no_amount_and_says_what_was_renewed() -> None:
    first = event("1", at(JANUARY), snapshot(item("100"), term_end=FEBRUARY))
    renewed, up = (
        ledger([known(first), known(event("2", at(FEBRUARY), snapshot(item(price), term_end=MARCH)))])[1:]
        for price in ("100", "130")
    )
    assert told(renewed, "kind", "amount", "renewed_amount", "product_id") == [("renewal", 0, 100, "plan")]
    assert told(up, "kind", "amount") == [("renewal", 0), ("expansion", 30)]
    assert told(up[:1], "renewed_amount", "mrr_before", "mrr_after") == [(100, 100, 100)]


def test_a_smaller_renewal_renews_what_is_left() -> None:
    found = ledger(
        [
            known(event("1", at(JANUARY), snapshot(item("100"), term_end=FEBRUARY))),
            known(event("2", at(FEBRUARY), snapshot(item("60"), term_end=MARCH))),
        ]
    )
    assert told(found[1:], "kind", "amount", "renewed_amount") == [
        ("renewal", 0, 60),
        ("contraction", -40, None),
    ]


def test_a_switch_of_products_at_the_end_of_a_term_renews() -> None:
    found = ledger(
        [
            known(event("1", at(JANUARY), snapshot(item("100", "basic"), term_end=FEBRUARY))),
            known(event("2", at(FEBRUARY), snapshot(status="ended"))),
            known(event("3", at(FEBRUARY), snapshot(item("180", "pro"), subscription_id="t"))),
        ]
    )
    assert told(found[1:], "kind", "amount", "renewed_amount", "product_id", "event_ids") == [
        ("renewal", 0, 100, "basic", ("2", "3")),
        ("expansion", 80, None, None, ("2", "3")),
    ]


def test_a_change_amid_a_term_and_an_end_renew_nothing() -> None:
    first = event("1", at(JANUARY), snapshot(item("100"), term_end=MARCH))
    assert [kind for _, kind, _ in rows(first, event("2", at(FEBRUARY), snapshot(item("70"))))] == [
        "new",
        "contraction",
    ]
    assert [kind for _, kind, _ in rows(first, event("2", at(MARCH), snapshot(status="ended")))] == ["new", "churn"]


def test_what_ends_beside_a_renewal_does_not_lessen_it() -> None:
    found = ledger(
        [
            known(event("1", at(JANUARY), snapshot(item("300"), term_end=FEBRUARY))),
            known(event("2", at(JANUARY), snapshot(item("200", "other"), subscription_id="t"))),
            known(event("3", at(FEBRUARY), snapshot(item("300"), term_end=MARCH))),
            known(event("4", at(FEBRUARY), snapshot(subscription_id="t", status="ended"))),
        ]
    )
    assert told(found[1:], "kind", "amount", "renewed_amount", "product_id") == [
        ("renewal", 0, 300, "plan"),
        ("contraction", -200, None, "other"),
    ]


def test_a_row_names_the_only_product_that_moved_and_its_events() -> None:
    found = ledger(
        [
            known(event("1", at(JANUARY), snapshot(item("70"), item("5", "seats")))),
            known(event("2", at(FEBRUARY), snapshot(item("70"), item("9", "seats")))),
        ]
    )
    assert told(found, "product_id", "event_ids") == [(None, ("1",)), ("seats", ("2",))]


def test_a_row_is_history_when_all_it_rests_on_is() -> None:
    past = event("1", at(JANUARY), snapshot(item("70")), backfill=True)
    live = event("2", at(JANUARY), snapshot(item("9"), subscription_id="t"))
    assert [row.backfill for row in ledger([known(past)])] == [True]
    assert [row.backfill for row in ledger([known(past), known(live)])] == [False]


def test_currencies_are_kept_apart_also_when_a_subscription_changes_its_own() -> None:
    found = ledger(
        [
            known(event("1", at(JANUARY), snapshot(item("100")))),
            known(event("2", at(FEBRUARY), snapshot(item("90"), currency="EUR"))),
        ]
    )
    assert told(found, "currency", "kind", "amount") == [
        ("USD", "new", 100),
        ("EUR", "new", 90),
        ("USD", "churn", -100),
    ]


def test_a_late_cancellation_is_booked_where_it_belongs_with_the_time_it_was_learned() -> None:
    signed = event("1", at(JANUARY), snapshot(item("100")))
    changed = event("2", at(FEBRUARY), snapshot(item("120")))
    cancelled = event("3", at("2024-01-20"), snapshot(status="ended"), recorded=at(MARCH))
    found = [
        (row.movement.kind, str(row.movement.effective_on), row.recorded_at, row.superseded_at)
        for row in history([known(one) for one in (cancelled, signed, changed)])
    ]
    assert found == [
        ("new", "2024-01-01", at(JANUARY), None),
        ("churn", "2024-01-20", at(MARCH), None),
        ("expansion", "2024-02-01", at(FEBRUARY), at(MARCH)),
        ("reactivation", "2024-02-01", at(MARCH), None),
    ]


def test_the_view_before_a_correction_is_what_was_known() -> None:
    signed = known(event("1", at(JANUARY), snapshot(item("100"))))
    cancelled = known(event("3", at("2024-01-20"), snapshot(status="ended"), recorded=at(MARCH)))
    both = [signed, cancelled]
    assert len(ledger(visible(both, as_of=at(MARCH), known_at=at(FEBRUARY)))) == 1
    assert len(ledger(visible(both, as_of=at(MARCH), known_at=at(MARCH)))) == 2


def test_what_takes_effect_later_does_not_count_yet() -> None:
    facts = [
        known(event("1", at(JANUARY), snapshot(item("100")))),
        known(event("2", at(MARCH), snapshot(status="ended"), recorded=at(JANUARY))),
    ]
    assert [row.kind for row in ledger(visible(facts, as_of=at(FEBRUARY)))] == ["new"]
    assert next_effect(facts, at(FEBRUARY)) == at(MARCH)
    assert next_effect(facts, at(MARCH)) is None


def test_how_an_account_stands() -> None:
    assert standing([]).balance == {}
    evening = standing([known(event("1", at(JANUARY), snapshot(item("100"), item("20", "add-on"))))])
    assert evening.balance == {"USD": 120}
    assert set(evening.in_force) == {"s"}
