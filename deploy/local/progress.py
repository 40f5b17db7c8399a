"""Owns how commands say how far they have come."""

from __future__ import annotations

import sys


def say(part: str, text: str) -> None:
    """Print one line on one part; to stderr, since stdout belongs to answers."""
    print(f"  {part:<10} {text}", file=sys.stderr, flush=True)
