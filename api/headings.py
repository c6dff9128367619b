"""The office's own few headings (大类) over the standard taxonomy: kept in the data folder, shown instead of those in the bundle."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from api.office_directory import one_at_a_time
from api.service import Service
from api.store.audit import Action, record
from api.store.firewall import Viewer
from classifier.errors import (
    ConflictError,
    InputError,
    StoreUnavailableError,
    TaxonomyError,
    UnknownCodeError,
)
from classifier.registry import replacing
from classifier.tables import read_text
from classifier.taxonomy import Taxonomy, parse_headings

#: Longest heading, in characters, and how many different ones there may be: they are the columns of a table.
LONGEST, MOST = 20, 30


@dataclass(frozen=True, slots=True)
class Headings:
    """Headings by code of any level, and over which taxonomy; `stamp` tells this content from any other."""

    by_code: Mapping[str, str]
    taxonomy: Taxonomy
    stamp: str
    #: Whether they are the office's own, not the bundle's.
    own: bool

    def heading(self, code: str) -> str:
        """As given for the code or its nearest ancestor, "" for none."""
        return self.taxonomy.heading(code)

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Codes of level 1 and 2 under no heading: a level-1 code only where one of its children is, or it has none."""
        open2 = [c.code for c in self.taxonomy.level(2) if not self.heading(c.code)]
        bare = {code[:2] for code in open2}
        open1 = [
            c.code
            for c in self.taxonomy.level(1)
            if not self.heading(c.code) and (c.code in bare or not self.taxonomy.children(c.code))
        ]
        return tuple(sorted((*open1, *open2)))

    @property
    def counts(self) -> dict[str, int]:
        """How many level-2 categories each heading has, most first."""
        return dict(
            Counter(filter(None, (self.heading(c.code) for c in self.taxonomy.level(2)))).most_common()
        )


def heading_of(service: Service, code: str) -> str:
    """The office's heading for a category of any level, "" when none is mapped. Raises BundleMissingError."""
    return service.live.engine().heading_of(code)


def headings(service: Service) -> Headings:
    """As they are on disk now. Raises TaxonomyError when somebody wrote nonsense into headings.csv."""
    file = service.settings.headings_file
    taxonomy = service.live.engine().bundle.taxonomy
    own = file.exists()
    if own:
        found = parse_headings(read_text(file, TaxonomyError), taxonomy.categories, file.name)
    else:
        found = dict(taxonomy.headings)
    return Headings(found, replace(taxonomy, headings=found), _stamp(found), own)


def save(service: Service, viewer: Viewer, stamp: str, wanted: Mapping[str, str]) -> int:
    """Make `wanted` (code → heading, "" for none) the headings of the codes it names; others stay. Returns how many codes changed.

    Raises ConflictError when they are no longer those that `stamp` tells of, InputError, UnknownCodeError, StoreUnavailableError.
    """
    wanted = {code: " ".join(heading.split()) for code, heading in wanted.items()}
    taxonomy = service.live.engine().bundle.taxonomy
    for code, heading in wanted.items():
        if code not in taxonomy:
            raise UnknownCodeError(f"分类代码“{code[:20]}”不存在。请重新打开页面。")
        if len(heading) > LONGEST:
            raise InputError(f"大类“{heading[:LONGEST]}…”太长，最多 {LONGEST} 个字。")
    with one_at_a_time(service.settings):
        before = headings(service)
        if before.stamp != stamp:
            raise ConflictError("大类对照刚有人改过。请重新打开页面，看过现在的内容再改。")
        merged = {**before.by_code, **wanted}
        after = {code: merged[code] for code in sorted(merged) if merged[code]}
        if len(set(after.values())) > MOST:
            raise InputError(f"大类最多 {MOST} 个，现在有 {len(set(after.values()))} 个。请合并一些。")
        changed = sum(before.by_code.get(code) != after.get(code) for code in {*before.by_code, *after})
        if not changed:
            return 0
        try:
            with replacing(service.settings.headings_file, mode=0o600) as temporary:
                temporary.write_text(_csv(after), encoding="utf-8-sig")
                with service.store.write() as connection:
                    detail: dict[str, Any] = {"codes": changed, "headings": len(set(after.values()))}
                    record(connection, Action.DIRECTORY_CHANGED, viewer.user_id, table="headings", **detail)
        except OSError as problem:
            raise StoreUnavailableError(
                f"大类对照存不进数据目录（{problem.strerror or type(problem).__name__}）。请检查权限和磁盘。"
            ) from None
    service.live.look()
    return changed


def _csv(by_code: Mapping[str, str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["heading", "code"])
    writer.writerows([heading, code] for code, heading in by_code.items())
    return out.getvalue()


def _stamp(by_code: Mapping[str, str]) -> str:
    return sha256(_csv(dict(sorted(by_code.items()))).encode()).hexdigest()[:16]
