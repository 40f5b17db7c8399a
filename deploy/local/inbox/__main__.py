"""`python -m deploy.local.inbox`: serves until told to stop. KIZUNA_INBOX_PORT and KIZUNA_SMTP_PORT move the ports."""

from __future__ import annotations

import asyncio
import os
import sys

from deploy.local.inbox.server import HOST, run


def main() -> int:
    """Read the ports, serve, and return the exit code."""
    port = int(os.environ.get("KIZUNA_INBOX_PORT", "8010"))
    smtp_port = int(os.environ.get("KIZUNA_SMTP_PORT", "8025"))
    print(f"inbox: http://{HOST}:{port}/, mail on {HOST}:{smtp_port}", flush=True)
    try:
        asyncio.run(run(port, smtp_port))
    except OSError as problem:
        print(f"inbox: {problem}; set KIZUNA_INBOX_PORT or KIZUNA_SMTP_PORT to a free port", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
