"""Thumbnails of a picture, as a sandbox makes them: WebP on white, upright, in sRGB, without the camera's notes."""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from PIL import Image

from demur.similarity.sandbox import DecoderCrashed, Sandbox
from demur.similarity.showing import shown

SIDES = (320, 640, 1280)
"""Longer sides in pixels, ascending. A picture that is no longer than one of them has no larger thumbnail."""
SHRINKING = "demur.similarity.thumbnails:shrunk"
"""What a sandbox is made for that `thumbnails` asks."""

_QUALITY, _METHOD = 82, 3
_LENGTHS = struct.Struct(">3I")
_WEBP = struct.Struct("<4sI4s4sI3s3sHH")
"""RIFF, size, WEBP, "VP8 ", size, frame tag, start code, width, height (RFC 9649, 2.5; RFC 6386, 9.1)."""
_START_CODE = b"\x9d\x01\x2a"


def thumbnails(sandbox: Sandbox, data: bytes) -> Mapping[int, bytes]:
    """Side → WebP file, of the sides that the picture needs, made in the sandbox.

    Raises PictureError, SandboxBusy, SandboxCannotStart.
    """
    answer = sandbox.ask(data)
    files = list(_parts(answer))
    found = {side: file for side, file in zip(SIDES, files, strict=True) if file}
    if SIDES[0] not in found or not all(_is_webp(file, side) for side, file in found.items()):
        raise DecoderCrashed("This picture file cannot be read: its decoder answered nonsense.")
    return found


def _parts(answer: bytes) -> Iterator[bytes]:
    at = _LENGTHS.size
    for length in _LENGTHS.unpack(answer[:at].ljust(at, b"\0")):
        yield answer[at : at + length]
        at += length


def _is_webp(file: bytes, side: int) -> bool:
    """Whether the file says of itself that it is one lossy WebP frame of at most `side` pixels: browsers are told no other kind."""
    if len(file) < _WEBP.size:
        return False
    riff, size, webp, chunk, length, _, start, width, height = _WEBP.unpack_from(file)
    whole = size + 8 == len(file) and length <= size - 12
    return (riff, webp, chunk, start) == (b"RIFF", b"WEBP", b"VP8 ", _START_CODE) and whole and max(width & 0x3FFF, height & 0x3FFF) <= side


def shrunk(data: bytes) -> bytes:
    """What a process does: three lengths, and as many WebP files; of length 0 where the one before shows as much. Raises PictureError."""
    flat = shown(data, SIDES[-1])
    needed = 1 + sum(max(flat.size) > side for side in SIDES[:-1])
    files = [b""] * len(SIDES)
    for number in reversed(range(needed)):
        flat.thumbnail((SIDES[number], SIDES[number]), Image.Resampling.LANCZOS)
        files[number] = _encoded(flat)
    return _LENGTHS.pack(*map(len, files)) + b"".join(files)


def _encoded(flat: Image.Image) -> bytes:
    out = BytesIO()
    flat.save(out, "WEBP", quality=_QUALITY, method=_METHOD)
    return out.getvalue()
