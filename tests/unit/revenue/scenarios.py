"""Billing situations of 2024 as snapshots: what each subscription is from a day on. (Coupons: see `test_mrr`.)

`DIFFERENT` names those where the oracle's answer is not taken over, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.unit.revenue.building import at, event, item, known, snapshot

if TYPE_CHECKING:
    from services.revenue.facts import Fact
    from shared.events import SubscriptionItem


class Step(NamedTuple):
    """From `day` on the subscription consists of `items`; without items it is ended."""

    day: str
    items: tuple[SubscriptionItem, ...] = ()
    subscription: str = "s"
    status: str = "active"
    currency: str = "USD"


START: Final = "2024-01-01"
HUNDRED: Final = item("100")

SCENARIOS: Final[dict[str, tuple[Step, ...]]] = {
    "01": (Step(START, (item("10", interval="week", quantity="3"),)),),
    "02": (Step(START, (item("10", interval="week", interval_count=2),)),),
    "03": (Step(START, (item("1200", interval="year", quantity="2"),)),),
    "04": (Step(START, (item("90", interval_count=3),)),),
    "05": (Step(START, (item("2400", interval="year", interval_count=2),)),),
    "06": (Step(START, (item("1", interval="day"),)),),
    "07": tuple(
        Step(day, (item("10", quantity=seats),))
        for day, seats in ((START, "5"), ("2024-04-01", "8"), ("2024-09-01", "6"))
    ),
    "08": (Step(START, (item("10"),)), Step("2024-07-01", (item("12"),))),
    "13": (Step(START, (HUNDRED, item("50", "extra"))),),
    "15": (Step(START, (item("100", discount="28"),)),),
    "16": (
        Step(START, (item("40"),)),
        Step("2024-05-01"),
        Step("2024-08-01", (item("60"),), subscription="second"),
    ),
    "17": (
        Step(START, (item("80"),)),
        Step(START, (item("20"),), subscription="second"),
        Step("2024-06-01", subscription="second"),
    ),
    "18": (Step("2024-03-17", (item("30"),)), Step("2024-09-17")),
    "19": (Step("2024-05-05", (item("30"),)), Step("2024-05-20")),
    "20": (Step(START, (HUNDRED,)), Step("2024-04-01", (item("50"),), subscription="euro", currency="EUR")),
    "21": (Step(START, (HUNDRED,), status="trialing"), Step("2024-02-15", (HUNDRED,))),
    "22": (Step(START, (HUNDRED,)), Step("2024-06-10")),
    "23": (Step(START, (item("20"),)), Step("2024-04-15", (item("50", "bigger"),))),
    "24": (
        Step(START, (item("70"),)),
        Step("2024-06-10", (item("70"), item("15", "add-on"))),
        Step("2024-10-10", (item("70"),)),
    ),
    "25": (Step(START, (HUNDRED,)), Step("2024-07-01", (item("960", interval="year"),))),
    "26": (
        Step(START, (item("50"),)),
        Step("2024-05-01"),
        Step("2024-05-01", (item("50"),), subscription="second"),
    ),
}

DIFFERENT: Final = {
    "06": "a daily price counts 365/12 times, not zero times",
    "15": "20 % and 10 % follow one another to 28 %",
    "16": "a return is a reactivation, not an expansion",
    "19": "days are compared here, months there: twenty days in May are seen",
    "20": "currencies are kept apart here and there, but listed apart here",
    "21": "a trial is not paid",
    "22": "an immediate cancellation counts from its day",
}


def facts(code: str) -> list[Fact]:
    """Return what a scenario makes known."""
    return [
        known(
            event(
                f"{code}-{number}",
                at(step.day),
                snapshot(
                    *step.items,
                    subscription_id=step.subscription,
                    status=step.status if step.items else "ended",
                    currency=step.currency,
                ),
            )
        )
        for number, step in enumerate(SCENARIOS[code])
    ]
