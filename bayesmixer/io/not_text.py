"""Files that are no table of text, told from their first bytes: archives, spreadsheets, web pages,
binary data.
"""

from __future__ import annotations

import re
from pathlib import Path

from bayesmixer.errors import InputError

_ARCHIVES = {b"7z\xbc\xaf\x27\x1c": "a 7z", b"Rar!": "a rar", b"MSCF": "a cab"}
_BINARY = {
    b"\xd0\xcf\x11\xe0": ("is an old Excel or Word file", "Save the sheet as tab-separated text."),
    b"RDX": (
        "is an R data file",
        "Write it as text in R: write.table(x, quote = FALSE, row.names = FALSE).",
    ),
    b"X\n\0\0": (
        "is an R data file",
        "Write it as text in R: write.table(x, quote = FALSE, row.names = FALSE).",
    ),
    b"\x89HDF": ("is an HDF5 file", "Write its table as text or Parquet."),
    b"\x1f\x9d": ("is compressed by compress (.Z)", "Decompress it: gzip -d."),
    b"\x04\x22\x4d\x18": ("is compressed by lz4", "Decompress it: lz4 -d."),
    b"\x1f\x8b": ("is compressed twice", "Decompress it once: gzip -d."),
    b"SQLite format 3": ("is a database", "Export its table as text or Parquet."),
}


def check_is_text(path: Path, block: bytes) -> None:
    """Refuse what is no table of text.

    Parameters
    ----------
    path
        File name, for errors.
    block
        Its first bytes, decompressed.

    Raises
    ------
    InputError
        An archive, a spreadsheet, a web page, binary data or another encoding.
    """
    if block.startswith(b"PK\x03\x04"):
        _refuse_zip(path, block)
    if (member := _tar_member(block)) is not None:
        raise InputError(
            path,
            f"is a tar archive (its first file is {member}), expected one table",
            "Unpack it: tar -xf, and name the file in it.",
        )
    for start, kind in _ARCHIVES.items():
        if block.startswith(start):
            raise InputError(
                path,
                f"is {kind} archive, expected one table",
                "Unpack it, and name the file in it.",
            )
    for start, (problem, remedy) in _BINARY.items():
        if block.startswith(start):
            raise InputError(path, f"{problem}, expected a table of text", remedy)
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            path, "is UTF-16 text", "Save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8 in > out."
        )
    control = len(block) - len(block.translate(None, bytes([*range(9), *range(14, 32)])))
    if b"\0" in block or control > 0.001 * len(block):
        raise InputError(
            path,
            "is a binary file, expected text",
            "Give the summary statistics as text (plain, gzip, bgzip or zstd) or Parquet.",
        )
    if re.match(rb"\s*<(!doctype|html|\?xml)", block[:200].lower()):
        raise InputError(
            path, "is a web page, not a table", "The download failed: fetch the file again."
        )


def _refuse_zip(path: Path, block: bytes) -> None:
    length = int.from_bytes(block[26:28], "little")
    first = block[30 : 30 + length].decode("utf-8", "replace")
    if first.startswith(("[Content_Types]", "_rels/", "xl/", "word/", "mimetype")):
        raise InputError(
            path,
            "is a zip archive or a spreadsheet: a spreadsheet",
            "Save the sheet as tab-separated text.",
        )
    inside = f" (its first file is {first})" if first.isprintable() and first else ""
    raise InputError(
        path,
        f"is a zip archive or a spreadsheet{inside}, expected one table",
        "Unpack it: unzip, and name the file in it; or save the sheet as tab-separated text.",
    )


def _tar_member(block: bytes) -> str | None:
    """Name of the first file of a tar archive; None for anything else."""
    header = block[:512]
    if len(header) < 512:
        return None
    if header[257:262] == b"ustar" and header[156:157] in b"xgL":
        # a header about the next header: attributes, or a long name
        size = int(header[124:135].strip(b" \0") or b"0", 8)
        return _tar_member(block[512 * (1 + -(-size // 512)) :]) or "unnamed"
    name = header[:100].split(b"\0")[0].decode("utf-8", "replace")
    if header[257:262] == b"ustar":
        return name
    # before POSIX an archive had no mark but its checksum
    stated = re.fullmatch(rb"\s*([0-7]+)[\s\0]*", header[148:156])
    blank = header[:148] + b" " * 8 + header[156:]
    return name if stated and name and int(stated[1], 8) == sum(blank) else None
