"""What the pages of the unit directory show, made from its sheets."""

from __future__ import annotations

from collections.abc import Mapping

from api import directory_changes as changes
from api.access import Clerk
from api.office_directory import KEPT, TABLES, Sheets, versions
from api.service import Service
from api.store.firewall import Role
from api.workbench import directory_form as form
from api.workbench.contexts.directory import (
    BranchOption,
    DirectoryPage,
    DirectoryRowPage,
    DirectoryTablePage,
    RowLine,
    TableLink,
    VersionRow,
)

#: So many rows of a table are listed.
_ROWS = 300
#: The folder of the directory that ships.
_SHIPPED = "county"


def overview(
    service: Service, clerk: Clerk, problem: str = "", problems: tuple[str, ...] = ()
) -> DirectoryPage:
    sheets = changes.sheets_in_use(service)
    return DirectoryPage(
        tuple(
            TableLink(table, changes.TABLE_NAMES[table], len(sheets.rows[table]), form.ABOUT[table])
            for table in TABLES
        ),
        in_use(service),
        sheets.stamp,
        tuple(VersionRow(v.number, v.at, v.by, v.what, v.in_use) for v in versions(service.settings)),
        KEPT,
        clerk.may(Role.ADMIN),
        problem,
        problems,
    )


def in_use(service: Service) -> str:
    """Which directory is in use, in words."""
    using = next((version for version in versions(service.settings) if version.in_use), None)
    if using is None:
        given = service.settings.directory_in_use.name
        which = "随程序的县区目录" if given == _SHIPPED else f"文件夹“{given}”里的目录"
        return f"{which}，还没有在这里改过"
    return f"本单位的目录，第 {using.number} 版"


def table_page(
    service: Service, clerk: Clerk, table: str, query: str, branch: str | None
) -> DirectoryTablePage:
    sheets = changes.sheets_in_use(service)
    branches: tuple[BranchOption, ...] = ()
    if table == "categories":
        # Some hundreds of rows: one level-1 category at a time, unless something is looked for.
        tops = service.live.engine().bundle.taxonomy.level(1)
        chosen = branch if branch is not None else ("" if query or not tops else tops[0].code)
        branches = (
            BranchOption("", "全部", not chosen),
            *(BranchOption(top.code, top.name, top.code == chosen) for top in tops),
        )
    wanted = next((option.code for option in branches if option.chosen), "")
    lines = tuple(
        RowLine(at, form.cells(service, table, row))
        for at, row in enumerate(sheets.rows[table])
        if row.get("category", "").startswith(wanted) or not branches
    )
    if query:
        lines = tuple(line for line in lines if _holds(query, sheets.rows[table][line.at], line))
    return DirectoryTablePage(
        table,
        changes.TABLE_NAMES[table],
        form.ABOUT[table],
        form.columns(table),
        lines[:_ROWS],
        len(lines),
        len(sheets.rows[table]),
        query,
        branches,
        sheets.stamp,
        clerk.may(Role.ADMIN),
    )


def _holds(query: str, row: Mapping[str, str], line: RowLine) -> bool:
    wanted = query.casefold()
    texts = (*row.values(), *(cell.text for cell in line.cells))
    return any(wanted in text.casefold() for text in texts)


def row_page(
    service: Service,
    sheets: Sheets,
    table: str,
    at: int | None,
    typed: Mapping[str, str],
    found: changes.Findings,
) -> DirectoryRowPage:
    row = sheets.rows[table][at] if at is not None else {}
    # What was wrong with a field that the form does not have must still be said.
    fields = form.fields(service, table, row, at is None, found.fields, {} if typed.get("remove") else typed)
    shown = {field.name for field in fields}
    others = (*found.others, *(text for name, text in found.fields.items() if name not in shown))
    label, place = changes.TABLE_NAMES[table], "" if at is None else str(at)
    refused = ("没有删除" if typed.get("remove") else "没有保存") if found else ""
    return DirectoryRowPage(
        table, label, place, changes.key_of(table, row), sheets.stamp, fields, refused, others
    )
