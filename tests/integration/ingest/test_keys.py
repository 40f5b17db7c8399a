"""Keys are made, shown once, used, listed and revoked; the database keeps nothing that opens a door."""

import asyncio
import time

from shared.db import fetch
from tests.plugins.ingest import Ingest, StartIngest
from tests.plugins.runtime import until
from tests.unit.ingest.recordings import call


async def status(ingest: Ingest, key: str) -> int:
    answer = await ingest.http.post("/v1/track", content=call(), headers={"x-write-key": key})
    return answer.status_code


async def test_a_key_is_shown_once_and_kept_as_a_hash(ingest: Ingest) -> None:
    made = await ingest.new_key(name="Shop", source="shop")
    assert await status(ingest, made["key"]) == 200
    secret = made["key"].rpartition("_")[2]
    async with ingest.app.database.snapshot() as conn:
        rows = await fetch(conn, "select w::text, encode(digest, 'escape') from write_key w")
    assert all(secret not in str(row) for row in rows)
    listed = (await ingest.http.get("/v1/keys", headers=ingest.admin)).text
    assert made["id"] in listed
    assert secret not in listed
    assert "digest" not in listed


async def test_a_revoked_key_is_refused_by_every_replica_within_5_seconds(start_ingest: StartIngest) -> None:
    one, other = await start_ingest(), await start_ingest()
    made = await one.new_key()
    await asyncio.sleep(0.6)  # another replica looks for unknown keys at most every half second
    assert await status(one, made["key"]) == await status(other, made["key"]) == 200
    began = time.monotonic()
    answer = await one.http.delete(f"/v1/keys/{made['id']}", headers=one.admin)
    assert answer.json() == {"id": made["id"], "revoked": True}
    assert await status(one, made["key"]) == 401

    async def refused() -> bool:
        return await status(other, made["key"]) == 401

    await until(refused)
    assert time.monotonic() - began < 5
    [listed] = [key for key in (await one.get("/v1/keys"))["items"] if key["id"] == made["id"]]
    assert listed["revoked_by"] == "ops@example.com"


async def test_unknown_and_wrong_keys_get_the_same_answer(ingest: Ingest) -> None:
    wrong = ingest.key[:-1] + ("0" if ingest.key[-1] != "0" else "1")
    answers = [
        await ingest.http.post("/v1/track", content=call(), headers={"x-write-key": key})
        for key in (wrong, "kz_00000000_" + "0" * 48, "", "nonsense")
    ]
    answers.append(await ingest.http.post("/v1/track", content=call()))
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}


async def test_a_key_without_the_scope_may_not_write(ingest: Ingest) -> None:
    made = await ingest.new_key(scopes=["backdate"])
    answer = await ingest.http.post("/v1/track", content=call(), headers={"x-write-key": made["key"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_keys_open_no_other_route_and_tokens_no_hot_one(ingest: Ingest) -> None:
    assert (await ingest.http.get("/v1/keys", headers={"authorization": f"Bearer {ingest.key}"})).status_code == 401
    assert (await ingest.http.post("/v1/track", content=call(), headers=ingest.admin)).status_code == 401


async def test_the_list_comes_in_pages(ingest: Ingest) -> None:
    made = {ingest.key[3:11], *[(await ingest.new_key())["id"] for _ in range(4)]}
    found, cursor = [], ""
    while cursor is not None:
        page = await ingest.get(f"/v1/keys?limit=2{cursor and f'&cursor={cursor}'}")
        found += [key["id"] for key in page["items"]]
        cursor = page["next_cursor"]
    assert found == sorted(made)
    assert (await ingest.http.delete("/v1/keys/nothing", headers=ingest.admin)).status_code == 404
