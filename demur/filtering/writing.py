"""The filtered copy of a manifest's file."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast


@contextmanager
def opened_like(source: Path, target: Path) -> Iterator[IO[bytes]]:
    """`target`, opened for writing: compressed where `source` is, and the same bytes give the same file at any time."""
    with target.open("wb") as file:
        if source.suffix.lower() == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file
