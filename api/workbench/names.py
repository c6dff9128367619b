"""Codes and ids as people read them, and back: the path of a category, the name of a unit."""

from __future__ import annotations

from dataclasses import dataclass

from api.service import Service
from classifier.directory import Directory
from classifier.errors import UnknownCodeError
from classifier.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Names:
    """Of the model and the directory in use. What they do not know any more is shown as it is stored."""

    taxonomy: Taxonomy
    directory: Directory

    def category(self, code: str) -> str:
        return self.taxonomy.path(code) if code in self.taxonomy else code

    def category_alone(self, code: str) -> str:
        """Without what it belongs to."""
        return self.taxonomy[code].name if code in self.taxonomy else code

    def unit(self, unit_id: str) -> str:
        unit = self.directory.units.get(unit_id)
        return unit.name if unit else unit_id

    def category_of(self, code: str, typed: str | None) -> str:
        """The code chosen in a type-ahead: `code` is what script put there, `typed` what stands in the input, None where there is none.

        What is typed wins over a code it does not name: without script the code is the one the page came with. Raises UnknownCodeError.
        """
        if typed is None or typed.strip() in {self.category_alone(code), self.category(code)}:
            return code
        return self.taxonomy.find(typed) if typed.strip() else ""

    def unit_of(self, unit_id: str, typed: str | None) -> str:
        """The same for units. Raises UnknownCodeError."""
        if typed is None or typed.strip() == self.unit(unit_id):
            return unit_id
        unit = self.directory.unit_named(typed.strip())
        if typed.strip() and unit is None:
            raise UnknownCodeError(f"承办单位“{typed.strip()[:20]}”不在单位目录里。请从列出的选项里选一个。")
        return unit.id if unit else ""


def names_of(service: Service) -> Names:
    engine = service.live.engine()
    return Names(engine.bundle.taxonomy, engine.router.directory)
