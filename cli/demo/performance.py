"""Plays the demo on a stack that is up: posts the history, plays the scenes, shows what the services answer.

A second performance on the same stack posts the same events, which changes nothing, and shows the same messages. Where
the messages are gone (the inbox keeps them in memory only) another prefix makes it a new one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from rich.rule import Rule

from cli.client import environment, service
from cli.demo.cast import COMPANIES, FALLEN, LEFT_BY_CHAMPION, Stage, as_history, as_live, cast_events
from cli.demo.heard import alerts_of, delivered, latest, messages_to, sent
from cli.demo.letters import letter
from cli.demo.plot import Scene, scenes
from cli.demo.waiting import until
from cli.errors import Refused
from cli.importer import absorbed, crm6
from cli.importer.batches import Limits, batches
from cli.importer.checkpoint import Checkpoint, place
from cli.importer.feed import Numbered
from cli.importer.meter import Meter
from cli.importer.run import Journal, run_import
from cli.importer.sender import Door, Tally, deliver
from cli.pictures import alerts_table, health_picture, portfolio_table, retention_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from pathlib import Path

    from rich.console import Console

CONSUMERS: Final = ("health", "revenue", "alerts")
DELIVERY_SECONDS: Final = 30.0
HISTORY: Final = (
    "{} customers of a CRM product and what they did in it for 26 weeks, moved by {} weeks to end on {:%A %d %B %Y}. "
    "It is posted over HTTP, marked as history, so that nobody is paged for it."
)


def perform(folder: Path, now: datetime, out: Console, notes: Console) -> None:
    """Play the whole demo with the slice in `folder`."""
    weeks = crm6.weeks_until(now, folder)
    stage = fresh_stage(now, crm6.last_moment(folder) + timedelta(weeks=weeks))
    chapter(out, "1  History", HISTORY.format(len(COMPANIES), weeks, stage.history_ends))
    post_history(folder, weeks, stage, notes)
    chapter(
        out, "2  Three things happen", "Posted live. Each leads to a signal, and that to its owner's Slack and mail."
    )
    played = [play(scene, out, notes) for scene in scenes(stage)]
    chapter(out, "3  The portfolio", "As health computes it now, worst first, former customers last. GET /v1/portfolio")
    show_portfolio(stage, out)
    chapter(
        out, f"4  Why {COMPANIES[LEFT_BY_CHAMPION]} stands there", "What each measure adds, and what caps the score."
    )
    show_account(stage.account(LEFT_BY_CHAMPION), out)
    chapter(out, "5  Revenue retention", "Out of the movement ledger. GET /v1/retention")
    show_retention(stage.now.date(), out)
    chapter(out, "6  What the owners got", "As it arrived at the Slack stand-in and the mail server.")
    for message in (message for messages in played for message in messages):
        out.print(letter(message))
    inbox = environment().url("inbox")
    out.print(f"\nHow they look to the owners, while the stack is up (make demo KEEP=1): {inbox}/", soft_wrap=True)


def fresh_stage(now: datetime, history_ends: datetime) -> Stage:
    """Return this week's stage, or its next performance where the messages of the former one are gone."""
    for number in count(1):
        mark = "" if number == 1 else f".{number}"
        stage = Stage(f"w{history_ends.isocalendar().week:02}{mark}-", now, history_ends)
        played = any(sent(alert) for alert in alerts_of(stage.account(FALLEN)))
        if not played or messages_to(stage.account(FALLEN)):
            return stage
    raise AssertionError


def post_history(folder: Path, weeks: int, stage: Stage, notes: Console) -> None:
    """Post the cast and the slice, and wait until the services have absorbed both."""
    present = environment()
    tally = send(map(as_history, cast_events(stage)))
    checkpoint = Journal(Checkpoint(weeks), place(present.root, folder, stage.prefix, present.url("ingest")))
    with Meter(notes) as meter:
        imported = run_import(crm6.feeds(folder, crm6.Options(stage.prefix, weeks)), door(), checkpoint, meter)
    tally.rejected.update(imported.rejected)
    if tally.rejected:
        raise Refused(f"ingest refused parts of the history: {dict(tally.rejected)}")
    absorbed.wait(CONSUMERS, notes)


def play(scene: Scene, out: Console, notes: Console) -> list[dict[str, Any]]:
    """Play a scene and return the messages that it led to, one a channel."""
    out.print(f"  • {scene.told}", soft_wrap=True)
    tally = send(map(as_live, scene.events))
    if tally.rejected:
        raise Refused(f"ingest refused the scene: {tally.first_rejections[0].message}")
    alert = until(notes, f"the {scene.signal} message", DELIVERY_SECONDS, lambda: delivered(scene))
    channels = [delivery["channel"] for delivery in alert["deliveries"]]
    out.print(f"    → {scene.signal}, {alert['severity']}, to {alert['owner']} by {' and '.join(channels)}")
    return [
        until(
            notes, f"the {scene.signal} message by {channel}", DELIVERY_SECONDS, partial(latest, scene.account, channel)
        )
        for channel in channels
    ]


def show_portfolio(stage: Stage, out: Console) -> None:
    """Show this performance's accounts, worst first; then what has no score, then who is no customer any more."""
    mine = [item for item in service("health").items("/v1/portfolio") if item["account_id"].startswith(stage.prefix)]
    mine.sort(key=lambda item: (not item.get("customer", True), item["score"] is None, item["score"]))
    out.print(portfolio_table(mine))


def show_account(account: str, out: Console) -> None:
    """Explain one account, with its open signals."""
    health_picture(out, service("health").get(f"/v1/accounts/{account}/health"))
    out.print(alerts_table(alerts_of(account)))


def show_retention(today: date, out: Console) -> None:
    """Show three windows of four weeks, a half and a whole year, all ending in the past."""
    windows = [(12, 8), (8, 4), (4, 0), (26, 0), (52, 0)]
    asked = [
        {"from": str(today - timedelta(weeks=first)), "to": str(today - timedelta(weeks=last))}
        for first, last in windows
    ]
    out.print(retention_table(service("revenue").get("/v1/retention", **window) for window in asked))


def send(events: Iterable[bytes]) -> Tally:
    """Post events and return what ingest said."""
    tally = Tally()
    work = batches((Numbered(number, event) for number, event in enumerate(events, 1)), Limits())
    asyncio.run(deliver(door(), work, tally.add))
    return tally


def door() -> Door:
    """Return where events go."""
    return Door(environment().url("ingest"), environment().get("KIZUNA_WRITE_KEY"), patience=30)


def chapter(out: Console, title: str, told: str) -> None:
    """Begin a chapter."""
    out.print()
    out.print(Rule(title, align="left", style="cyan"))
    out.print(told, soft_wrap=True, style="dim")
