"""Of the service itself: its health, and every problem."""

from __future__ import annotations

from pydantic import BaseModel, Field


class HealthOut(BaseModel):
    status: str
    model_version: str | None = None
    problems: list[str] = Field(default_factory=list)


class ProblemOut(BaseModel):
    """出错时的回答（application/problem+json）。"""

    type: str
    title: str
    status: int
    detail: str
