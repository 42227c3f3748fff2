"""Pictures as a lookup sees them."""

from demur.similarity.fingerprint import fingerprint
from rights.hashes import asked
from rights.optouts import Picture


def picture_of(data: bytes) -> Picture:
    read = fingerprint(data)
    return Picture(asked(read), read.width, read.height)
