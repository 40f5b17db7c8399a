"""What messages and pages say, a module per language, and the HTML they are put into."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.alerts.templates import en, ja
from services.alerts.templates.words import Words

LANGUAGES: Final[dict[str, Words]] = {words.language: words for words in (en.WORDS, ja.WORDS)}

HTML: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def words_for(locale: str | None) -> Words:
    """Return the words of a locale such as `ja-JP` or `en_GB`; English when we do not speak it."""
    language = (locale or "").replace("_", "-").partition("-")[0].lower()
    return LANGUAGES.get(language, en.WORDS)


__all__ = ["HTML", "LANGUAGES", "Words", "words_for"]
