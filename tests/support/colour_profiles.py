"""ICC profiles of displays, written here: a matrix of three primaries and one gamma (ICC.1:2001, the profile of a display)."""

import struct

_D50 = (0.9642, 1.0, 0.8249)


def display_profile(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], gamma: float) -> bytes:
    """The primaries are (X, Y, Z) under D50."""
    curve = b"curv" + struct.pack(">4xIHxx", 1, round(gamma * 256))
    name = b"a display\0"
    described = b"desc" + struct.pack(">4xI", len(name)) + name + bytes(80 - len(name) % 4)
    colours = {b"wtpt": _D50, b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue}
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0CC0\0"} | {name: _xyz(*colour) for name, colour in colours.items()}
    return _profile(tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (header + bytes(28) + _fixed(*_D50)).ljust(128, b"\0") + table + body


def _xyz(*colour: float) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*colour)


def _fixed(*numbers: float) -> bytes:
    """s15Fixed16."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


DISPLAY_P3 = display_profile((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), 2.2)
ADOBE_RGB = display_profile((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.19921875)
