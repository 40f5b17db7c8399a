"""The pages behind signed links: GET shows what would be done, for mail scanners follow links; POST does it, once."""

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from services.alerts import acting, content, directory, store
from services.alerts.acting import Acting, Wish
from services.alerts.links import BadLink, Claim, ExpiredLink, Links
from services.alerts.templates import HTML, Words, words_for
from shared.clock import now
from shared.db import Database
from shared.errors import Conflict, KizunaError, NotFound

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Frame-Options": "DENY",
}


def add_pages(app: FastAPI, database: Database, links: Links, doing: Acting) -> None:
    """Add the two routes of a link. The link itself is the permission."""

    @app.get("/a/{token}")
    async def ask(token: str, request: Request) -> HTMLResponse:
        """Show what the link would do."""
        try:
            claim = links.read(token, now())
            words = words_for(claim.language)
            title = await _title(database, claim, words)
        except KizunaError as error:
            return _trouble(error, request)
        return _page(words, title, words.page_question, button=_label(claim, words))

    @app.post("/a/{token}")
    async def act(token: str, request: Request) -> HTMLResponse:
        """Do what the link says, once."""
        try:
            claim = links.read(token, now())
            words = words_for(claim.language)
            title = await _title(database, claim, words)
            verdict = None if claim.action == "acknowledge" else claim.action
            wish = Wish(claim.alert_id, claim.person, f"link:{claim.nonce}", acting.LINK, verdict)
            _, changed = await doing.act(wish, now())
        except Conflict:
            return _page(words, title, words.page_gone, status=409)
        except KizunaError as error:
            return _trouble(error, request)
        done = f"{_label(claim, words)}: {words.page_done}"
        return _page(words, title, done if changed else words.page_already)


async def _title(database: Database, claim: Claim, words: Words) -> str:
    async with database.snapshot() as conn:
        found = await store.alert(conn, claim.alert_id)
        if found is None:
            raise NotFound("There is no such alert any more.")
        account_id = found.alert.account_id
        facts = await store.directory(conn, [account_id])
    return content.title(found.alert, directory.account(account_id, facts[account_id], now()), words)


def _label(claim: Claim, words: Words) -> str:
    return words.acknowledge if claim.action == "acknowledge" else words.verdicts[claim.action]


def _trouble(error: KizunaError, request: Request) -> HTMLResponse:
    """Nothing is known of who reads a link that is not ours, so the browser's language decides."""
    first = request.headers.get("accept-language", "").partition(",")[0].partition(";")[0]
    words = words_for(first.strip())
    texts = {BadLink: words.page_bad, ExpiredLink: words.page_expired}
    return _page(words, "Kizuna", texts.get(type(error), error.message), status=error.status)


def _page(words: Words, title: str, text: str, *, button: str | None = None, status: int = 200) -> HTMLResponse:
    html = HTML.get_template("page.html").render(language=words.language, title=title, text=text, button=button)
    return HTMLResponse(html, status, HEADERS)
