"""One rule for text that comes from outside: what a manifest, a form, an address or an event may hold.

PostgreSQL stores no NUL, UTF-8 spells no lone surrogate, and a text without a longest length is somebody else's memory. Text that breaks
the rule is refused where it comes in; nothing is cut or replaced, since a changed uid names another photo.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from demur.errors import DemurError

LONGEST_BYTES = {"uid": 1024, "owner": 1024, "url": 8192, "caption": 1 << 16, "path": 4096}
"""Bytes of UTF-8, by kind of text. A uid is part of a page's address: escaped, 1,024 bytes are 3,072, and web servers read about 4,000."""
LONGEST_OTHER = 1 << 16

Mask = npt.NDArray[np.bool_]


class BadText(DemurError, ValueError):
    """Text from outside that cannot be stored, compared or shown as it is. The message ends a sentence that begins with its name."""


def text_fault(text: str, kind: str = "") -> str:
    """What is wrong with a text, as the end of a sentence ("holds a NUL character"); "" where nothing is.

    `kind`: which bound of LONGEST_BYTES applies; LONGEST_OTHER for any other.
    """
    try:
        spelled = text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    if b"\0" in spelled:
        return "holds a NUL character"
    longest = LONGEST_BYTES.get(kind, LONGEST_OTHER)
    return f"is longer than {longest:,} bytes" if len(spelled) > longest else ""


def checked_text(text: str | bytes, kind: str = "") -> str:
    """The text, if it keeps the rule; bytes are read as UTF-8. Raises BadText."""
    try:
        plain = text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as error:
        raise BadText("is not UTF-8 text") from error
    if fault := text_fault(plain, kind):
        raise BadText(fault)
    return plain


def faulty_texts(texts: pa.StringArray, kind: str = "") -> Mask | None:
    """Which values of a column of valid UTF-8 break the rule; None where none does, which costs one look at the bytes."""
    lengths = pc.binary_length(texts)
    longest = LONGEST_BYTES.get(kind, LONGEST_OTHER)
    most = pc.max(lengths).as_py() or 0
    if most <= longest and not _has_nul(texts):
        return None
    nul = pc.fill_null(pc.match_substring_regex(texts, "\\x00"), False)
    bad: Mask = pc.or_(nul, pc.fill_null(pc.greater(lengths, longest), False)).to_numpy(zero_copy_only=False)
    return bad if bad.any() else None


def _has_nul(texts: pa.StringArray) -> bool:
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return False
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return not np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]].all()
