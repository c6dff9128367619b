"""Taxonomy, units and the model in use."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class CategoryNodeOut(BaseModel):
    code: str
    name: str
    parent: str
    heading: str = Field(description="本单位自己的大类；没有对应时为空")


class TaxonomyOut(BaseModel):
    categories: list[CategoryNodeOut]


class UnitOut(BaseModel):
    id: str
    name: str
    parent: str
    duties: list[str]


class UnitsOut(BaseModel):
    directory: str
    units: list[UnitOut]


class ModelOut(BaseModel):
    version: str
    threshold: float
    report: dict[str, Any]
