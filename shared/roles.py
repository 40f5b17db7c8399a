"""Who may call what: one table for all routes of all services. A route that is missing here makes start-up fail.

Values: a role (`viewer` < `csm` < `manager` < `admin`), `key` (a write key), `link` (a signed link carries its own key)
or `open` (probes and metrics).
"""

from __future__ import annotations

from typing import Final

RANK: Final = {"viewer": 0, "csm": 1, "manager": 2, "admin": 3}

COMMON: Final = {
    "GET /livez": "open",
    "GET /readyz": "open",
    "GET /metrics": "open",
    "GET /v1/status": "viewer",
    "GET /v1/fingerprint": "viewer",
    "GET /v1/events/{event_id}": "viewer",
    "GET /v1/dead-letters": "admin",
    "GET /v1/dead-letters/{letter_id}": "admin",
    "POST /v1/dead-letters/replay": "admin",
}

ROLES: Final[dict[str, dict[str, str]]] = {
    "ingest": {
        "POST /v1/batch": "key",
        "POST /v1/track": "key",
        "POST /v1/identify": "key",
        "POST /v1/group": "key",
        "POST /v1/page": "key",
        "POST /v1/screen": "key",
        "POST /v1/alias": "key",
        "POST /v1/events": "key",
        "OPTIONS /v1/events": "open",  # the CloudEvents webhook handshake: it tells nothing and changes nothing
        "POST /v1/keys": "admin",
        "GET /v1/keys": "admin",
        "DELETE /v1/keys/{key_id}": "admin",
        "GET /v1/parked": "viewer",
    },
    "health": {
        "GET /v1/accounts/{account_id:path}/health": "viewer",
        "GET /v1/accounts/{account_id:path}/health/history": "viewer",
        "GET /v1/accounts/{account_id:path}/health/facts": "viewer",
        "GET /v1/accounts/{account_id:path}/signals": "viewer",
        "GET /v1/accounts/{account_id:path}/usage": "viewer",
        "GET /v1/portfolio": "viewer",
    },
    "revenue": {
        "GET /v1/retention": "viewer",
        "GET /v1/accounts/{account_id:path}/ledger": "viewer",
        "GET /v1/accounts/{account_id:path}/mrr": "viewer",
    },
    "alerts": {
        "GET /v1/alerts": "viewer",
        "GET /v1/alerts/{alert_id}": "viewer",
        "POST /v1/alerts/{alert_id}/acknowledge": "csm",
        "POST /v1/alerts/{alert_id}/resolve": "csm",
        "GET /a/{token}": "link",
        "POST /a/{token}": "link",
    },
}
