"""`segment.json`: what a segment's files must be. It is written last, so a directory without it is no segment yet."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demur.files import atomic_write
from demur.similarity.tables.errors import NotAnIndex, TornIndex
from demur.similarity.tables.layout import TABLES, Layout

HEADER = "segment.json"
FORMAT, VERSION = "demur-segment", 1
HASHES, ROWS, STARTS = "hashes", "rows", "starts"
BLOCK = 1 << 26


@dataclass(frozen=True)
class Header:
    """`sha256` names each file's digest: the SHA-256 (hex) of the SHA-256 digests of its blocks of 64 MiB, one after the other."""

    rows: int
    layout: Layout
    sha256: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file."""
        return {HASHES: TABLES * 8 * self.rows, ROWS: 4 * self.rows, STARTS: 4 * self.layout.firsts[-1]}

    def write(self, directory: Path) -> None:
        """Makes the directory a segment; durable once it returns. Raises OSError."""
        content = {"format": FORMAT, "version": VERSION, "rows": self.rows, **asdict(self.layout), "sha256": self.sha256}
        atomic_write(directory / HEADER, json.dumps({**content, "checksum": _checksum(content)}, indent=1).encode())

    @classmethod
    def read(cls, directory: Path) -> "Header":
        """The header, with the sizes of all files checked. Raises NotAnIndex, TornIndex, OSError."""
        content = _parsed(directory)
        checksum = content.pop("checksum", None)
        if checksum != _checksum(content):
            raise TornIndex(f"{directory / HEADER} has been altered or damaged: its checksum does not hold. Build the index again.")
        layout = Layout(tuple(content["permutation"]), tuple(content["widths"]))
        header = cls(content["rows"], layout, content["sha256"])
        header._check_sizes(directory)
        return header

    def _check_sizes(self, directory: Path) -> None:
        for name, size in self.sizes.items():
            path = directory / name
            actual = path.stat().st_size if path.is_file() else None
            if actual != size:
                found = "is missing" if actual is None else f"has {actual:,} bytes"
                raise TornIndex(f"{path} {found}; {size:,} bytes belong there. Build the index again.")

    def verify(self, directory: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Reads every file and compares its digest; `progress` is told how many of how many bytes. Raises TornIndex, OSError."""
        done, total = 0, sum(self.sizes.values())

        def tell(read: int) -> None:
            nonlocal done
            done += read
            if progress:
                progress(done, total)

        for name, expected in self.sha256.items():
            if file_digest(directory / name, tell) != expected:
                raise TornIndex(f"{directory / name} has been altered or damaged: its digest does not hold. Build the index again.")


def _parsed(directory: Path) -> dict[str, Any]:
    path = directory / HEADER
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnIndex(f"{directory} is no index: it has no {HEADER}. If it was being built, build it again; that goes on.") from None
    except ValueError:
        raise TornIndex(f"{path} is damaged: it is not JSON. Build the index again.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NotAnIndex(f"{path} does not say that it is a {FORMAT}")
    if content.get("version") != VERSION:
        raise NotAnIndex(f"{directory} has version {content.get('version')} of the format; this program reads version {VERSION}")
    return content


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_digest(path: Path, tell: Callable[[int], None] = lambda read: None) -> str:
    """See `Header.sha256`. Reads the file with as many threads as pay; `tell` is told of the bytes of each block. Raises OSError."""
    size = path.stat().st_size
    starts = range(0, size, BLOCK)
    digests = []
    with ThreadPoolExecutor(2) as pool:
        for start, digest in zip(starts, pool.map(lambda start: block_digest(path, start), starts), strict=True):
            digests.append(digest)
            tell(min(BLOCK, size - start))
    return digest_of_blocks(digests)


def block_digest(path: Path, start: int) -> bytes:
    """The SHA-256 of one block, read in pieces that stay in the processor's cache. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        for _ in range(0, BLOCK, 1 << 20):
            digest.update(file.read(1 << 20))
    return digest.digest()


def digest_of_blocks(digests: Any) -> str:
    """The digest of a file whose blocks have these digests."""
    return hashlib.sha256(b"".join(digests)).hexdigest()
