"""One HTTP client per service: addresses, tokens, time limits, lists followed to their end, errors as exit codes."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from cli.environment import load
from cli.errors import NotReachable, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.environment import Environment

TIMEOUT: Final = httpx.Timeout(30, connect=3)
PATIENT: Final = httpx.Timeout(600, connect=3)
"""For questions about everything a service holds, such as its fingerprint."""
PAGE: Final = 500
FIRST_ERROR: Final = 400


class Service:
    """A service's API as the command line sees it. Answers are decoded JSON; amounts stay the strings they are."""

    def __init__(self, name: str, environment: Environment, *, credential: str = "KIZUNA_TOKEN") -> None:
        self.name = name
        self.url = environment.url(name)
        known = environment.get(credential)
        # The local inbox asks for nothing, so nothing is shown to it.
        self._headers = {"authorization": f"Bearer {known}"} if known and name != "inbox" else {}

    def get(self, path: str, **params: str | int | None) -> Any:
        """Return the answer to a GET; parameters that are None are left out."""
        return self.call("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, body: object = None) -> Any:
        """Return the answer to a POST of a JSON body."""
        return self.call("POST", path, content=msgspec.json.encode(body), headers={"content-type": "application/json"})

    def delete(self, path: str) -> Any:
        """Return the answer to a DELETE, None when it has no body."""
        return self.call("DELETE", path)

    def items(self, path: str, **params: str | int | None) -> Iterator[Any]:
        """Yield the items of a list, asking for the next page as long as there is one."""
        cursor = None
        while True:
            answer = self.get(path, limit=PAGE, cursor=cursor, **params)
            yield from answer["items"]
            cursor = answer.get("next_cursor")
            if not cursor:
                return

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Send one request; `NotReachable` when nobody answers, `Refused` with the service's words on 4xx and 5xx."""
        return decoded(self, self.send(method, path, **request))

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request and return whatever was answered; `NotReachable` when nobody answers."""
        try:
            with httpx.Client(base_url=self.url, headers=self._headers, **transport(self.url)) as client:
                return client.request(method, path, **request)
        except httpx.TransportError as error:
            raise unreachable(self.name, self.url, error) from error


def service(name: str, *, credential: str = "KIZUNA_TOKEN") -> Service:
    """Return the client of a service as the present environment has it."""
    return Service(name, environment(), credential=credential)


def environment() -> Environment:
    """Return the present environment: the process's variables, else `.run/env` at or above the working directory."""
    return load(Path.cwd(), os.environ)


def segment(identifier: str) -> str:
    """Quote an identifier for use as one segment of a path: account ids may hold slashes and spaces."""
    return quote(identifier, safe="")


def unreachable(name: str, url: str, error: httpx.TransportError) -> NotReachable:
    """Return what to say, and what to do, when a service does not answer."""
    if isinstance(error, httpx.ReadTimeout):
        return NotReachable(f"{name.capitalize()} at {url} takes too long to answer: see `kizuna status`")
    return NotReachable(f"{name.capitalize()} does not answer at {url}: run `make up`")


def decoded(service: Service, response: httpx.Response) -> Any:
    """Return the JSON of an answer, or raise `Refused` with its `code` and `message`."""
    try:
        body = msgspec.json.decode(response.content) if response.content else None
    except msgspec.DecodeError as error:
        raise Refused(
            f"{service.name} at {service.url} answered {response.status_code} with something that is no JSON; "
            "is another program listening there?",
            code="not_json",
            status=response.status_code,
        ) from error
    if response.status_code < FIRST_ERROR:
        return body
    said = body if isinstance(body, dict) else {}
    raise Refused(
        f"{service.name}: {said.get('message', response.reason_phrase)}{remedy(response.status_code)}",
        code=str(said.get("code", response.status_code)),
        status=response.status_code,
    )


def remedy(status: int) -> str:
    """Return what a caller can do about a status whose message does not say it."""
    return {
        401: " (`make up` writes the token and key of this machine's stack to .run/env)",
        403: " (`kizuna token --role ROLE --for PERSON` makes a token with more rights)",
        503: " (try again; `kizuna status` shows what is missing)",
    }.get(status, "")


def transport(url: str) -> dict[str, Any]:
    """Return how a client reaches a URL. Without TLS no certificates are read, which takes longer than a request."""
    return {"timeout": TIMEOUT, "trust_env": not is_loopback(url), "verify": url.startswith("https:")}


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine, where a proxy of the environment has no business."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
