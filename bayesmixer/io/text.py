"""Delimited text of any size as chunks of text columns: header, separator and damage found without
options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import polars as pl

from bayesmixer.errors import InputError
from bayesmixer.io.compression import ByteStream
from bayesmixer.io.not_text import check_is_text

CHUNK = 8 << 20  # bytes of text parsed at a time: bounds memory, and is used again, not new
_FIRST = 1 << 20
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "\\t": "\t"}
_WORDS = {"\t": "tab", ",": "comma", ";": "semicolon", " ": "space"}
_BLANK_TO_SPACE = bytes.maketrans(b"\t", b" ")


class Table(Protocol):
    """What the reader needs of a file: column names, leading '##' lines, a preview, chunks of text
    columns, and its SHA-256.
    """

    path: Path
    names: list[str]
    meta: list[str]
    broken: list[int]

    @property
    def size(self) -> int:
        """Bytes of the file on disk."""

    @property
    def position(self) -> int:
        """Bytes of the file on disk read so far."""

    def preview(self, columns: Sequence[int]) -> pl.DataFrame:
        """Return the first rows as text columns named by their index."""

    def chunks(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield all rows, chunk by chunk, as text columns named by their index."""

    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class TextTable:
    """A delimited text file, opened and its header read.

    Parameters
    ----------
    path
        The file, plain or compressed.
    separator
        "tab", "comma", "semicolon", "space" (any run of blanks) or the character; None finds it
        from the first lines.
    """

    def __init__(self, path: Path, separator: str | None = None) -> None:
        self.path = path
        self.meta: list[str] = []
        self.broken: list[int] = []
        self._stream = ByteStream(path)
        try:
            self._begin(separator)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    @property
    def size(self) -> int:
        """Bytes of the file on disk."""
        return self._stream.size

    @property
    def position(self) -> int:
        """Bytes of the file on disk read so far."""
        return self._stream.position

    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return self._stream.digest()

    def _begin(self, separator: str | None) -> None:
        block = self._stream.read(_FIRST)
        # VCF headers with many contigs can be longer than one block
        while b"\n##" in block[-100_000:] and (more := self._stream.read(_FIRST)):
            block += more
        check_is_text(self.path, block)
        block = block.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        if b"\n" not in block and b"\r" in block:
            raise InputError(
                self.path,
                "lines end with a carriage return only (old Macintosh text)",
                "Convert it, e.g. tr '\\r' '\\n' < in > out.",
            )
        header, self._line, start = self._find_header(block)
        self._rest = block[start:]
        first = [
            line
            for line in self._rest[:200_000].decode("utf-8", "replace").split("\n")[:50]
            if line.strip()
        ]
        self._set_separator(header, first[:-1] or first, separator)

    def _find_header(self, block: bytes) -> tuple[str, int, int]:
        """Return the header line, its line number, and where the data begin in `block`."""
        start, number, candidate = 0, 0, None
        while start < len(block):
            end = block.find(b"\n", start)
            end = len(block) if end < 0 else end
            line = block[start:end].decode("utf-8", "replace")
            number += 1
            if line.startswith("##"):
                self.meta.append(line)
            elif line.startswith("#"):
                candidate = (line.lstrip("# "), number, end + 1)
            elif line.strip():
                # a '#' line right above the data is the header if it has as many fields as they
                # have
                if candidate and _alike(candidate[0], line):
                    return candidate
                return line, number, end + 1
            start = end + 1
        if candidate:
            return candidate
        raise InputError(
            self.path,
            "no header line: the file holds only blank or comment lines",
            "Give a table whose first line names its columns.",
        )

    def _set_separator(self, header: str, lines: list[str], given: str | None) -> None:
        if given is not None:
            given = _SEPARATORS.get(given, given)
            if len(given) != 1:
                raise InputError(
                    "separator",
                    f"'{given}' is not one character",
                    "Use tab, comma, semicolon or space.",
                )
        options = [given] if given else ["\t", ",", ";", " "]
        fits: dict[str, tuple[int, int]] = {}
        for sep in options:
            counts = [len(_fields(line, sep)) for line in lines]
            n = len(_fields(header, sep))
            if n > 1:
                fits[sep] = (n, counts[0] if counts else n)
        if not fits:
            raise InputError(
                self.path,
                f"the header has one column ({header.strip()[:60]!r}) by "
                f"{_word(given) if given else 'tab, comma, semicolon or blanks'}",
                "Give the right separator= (--separator), or a table with a header line.",
            )
        chosen = next((s for s, (n, m) in fits.items() if n == m), None) or next(
            (s for s, (n, m) in fits.items() if m == n + 1), None
        )
        if chosen is None:
            sep, (n, m) = max(fits.items(), key=lambda item: item[1][0])
            raise InputError(
                self.path,
                f"the header has {n} columns by {_word(sep)} but line {self._line + 1} has {m}",
                "Separate header and rows alike, or name the separator= (--separator).",
            )
        self.separator = chosen
        self.names = _fields(header, chosen)
        if fits[chosen][1] == len(self.names) + 1:
            # one value more than names: a trailing separator, or row names as R writes them
            trailing = all(not _fields(line, chosen)[-1] for line in lines)
            self.names = [*self.names, ""] if trailing else ["row_name", *self.names]
        self._quoted = any('"' in line for line in lines)

    def preview(self, columns: Sequence[int]) -> pl.DataFrame:
        """Return the first rows (about a megabyte of text) as text columns named by their index."""
        end = self._rest.rfind(b"\n") + 1 if len(self._rest) >= _FIRST // 2 else len(self._rest)
        frame = self._parse(
            self._tidy(self._rest[:end]), columns, self._line, last=end == len(self._rest)
        )
        self.broken.clear()
        return frame

    def chunks(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield all rows, chunk by chunk, as text columns named by their index (`"0"`, `"1"`, ...).

        Lines with the wrong number of fields are left out and their numbers kept in `broken`, as
        long as they are few (1% of a chunk); the last line must be whole.
        """
        line, rest = self._line, self._rest
        while True:
            block = self._stream.read(CHUNK)
            cut = block.rfind(b"\n") + 1
            piece = rest if not block else b"".join((rest, memoryview(block)[:cut])) if cut else b""
            rest = block[cut:] if cut else rest + block
            lines = _count(piece, b"\n")
            if piece and not piece.isspace():
                yield self._parse(self._tidy(piece), columns, line, last=not block)
            line += lines
            if not block:
                return

    def _tidy(self, text: bytes) -> bytes:
        """Line feeds only, no blank lines, plain signs, and in blank-separated tables one space
        between fields.
        """
        if b"\r" in text:
            text = text.replace(b"\r", b"")
        if not text.isascii():
            text = _plain_signs(text)
        if self.separator == " ":
            text = text.translate(_BLANK_TO_SPACE)
            while b"  " in text:
                text = text.replace(b"  ", b" ")
            text = text.replace(b"\n ", b"\n").replace(b" \n", b"\n").strip(b" ")
        while b"\n\n" in text:
            text = text.replace(b"\n\n", b"\n")
        text = text.lstrip(b"\n")
        return text if text.endswith(b"\n") or not text else text + b"\n"

    def _parse(self, text: bytes, columns: Sequence[int], line: int, last: bool) -> pl.DataFrame:
        if not text:
            return pl.DataFrame(
                {str(i): [] for i in columns}, schema={str(i): pl.String for i in columns}
            )
        quoted = self._quoted or (self.separator in ",;" and b'"' in text)
        bare = re.sub(rb'"[^"\n]*"', b'""', text) if quoted and b'"' in text else text
        fields = _count(bare, self.separator.encode())
        if fields != _count(bare, b"\n") * (len(self.names) - 1):
            text, broken = self._without_broken(text, bare, line, last)
            self.broken += broken
        order = sorted(set(columns))
        try:
            frame = pl.read_csv(
                text,
                has_header=False,
                separator=self.separator,
                columns=order,
                infer_schema=False,
                quote_char='"' if quoted else None,
                encoding="utf8-lossy",
                truncate_ragged_lines=True,
            )
        except pl.exceptions.PolarsError as error:
            raise InputError(
                self.path,
                f"cannot be parsed as a table below line {line}: {str(error).splitlines()[0]}",
                "Repair the lines.",
            ) from error
        frame.columns = [str(i) for i in order]
        if quoted or (self.separator != " " and b" " in text):
            frame = frame.with_columns(pl.all().str.strip_chars())
        return frame

    def _without_broken(
        self, text: bytes, bare: bytes, line: int, last: bool
    ) -> tuple[bytes, list[int]]:
        sep, n = self.separator.encode(), len(self.names)
        rows = text.split(b"\n")[:-1]
        found = [row.count(sep) + 1 for row in bare.split(b"\n")[:-1]]
        broken = [i for i, k in enumerate(found) if k != n]
        if last and broken and broken[-1] == len(rows) - 1 and found[-1] < n:
            raise InputError(
                self.path,
                f"line {line + len(rows)} (the last) has {found[-1]} columns, the header {n}: "
                "the file looks cut short",
                "Copy or download it again.",
            )
        if len(broken) > 0.01 * len(rows):
            raise InputError(
                self.path,
                f"line {line + 1 + broken[0]} has {found[broken[0]]} columns by "
                f"{_word(self.separator)}, the header has {n}",
                "Repair the lines, or name the separator= (--separator).",
            )
        kept = b"\n".join(row for row, k in zip(rows, found, strict=True) if k == n)
        return kept + b"\n", [line + 1 + i for i in broken]


class ParquetTable:
    """A Parquet file seen as a table of text columns, so that it is read by the same rules."""

    def __init__(self, path: Path) -> None:
        import hashlib

        self.path = path
        self.meta: list[str] = []
        self.broken: list[int] = []
        with path.open("rb") as f:
            self._sha256 = hashlib.file_digest(f, "sha256").hexdigest()
        try:
            self._lazy = pl.scan_parquet(path, glob=False)
            self.names = self._lazy.collect_schema().names()
            self._rows = int(self._lazy.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(
                path,
                f"is not a whole Parquet file ({str(error).splitlines()[0]})",
                "Make or fetch it again.",
            ) from error
        self.position = 0
        self.size = path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return self._sha256

    def _slice(self, columns: Sequence[int], start: int, length: int) -> pl.DataFrame:
        kinds = self._lazy.collect_schema()
        # text is tidied as in a text file, numbers are as they are
        chosen = [
            (
                _plain_text(pl.col(name))
                if kinds[name] == pl.String
                else pl.col(name).cast(pl.String)
            ).alias(str(i))
            for i, name in ((i, self.names[i]) for i in sorted(set(columns)))
        ]
        return self._lazy.slice(start, length).select(chosen).collect()

    def preview(self, columns: Sequence[int]) -> pl.DataFrame:
        """Return the first 10,000 rows as text columns named by their index."""
        return self._slice(columns, 0, 10_000)

    def chunks(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield all rows, 500,000 at a time, as text columns named by their index."""
        step = 500_000
        for start in range(0, self._rows, step):
            frame = self._slice(columns, start, step)
            self.position = int(self.size * min(1.0, (start + step) / self._rows))
            yield frame


def open_table(path: Path, separator: str | None = None) -> Table:
    """Open a delimited text file (plain or compressed) or a Parquet file as a `Table`."""
    if path.is_file():
        try:
            with path.open("rb") as f:
                parquet = f.read(4) == b"PAR1"
        except OSError:
            parquet = False  # TextTable says why it cannot be read
        if parquet:
            return ParquetTable(path)
    return TextTable(path, separator)


def _count(text: bytes, what: bytes) -> int:
    """How often a separator is there; of one byte in a fifth of the time of `bytes.count`."""
    if len(what) != 1:
        return text.count(what)
    every = np.frombuffer(text, np.uint8)
    return sum(
        int(np.count_nonzero(every[at : at + _FIRST] == what[0]))
        for at in range(0, len(every), _FIRST)
    )


def _fields(line: str, sep: str) -> list[str]:
    if '"' in line:
        # a separator inside quotes separates nothing
        line = re.sub(r'"[^"]*"', lambda m: m[0].replace(sep, "\0"), line)
    parts = line.split() if sep == " " else line.rstrip("\r\n").split(sep)
    return [part.replace("\0", sep).strip().strip('"').strip() for part in parts]


def _alike(header: str, line: str) -> bool:
    """Whether a line has as many fields as the line above it: by tabs or commas, where values may
    hold the other ("rs1,rs2"), else by any of them.
    """
    if any(len(_fields(header, sep)) == len(_fields(line, sep)) > 3 for sep in "\t,"):
        return True
    return len(_words(header)) == len(_words(line)) > 1


def _words(line: str) -> list[str]:
    return re.split(r"[\s,;]+", re.sub(r'"[^"]*"', "x", line).strip())


# minus and dashes that word processors put for the hyphen, and blanks that are none
_SIGNS = {
    "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-",
    "\ufe63": "-", "\uff0d": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2007": " ",
    "\ufeff": "",
}  # fmt: skip


def _plain_signs(text: bytes) -> bytes:
    """Hyphens for every kind of minus; 0x96 is the dash of Windows code page 1252."""
    for sign, plain in _SIGNS.items():
        if (raw := sign.encode()) in text:
            text = text.replace(raw, plain.encode())
    return re.sub(rb"(?<![\x80-\xff])\x96(?=[\d.])", b"-", text) if b"\x96" in text else text


def _plain_text(column: pl.Expr) -> pl.Expr:
    return column.str.replace_many(list(_SIGNS), list(_SIGNS.values())).str.strip_chars()


def _word(sep: str | None) -> str:
    return _WORDS.get(sep or "", repr(sep))
