"""What the API reads: facts of one account, balances of all. Where the stored ledger is behind, facts are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from services.revenue import store
from services.revenue.facts import LATEST, visible
from services.revenue.ledger import ledger
from services.revenue.retention import balances
from shared.errors import BadRequest, NotFound
from shared.moments import end_of_day
from shared.positions import absorbed_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, tzinfo

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.revenue.facts import Fact
    from services.revenue.retention import Balance
    from services.revenue.store import Window


class View(NamedTuple):
    """From where one looks: what had taken effect by `as_of`, of what had been received by `known_at`."""

    as_of: datetime
    known_at: datetime


async def account_facts(conn: AsyncConnection, account_id: str, view: View, zone: tzinfo) -> list[Fact]:
    """Return what is seen of an account.

    Raises:
        NotFound: no subscription of the account was ever reported (however little of it the view shows).

    """
    known = {} if "\0" in account_id else await store.facts(conn, [account_id], zone)
    if account_id not in known:
        raise NotFound(f"No subscription of account {account_id!r} is known. Send kizuna.subscription.snapshot events.")
    return visible(known[account_id], *view)


async def all_balances(conn: AsyncConnection, window: Window, now: datetime, zone: tzinfo) -> list[Balance]:
    """Return every account's balances: off the stored ledger, and from facts where it does not hold all of them yet."""
    behind = await store.outdated(conn, now)
    found = await store.balances(conn, window, without=behind)
    over = window.last < now.astimezone(zone).date()
    view = View(end_of_day(window.last, zone) if over else now, window.known_at)
    for account_id, facts in (await store.facts(conn, behind, zone, until=view.as_of)).items():
        found += balances(account_id, ledger(visible(facts, *view)), window.first, window.last)
    return found


def in_one_currency(found: Iterable[Balance], currency: str | None) -> tuple[str | None, Sequence[Balance]]:
    """Return the currency (None where there is no balance) and the balances in it.

    Raises:
        BadRequest: there are several currencies and none was asked for; amounts in two are never added up.

    """
    listed = list(found)
    known = sorted({one.currency for one in listed})
    if currency is None and len(known) > 1:
        raise BadRequest(f"Revenue is in several currencies: choose one with currency=, of {', '.join(known)}.")
    chosen = currency or (known[0] if known else None)
    return chosen, [one for one in listed if one.currency == chosen]


async def remark(conn: AsyncConnection, partitions: Iterable[int], known_at: datetime) -> dict[str, bool]:
    """Return what to add to an answer when something received before `known_at` may still wait to be read."""
    if known_at == LATEST:
        return {}
    for partition in partitions:
        through = await absorbed_through(conn, partition)
        if through is None or through < known_at:
            return {"provisional": True}
    return {}
