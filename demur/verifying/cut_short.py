"""Whether JSON ends before its value does: a download that broke off, which says nothing against whoever signed it.

static/verify/cut-short.js says the same, and a test compares them.
"""

import re

from demur.digests import DEEPEST

_TEXT = re.compile(rb'"[^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)*("|\\?\Z)?')
_SCALAR, _BLANK = re.compile(rb"[-+.0-9A-Za-z]+"), re.compile(rb"[ \t\r\n]+")
_DAMAGED = re.compile(rb'[^"0{}\[\],:]|["0}\]]["0{\[]|[,:\[{][,:]|\{[0{\[]')
_CLOSES = {ord("}"): ord("{"), ord("]"): ord("[")}


def is_cut_short(data: bytes) -> bool:
    """Whether the bytes begin a list or an object that they do not end, and are sound as far as they go. Linear in their length."""
    frame = _frame(data)
    return _DAMAGED.search(frame) is None and _is_open(frame)


def _frame(data: bytes) -> bytes:
    """What is left of JSON when each text is a `"`, and each number or word a `0`; `!` is what no JSON holds."""
    return _SCALAR.sub(b"0", _BLANK.sub(b"", _TEXT.sub(lambda text: b'"' if text[1] is not None else b"!", data)))


def _is_open(frame: bytes) -> bool:
    """Whether lists and objects are left open at the end, and only there."""
    opened: list[int] = []
    for at, sign in enumerate(frame):
        if sign in b"{[":
            opened.append(sign)
        elif sign in b"}]" and (not opened or opened.pop() != _CLOSES[sign]):
            return False
        if len(opened) > DEEPEST or (not opened and at < len(frame) - 1):
            return False
    return bool(opened)
