"""What browsers pass over in a picture file and Pillow stumbles on: it is taken out, so that the fingerprint is of what is shown.

Nothing here changes a pixel of a file that is as it should be: such a file is given back as it is.
"""

import re
import struct
import zlib
from collections.abc import Iterator

MOST_PROFILE_BYTES = 4 << 20
"""Of a colour profile, expanded. A longer one is passed over, as one that cannot be read."""

_PILLOW_EXPANDS = 1 << 20
"""Of one chunk; beyond that it takes the whole file for damaged."""
_BEFORE_JPEG = re.compile(rb"(?:\xef\xbb\xbf|[\xff\n\r\t \0]){1,16}(?=\xff\xd8\xff)")
_END_OF_JPEG = b"\xff\xd9"
_OTHER_PIXELS = bytes(range(16, 240))
_PNG_HEAD = 8
_SHOWN = frozenset({b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"bKGD"})
"""The ancillary chunks of a PNG that have a say in what is shown (PNG, third edition, 11.3)."""


def without_lead(data: bytes) -> bytes:
    """A JPEG without the line ends, fill bytes or byte order mark that a careless copy put before it."""
    lead = _BEFORE_JPEG.match(data)
    return data[lead.end() :] if lead else data


def ended(jpeg: bytes) -> tuple[bytes, bytes] | None:
    """The JPEG with the end that it lacks, and again with bytes before it that mean other pixels; None where it has an end.

    If both show the same, no pixel is missing: the file lost its last two bytes, and nothing else.
    """
    if jpeg.endswith(_END_OF_JPEG):
        return None
    scan = jpeg.removesuffix(_END_OF_JPEG[:1])
    return scan + _END_OF_JPEG, scan + _OTHER_PIXELS + _END_OF_JPEG


def tidied_png(data: bytes) -> tuple[bytes, bytes | None]:
    """A PNG without the chunks that have no say in what is shown, or whose checksum is wrong; and its colour profile if that is longer
    than Pillow takes."""
    kept, profile, whole = [data[:_PNG_HEAD]], None, True
    for kind, chunk in _chunks(data):
        if not _is_kept(kind, chunk):
            whole = False
        elif kind == b"iCCP" and (long := _long_profile(chunk)) is not None:
            whole, profile = False, long or None
        else:
            kept.append(chunk)
    return (data, None) if whole else (b"".join(kept), profile)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, the chunk as it stands with length and checksum). The last may be cut short."""
    at = _PNG_HEAD
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at : at + 12 + length]
        at += 12 + length


def _is_kept(kind: bytes, chunk: bytes) -> bool:
    """Chunks whose name begins with a capital are critical: their damage is for the decoder to judge."""
    if not kind[:1].islower():
        return True
    return kind in _SHOWN and struct.pack(">I", zlib.crc32(chunk[4:-4])) == chunk[-4:]


def _long_profile(chunk: bytes) -> bytes | None:
    """The profile in an iCCP chunk that Pillow takes for damage; empty where it is longer than we take, None where it is neither."""
    _, _, packed = chunk[8:-4].partition(b"\0")
    expander = zlib.decompressobj()
    try:
        expanded = expander.decompress(packed[1:], MOST_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    if len(expanded) < _PILLOW_EXPANDS:
        return None
    return expanded if len(expanded) <= MOST_PROFILE_BYTES else b""
