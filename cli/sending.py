"""What `kizuna send` does with lines: each becomes an event, numbered, with what a person at a keyboard leaves out."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cli.errors import Misused
from cli.importer.feed import Numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SOURCE: Final = "kizuna-cli"
OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def events_of_lines(lines: Iterable[bytes], filled: Callable[[int, list[str]], None]) -> Iterator[Numbered]:
    """Yield an event per line that is not empty, numbered by line; `filled(line, names)` hears what was added."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        event, added = completed(line, number)
        if added:
            filled(number, added)
        yield Numbered(number, event)


def completed(line: bytes, number: int) -> tuple[bytes, list[str]]:
    """Return the event with `specversion`, `source` and `id` where it has none, and which of them were added.

    The id is a hash of the line, so that the same file sent again is the same events; two equal lines are one event.
    What is present stays as it was written, byte for byte where nothing is added.
    """
    try:
        given: dict[str, Any] = dict(OBJECT.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misused(f"Line {number} is not a JSON object: {error}. Events go one to a line") from error
    defaults = {
        "specversion": "1.0",
        "source": SOURCE,
        "id": blake2b(line.strip(), digest_size=16).hexdigest(),
    }
    added = [name for name in defaults if name not in given]
    if not added:
        return line.strip(), []
    return msgspec.json.encode({**{name: defaults[name] for name in added}, **given}), added
