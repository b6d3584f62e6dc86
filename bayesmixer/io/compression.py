"""Byte streams out of plain, gzip (bgzip), zstd, bzip2 and xz files, hashed as they lie on disk
while they are read.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from pathlib import Path
from typing import Any

from bayesmixer.errors import InputError

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError, ValueError)


class _Hashing(io.RawIOBase):
    """A raw file that keeps the SHA-256 and the number of the bytes read so far."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb", buffering=0)
        self.sha256 = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self._raw.readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:n])
        self.count += n
        return n

    def close(self) -> None:
        self._raw.close()
        super().close()


class ByteStream:
    """The decompressed bytes of a file; `sha256` and `size` are those of the file on disk.

    Parameters
    ----------
    path
        The file; its compression is told from its first bytes, not from its name.

    Raises
    ------
    InputError
        No such file, a directory, unreadable, empty, or (while reading) damaged or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise InputError(
                path,
                "is a directory, expected a file of summary statistics",
                "Name the file itself.",
            )
        if not path.exists():
            raise InputError(path, "no such file", "Check the name and the folder.")
        try:
            with path.open("rb") as f:
                magic = f.read(8)
            self.size = path.stat().st_size
        except OSError as error:
            raise InputError(
                path, f"cannot be read ({error.strerror})", "Check its permissions."
            ) from error
        if not magic:
            raise InputError(path, "the file is empty", "Download or make it again.")
        self.compression = next(
            (name for start, name in _MAGIC.items() if magic.startswith(start)), "none"
        )
        self._hashing = _Hashing(path)
        self._stream = self._decompress(io.BufferedReader(self._hashing, 1 << 20))
        self.bytes_out = 0

    def _decompress(self, raw: Any) -> Any:
        match self.compression:
            case "gzip":
                return gzip.GzipFile(fileobj=raw, mode="rb")
            case "zstd":
                import pyarrow as pa  # type: ignore[import-untyped]

                return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
            case "bzip2":
                return bz2.BZ2File(raw)
            case "xz":
                return lzma.LZMAFile(raw)
        return raw

    @property
    def position(self) -> int:
        """Bytes of the file on disk read so far."""
        return self._hashing.count

    def read(self, size: int) -> bytes:
        """Return the next `size` decompressed bytes, fewer only at the end."""
        parts, wanted = [], size
        try:
            while wanted and (part := self._stream.read(wanted)):
                parts.append(part)
                wanted -= len(part)
        except _DAMAGE as error:
            done = self.bytes_out + sum(map(len, parts))
            raise InputError(
                self.path,
                f"the {self.compression} data are damaged or cut short after {done:,} bytes of "
                f"text ({str(error).rstrip('.')})",
                "Copy or download the file again.",
            ) from error
        self.bytes_out += size - wanted
        return b"".join(parts)

    def digest(self) -> str:
        """SHA-256 of the whole file as it lies on disk (reads what is left of it)."""
        while self._hashing.read(1 << 20):
            pass
        return self._hashing.sha256.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._hashing.close()


def lines_of(path: Path, errors: str = "replace") -> list[str]:
    """Lines of a text, packed or not; `errors` as of `bytes.decode`.

    Raises
    ------
    InputError
        As `ByteStream`.
    """
    stream, parts = ByteStream(path), []
    try:
        while part := stream.read(1 << 20):
            parts.append(part)
    finally:
        stream.close()
    return b"".join(parts).decode("utf-8", errors).splitlines()
