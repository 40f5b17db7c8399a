"""What one can ask health: the query parameters of its routes."""

from typing import Literal

from pydantic import BaseModel, Field

from services.health.desk import Times
from shared.pages import MOST


class FactsQuery(Times):
    """Which measure's facts."""

    measure: str
    limit: int = Field(100, ge=1, le=MOST)
    cursor: str | None = None


class Range(BaseModel):
    """Which days, both included."""

    first: str | None = Field(None, alias="from")
    last: str | None = Field(None, alias="to")
    known_at: str | None = None


class HistoryQuery(Range):
    """Which days, by which definition."""

    definition: str | None = None


class UsageQuery(Range):
    """Which days; by default all there are."""

    limit: int = Field(MOST, ge=1, le=MOST)
    cursor: str | None = None


class PortfolioQuery(BaseModel):
    """Which accounts (`owner` by id or e-mail address), in which order; `-` turns it round."""

    owner: str | None = None
    band: Literal["healthy", "watch", "at_risk", "critical", "unknown"] | None = None
    tier: str | None = None
    sort: Literal["score", "-score", "mrr", "-mrr", "name"] = "score"
    limit: int = Field(100, ge=1, le=MOST)
    cursor: str | None = None
