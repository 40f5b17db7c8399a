"""From a signal to a message in somebody's hands, over a real database, Slack stand-in and mail server."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from services.alerts.templates.en import day
from tests.integration.alerts.desk import Desk, Items, all_sent
from tests.plugins.inbox import LocalInbox
from tests.unit.alerts.saying import HANAKO, JANE, owner, profile, signal, subscription, told


def deliveries(items: Items) -> dict[str, str]:
    return {each["channel"]: each["state"] for item in items for each in item["deliveries"]}


async def test_the_owner_is_told_in_her_language_over_both_channels(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", HANAKO), profile("acme", "アクメ株式会社"), subscription("acme", "120000", "JPY"))
    await desk.tell(told("acme"))
    await desk.send_until(all_sent)
    slack, mail = inbox.messages(channel="slack"), inbox.messages(channel="email")
    assert len(slack) == len(mail) == 1
    assert mail[0]["to"] == HANAKO.email
    assert mail[0]["headers"]["X-Kizuna-Account"] == slack[0]["account_id"] == "acme"
    for text in ("アクメ株式会社", "推進担当者が離任しました", "月額 120,000円", "2099年9月30日", "2026年3月2日"):
        assert text in slack[0]["text"]
        assert text in mail[0]["text"]
    for text in ("佐藤健さんが離任しました。", "後任を確認してください。", "確認した", "誤検知"):
        assert text in str(slack[0]["blocks"])
        assert text in mail[0]["text"]
        assert text in mail[0]["html"]


async def test_the_vendors_day_decides_which_renewal_lies_ahead(desk: Desk, inbox: LocalInbox) -> None:
    desk.settings = desk.settings.model_copy(update={"time_zone": ZoneInfo("Pacific/Kiritimati")})
    desk.__post_init__()
    desk.ahead = timedelta(hours=36 - desk.now().hour)  # about noon in UTC, when it is the next day there
    today = desk.now().date()
    terms = (today, today + timedelta(days=100))
    await desk.tell(*(subscription("acme", "9", subscription_id=str(end), term_end=end) for end in terms), told("acme"))
    await desk.send_until(all_sent)
    [slack] = inbox.messages(channel="slack")
    assert f"Renewal: {day(terms[1])}" in slack["text"]


async def test_saying_it_again_sends_nothing_more(desk: Desk, inbox: LocalInbox) -> None:
    opening = told("acme")
    await desk.tell(owner("acme", JANE), opening)
    await desk.send_until(all_sent)
    await desk.tell(opening)
    await desk.tell(told("acme", "updated", opening.time + timedelta(hours=1)))
    assert await desk.send() == 0
    assert len(inbox.messages()) == 2
    assert [each.type for each in desk.emitted] == ["kizuna.alert.raised"]


async def test_a_rise_in_severity_is_said_and_a_fall_is_not(desk: Desk, inbox: LocalInbox) -> None:
    first = told("acme", severity="medium")
    await desk.tell(owner("acme", JANE), first)
    await desk.send_until(all_sent)
    for hours, severity in enumerate(("low", "critical", "medium", "critical"), start=1):
        await desk.tell(told("acme", "updated", first.time + timedelta(hours=hours), severity=severity))
    await desk.send_until(lambda items: all_sent(items) and len(items[0]["deliveries"]) == 4)
    assert len(inbox.messages(channel="slack")) == len(inbox.messages(channel="email")) == 2


async def test_history_is_listed_and_silent_until_the_account_speaks(desk: Desk, inbox: LocalInbox) -> None:
    first = told("acme", historical=True)
    await desk.tell(owner("acme", JANE), first)
    assert await desk.send() == 0
    [item] = await desk.alerts()
    assert item["historical"] is True
    assert item["deliveries"] == []
    await desk.tell(told("acme", "updated", first.time + timedelta(hours=1), historical=False))
    [item] = await desk.send_until(all_sent)
    assert item["historical"] is False
    assert len(inbox.messages()) == 2


async def test_whoever_owns_the_account_when_it_is_sent_gets_it(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.tell(owner("acme", HANAKO, at=desk.now() - timedelta(days=1)))
    await desk.send_until(all_sent)
    assert [each["to"] for each in inbox.messages(channel="email")] == [HANAKO.email]


async def test_without_an_owner_the_manager_and_without_her_the_team(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("led", JANE, role="manager"), told("led"), told("orphan"))
    await desk.send_until(all_sent)
    to = {each["account_id"]: each["to"] for each in inbox.messages(channel="email")}
    assert to == {"led": JANE.email, "orphan": "team@kizuna.example"}
    team = {tuple(each["tier"] for each in item["deliveries"]) for item in await desk.alerts(account="orphan")}
    assert team == {("team", "team")}


async def test_what_cleared_before_it_was_said_is_withdrawn(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.tell(told("acme", "cleared", signal().since + timedelta(minutes=1)))
    assert await desk.send() == 0
    [item] = await desk.alerts()
    assert (item["state"], item["verdict"]) == ("resolved", None)
    assert deliveries([item]) == {"slack": "withdrawn", "email": "withdrawn"}
    assert inbox.messages() == []


async def test_a_relapse_is_said_when_the_first_time_was_not(desk: Desk, inbox: LocalInbox) -> None:
    opened = told("acme")
    await desk.tell(owner("acme", JANE), opened)
    await desk.tell(told("acme", "cleared", opened.time + timedelta(minutes=1)))
    assert await desk.send() == 0
    assert deliveries(await desk.alerts()) == {"slack": "withdrawn", "email": "withdrawn"}
    await desk.tell(told("acme", "opened", opened.time + timedelta(hours=1), episode="second"))
    await desk.send_until(all_sent)
    await desk.tell(told("acme", "cleared", opened.time + timedelta(hours=2), episode="second"))
    await desk.tell(told("acme", "opened", opened.time + timedelta(hours=3), episode="third"))
    assert await desk.send() == 0, "a relapse of what was said is quiet"
    [item] = await desk.alerts()
    assert item["state"] == "open"
    assert len(inbox.messages()) == 2


async def test_more_than_ten_for_one_person_become_one_summary(desk: Desk, inbox: LocalInbox) -> None:
    names = [f"a{number:02}" for number in range(14)]
    await desk.tell(*(owner(name, JANE) for name in names), *(told(name, late=True) for name in names))
    await desk.tell(*(subscription(name, str(100 + number)) for number, name in enumerate(names)))
    assert await desk.send() == 0, "late ones wait a moment for each other"
    await desk.send_until(all_sent)
    [slack], [mail] = inbox.messages(channel="slack"), inbox.messages(channel="email")
    assert slack["text"].startswith("14 alerts are waiting for you")
    places = [mail["text"].index(f"\n- {name}:") for name in reversed(names)]
    assert places == sorted(places), "the most MRR comes first"


async def test_up_to_ten_are_sent_one_by_one(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(*(owner(name, JANE) for name in "abc"), *(told(name) for name in "abc"))
    await desk.send_until(all_sent)
    assert len(inbox.messages(channel="slack")) == 3
    assert inbox.violations() == []
