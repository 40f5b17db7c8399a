"""The API and the pages behind links, over a real database; who may do what, and what is done once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest

from services.alerts import app as alerts_app
from services.alerts.tables import metadata
from shared.access import Access, mint, new_key_pair
from shared.http import Kit, check_routes
from shared.pages import encode_cursor
from tests.integration.alerts.desk import Desk
from tests.unit.alerts.saying import HANAKO, JANE, owner, profile, told

PRIVATE, PUBLIC = new_key_pair()
HOUR = timedelta(hours=1)


def token(role: str = "csm", person: str = "jane") -> dict[str, str]:
    return {"Authorization": f"Bearer {mint(PRIVATE, person, role, HOUR)}"}


@pytest.fixture
async def api(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    service = alerts_app.build(desk.settings, desk.channels)
    runtime: Any = SimpleNamespace(database=desk.database)
    app = check_routes(service.api(runtime, Kit(Access(PUBLIC))))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://alerts") as client:
        client.headers.update(token())
        yield client


async def one(api: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    [item] = (await api.get("/v1/alerts", params=query)).raise_for_status().json()["items"]
    return dict(item)


async def test_a_list_says_what_the_contract_names(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(owner("acme", JANE), profile("acme", "Acme"), told("acme"))
    item = await one(api)
    assert item["account_id"] == "acme"
    assert (item["signal"], item["severity"], item["state"]) == ("champion_left", "high", "open")
    assert (item["historical"], item["verdict"], item["owner"]) == (False, None, "jane")
    assert item["since"].startswith("2026-03-02T09:30")
    assert item["evidence"][0]["text"] == {"en": "Ken Sato has left.", "ja": "佐藤健さんが離任しました。"}
    assert {each["channel"] for each in item["deliveries"]} == {"slack", "email"}
    assert {(each["state"], each["attempts"], each["to"]) for each in item["deliveries"]} == {("pending", 0, None)}


async def test_lists_filter_and_page(api: httpx.AsyncClient, desk: Desk) -> None:
    names = [f"a{number}" for number in range(5)]
    await desk.tell(*(owner(name, JANE if name < "a3" else HANAKO) for name in names), *map(told, names))
    await desk.tell(told("a4", signal="usage_drop", subject_id=None))
    for query, count in (
        ({"owner": "jane"}, 3),
        ({"owner": "hanako", "signal": "usage_drop"}, 1),
        ({"account": "a4"}, 2),
        ({"state": "resolved"}, 0),
        ({"state": "open"}, 6),
    ):
        answer = (await api.get("/v1/alerts", params=query)).json()
        assert len(answer["items"]) == count, query
    seen, cursor = [], None
    while True:
        answer = (await api.get("/v1/alerts", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 6


@pytest.mark.parametrize(
    "query",
    [
        "state=closed",
        "limit=0",
        "limit=501",
        "cursor=!!",
        "cursor=WzFd",
        *(
            f"cursor={encode_cursor([moment, 'a'])}"
            for moment in ("2026-03-01T00:00:00", "0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00")
        ),
    ],
)
async def test_wrong_questions_are_400(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/v1/alerts?{query}")
    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message"}


async def test_acknowledging_and_resolving_are_recorded_once(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(told("acme"))
    place = f"/v1/alerts/{(await one(api))['id']}"
    for _ in range(2):
        answer = await api.post(f"{place}/acknowledge")
        assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    for _ in range(2):
        answer = await api.post(f"{place}/resolve", json={"verdict": "false_alarm", "note": "on holiday"})
        assert (answer.status_code, answer.json()["verdict"]) == (200, "false_alarm")
    history = (await api.get(place)).json()["history"]
    assert [(step["what"], step.get("actor")) for step in history] == [
        ("raised", None),
        ("acknowledged", "jane"),
        ("resolved", "jane"),
    ]
    assert history[-1]["note"] == "on holiday"


async def test_conflicts_say_why(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(told("acme"))
    place = f"/v1/alerts/{(await one(api))['id']}"
    await api.post(f"{place}/resolve", json={"verdict": "true"})
    for answer in (
        await api.post(f"{place}/resolve", json={"verdict": "known"}),
        await api.post(f"{place}/acknowledge"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await api.post(f"{place}/resolve", json={"verdict": "maybe"})).status_code == 400
    assert (await api.post("/v1/alerts/nothing/acknowledge")).status_code == 404
    assert (await api.get("/v1/alerts/nothing")).status_code == 404


async def test_roles_are_kept(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(told("acme"))
    place = f"/v1/alerts/{(await one(api))['id']}/acknowledge"
    assert (await api.post(place, headers=token("viewer"))).status_code == 403
    assert (await api.post(place, headers={"Authorization": ""})).status_code == 401
    assert (await api.get("/v1/alerts", headers=token("viewer"))).status_code == 200


async def test_what_people_do_goes_to_alerts_v1(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(told("acme"))
    await api.post(f"/v1/alerts/{(await one(api))['id']}/resolve", json={"verdict": "true"})
    async with desk.database.snapshot() as conn:
        rows = (await conn.exec_driver_sql("select topic, value from outbox")).fetchall()
    assert [row.topic for row in rows] == ["alerts.v1"]
    assert b'"kizuna.alert.resolved"' in bytes(rows[0].value)
    await desk.look("acme")
    assert [each.type for each in desk.emitted] == ["kizuna.alert.raised"], "nothing is told twice"


def link(desk: Desk, alert_id: str, action: Any = "acknowledge", language: str = "ja") -> str:
    claim = desk.links.claim(alert_id, action, ("hanako", language), ("delivery", desk.now()))
    return f"/a/{desk.links.token(claim)}"


async def test_a_link_shows_on_get_and_acts_once_on_post(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(owner("acme", HANAKO), profile("acme", "<b>アクメ</b>"), told("acme"))
    place = link(desk, (await one(api))["id"])
    api.headers.pop("Authorization")
    for _ in range(3):
        shown = await api.get(place)
        assert shown.status_code == 200
        assert "確認した" in shown.text
        assert "&lt;b&gt;アクメ" in shown.text
        assert shown.headers["Cache-Control"] == "no-store"
    assert (await api.head(place)).status_code in {200, 405}
    assert [item["state"] for item in await desk.alerts()] == ["open"], "looking changes nothing"
    assert "記録しました" in (await api.post(place)).text
    assert "すでに記録されています" in (await api.post(place)).text
    found = (await api.get(f"/v1/alerts/{(await desk.alerts())[0]['id']}", headers=token())).json()
    assert [(step["what"], step.get("actor")) for step in found["history"][1:]] == [("acknowledged", "hanako")]


async def test_links_that_cannot_act_say_so(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.tell(told("acme"))
    alert_id = (await one(api))["id"]
    good = link(desk, alert_id)
    await api.post(f"/v1/alerts/{alert_id}/resolve", json={"verdict": "known"})
    assert (await api.post(good)).status_code == 409
    assert (await api.post(good[:-2])).status_code == 400
    assert (await api.get("/a/nonsense", headers={"Accept-Language": "ja,en;q=0.5"})).status_code == 400
    assert (await api.get(link(desk, "no such alert"))).status_code == 404
    desk.ahead = -timedelta(days=31)
    assert (await api.post(link(desk, alert_id))).status_code == 410


async def test_what_was_done_cannot_be_changed(service_database: Any) -> None:
    connection = await asyncpg.connect(await service_database("alerts"))
    try:
        for statement in ("update action set actor = 'x'", "delete from action", "truncate action"):
            with pytest.raises(asyncpg.RaiseError, match="written once"):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_migration_makes_the_tables_as_declared(service_database: Any) -> None:
    connection = await asyncpg.connect(await service_database("alerts"))
    try:
        rows = await connection.fetch(
            "select table_name, column_name, is_nullable from information_schema.columns where table_schema = 'alerts'"
        )
    finally:
        await connection.close()
    made = {(row["table_name"], row["column_name"], row["is_nullable"] == "YES") for row in rows}
    declared = {
        (table.name, column.name, bool(column.nullable))
        for table in metadata.tables.values()
        for column in table.columns
    }
    assert {each for each in made if each[0] != "alembic_version"} == declared
