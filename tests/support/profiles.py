"""Small ICC profiles (version 2), since Pillow makes none but sRGB."""

import struct

D50 = (0.9642, 1.0, 0.8249)
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))

Colour = tuple[float, float, float]


def rgb_profile(primaries: tuple[Colour, Colour, Colour], gamma: float) -> bytes:
    """Of a display whose red, green and blue have these XYZ (adapted to D50)."""
    colours = {f"{name}XYZ": _xyz(primary) for name, primary in zip("rgb", primaries, strict=True)}
    return _profile("RGB ", "XYZ ", colours | {f"{name}TRC": _curve(gamma) for name in "rgb"})


def grey_profile(gamma: float) -> bytes:
    return _profile("GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def cmyk_profile() -> bytes:
    """Of a press whose colours mix as those of a table with two steps an ink: L falls with every ink, black takes most."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    lab = [max(0, 255 - 50 * c - 90 * m - 15 * y - 200 * k) for c, m, y, k in corners]
    table = b"".join(bytes((lightness, 128, 128)) for lightness in lab)
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    return _profile("CMYK", "Lab ", {"A2B0": b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + table + identity * 3}, b"prtr")


def _profile(space: str, connection: str, tags: dict[str, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {"wtpt": _xyz(D50), **tags}
    start = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        index += name.encode() + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, kind, space.encode(), connection.encode())
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    return header + bytes(68 - len(header)) + _xyz(D50)[8:] + bytes(48) + index + body


def _xyz(colour: Colour) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in colour))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
