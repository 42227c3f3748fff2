"""One rule for text from outside, value by value and column by column."""

import pyarrow as pa
import pytest

from demur.text_rules import LONGEST_BYTES, BadText, checked_text, faulty_texts, text_fault


@pytest.mark.parametrize("text", ["", "photo-1", "ü 🙂 \u202e", "line\nfeed", "u" * 1024, "é" * 512])
def test_text_that_can_be_stored_passes_unchanged(text: str) -> None:
    assert checked_text(text, "uid") == text
    assert checked_text(text.encode(), "uid") == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("half \ud83d", "holds half a character (a lone surrogate)"),
        ("\udcff", "holds half a character (a lone surrogate)"),
        ("a\0b", "holds a NUL character"),
        ("é" * 513, "is longer than 1,024 bytes"),
        (b"\xff", "is not UTF-8 text"),
        (b"\xed\xa0\xbd", "is not UTF-8 text"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_by_name(text: str | bytes, fault: str) -> None:
    with pytest.raises(BadText) as caught:
        checked_text(text, "uid")
    assert str(caught.value) == fault


def test_each_kind_of_text_has_its_own_bound() -> None:
    for kind, longest in LONGEST_BYTES.items():
        assert text_fault("x" * longest, kind) == ""
        assert text_fault("x" * (longest + 1), kind) == f"is longer than {longest:,} bytes"
    assert text_fault("x" * 65_537) == "is longer than 65,536 bytes"


def test_a_column_is_looked_at_as_a_whole_and_from_any_offset() -> None:
    texts = pa.array(["a\0b", None, "ok", "x" * 1025, "", "y\0"])
    found = faulty_texts(texts, "uid")
    assert found is not None
    assert found.tolist() == [True, False, False, True, False, True]
    assert faulty_texts(texts.slice(1, 2), "uid") is None
    assert faulty_texts(pa.array([], pa.string()), "uid") is None
    assert faulty_texts(pa.array([None, None], pa.string()), "uid") is None
