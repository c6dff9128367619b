"""Codes and ids as people read them: the path of a category, the name of a unit or a district."""

from __future__ import annotations

from dataclasses import dataclass

from api.live import Engine
from classifier.directory import Directory
from classifier.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Names:
    """Of the model and the directory in use. What they do not know any more is shown as it is stored."""

    taxonomy: Taxonomy
    directory: Directory

    @classmethod
    def of(cls, engine: Engine) -> Names:
        return cls(engine.bundle.taxonomy, engine.router.directory)

    def category(self, code: str) -> str:
        return self.taxonomy.path(code) if code in self.taxonomy else code

    def category_alone(self, code: str) -> str:
        """Without what it belongs to."""
        return self.taxonomy[code].name if code in self.taxonomy else code

    def category_short(self, code: str) -> str:
        """The last two names of its path; three where the last only says that it is something else (其他)."""
        names = self.category(code).split(" › ")
        return " › ".join(names[-3:] if names[-1].startswith("其他") else names[-2:])

    def unit(self, unit_id: str) -> str:
        unit = self.directory.units.get(unit_id)
        return unit.name if unit else unit_id

    def district(self, code: str) -> str:
        district = self.directory.districts.get(code)
        return district.name if district else code
