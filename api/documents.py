"""The text of a file that somebody brings along: .txt in the encodings offices have, .docx. Nothing of the file is kept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from classifier.errors import TextTooLongError, UnreadableFileError
from classifier.records import MAX_CHARACTERS, decode

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

#: The largest file read, and the most that a packed one may unpack to.
MAX_BYTES = 2 * 1024 * 1024
_MAX_UNPACKED = 24 * 1024 * 1024
_MAX_MEMBERS = 2_000
_BLOCK = 1 << 16
_MAX_NESTED = 4


def text_of(name: str, content: bytes) -> str:
    """The text of a file by its name's ending; paragraphs and rows of tables are lines, blank ends are gone.

    Raises UnreadableFileError (another type, too large, broken, packed beyond measure, nothing in it), TextTooLongError.
    """
    shown = PurePath(name.replace("\\", "/")).name[-40:] or "文件"
    if len(content) > MAX_BYTES:
        raise UnreadableFileError(
            f"{shown} 超过 {MAX_BYTES // 1024 // 1024} MB。请只留文字，图片和附件另行保存。"
        )
    suffix = PurePath(shown).suffix.lower()
    if suffix == ".docx":
        text = _docx(shown, content)
    elif suffix == ".txt":
        text = _plain(shown, content)
    elif suffix in {".doc", ".wps", ".rtf"}:
        raise UnreadableFileError(f"读不了 {suffix} 文件。请在文字处理软件里另存为 .docx，或直接粘贴文字。")
    else:
        raise UnreadableFileError(
            f"只能读 .txt 和 .docx，不能读 {suffix[:10] or '没有扩展名的文件'}。请直接粘贴文字。"
        )
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    if not text:
        raise UnreadableFileError(f"{shown} 里没有文字。扫描件和图片请照着录入。")
    if len(text) > MAX_CHARACTERS:
        raise TextTooLongError(
            f"{shown} 有 {len(text):,} 个字符，超过 {MAX_CHARACTERS:,} 的上限。请只放信访内容，其余作为附件。"
        )
    return text


def _plain(shown: str, content: bytes) -> str:
    try:
        text = decode(content, shown)
    except UnreadableFileError:
        raise UnreadableFileError(
            f"{shown} 的编码无法识别。请在记事本里另存为 UTF-8，或直接粘贴文字。"
        ) from None
    if "\0" in text:
        raise UnreadableFileError(f"{shown} 不是文字文件。请直接粘贴文字。")
    return text


def _docx(shown: str, content: bytes) -> str:
    _check_packed(shown, content)
    from docx import Document  # 0.2 s: only once somebody brings a document

    try:
        document = Document(io.BytesIO(content))
        return "\n".join(_lines(document.iter_inner_content(), 0))
    except Exception as problem:  # each broken part has an exception of its own
        raise _broken(shown, problem) from None


def _check_packed(shown: str, content: bytes) -> None:
    """Unpacks everything once in small blocks, so that a header that lies about a size is found before anything trusts it."""
    left = _MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > left:
                raise _too_much(shown)
            for member in members:
                # Only these unpack block by block.
                if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise _broken(shown, NotImplementedError())
                with archive.open(member) as packed:
                    while block := packed.read(_BLOCK):
                        left -= len(block)
                        if left < 0:
                            raise _too_much(shown)
    except UnreadableFileError:
        raise
    except Exception as problem:  # zipfile raises its own kinds for each broken part
        raise _broken(shown, problem) from None


def _lines(parts: Iterator[Paragraph | Table], depth: int) -> Iterator[str]:
    import docx.text.paragraph

    for part in parts:
        if isinstance(part, docx.text.paragraph.Paragraph):
            yield part.text
        elif depth < _MAX_NESTED:
            seen: set[object] = set()
            for row in part.rows:
                # A merged cell comes once for each row and column it covers.
                cells = [cell for cell in row.cells if cell._tc not in seen]
                seen.update(cell._tc for cell in cells)
                inner = ("\n".join(_lines(cell.iter_inner_content(), depth + 1)).strip() for cell in cells)
                yield "　".join(text for text in inner if text)


def _too_much(shown: str) -> UnreadableFileError:
    return UnreadableFileError(f"{shown} 解压后过大，没有读取。请直接粘贴文字。")


def _broken(shown: str, problem: Exception) -> UnreadableFileError:
    return UnreadableFileError(
        f"{shown} 打不开（{type(problem).__name__}）。请在文字处理软件里重新另存为 .docx，或直接粘贴文字。"
    )
