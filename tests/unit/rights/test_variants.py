"""Variants come back as they were kept, whatever edits there are; what is not ours is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.similarity.query import Variant
from rights.variants import UnknownLayout, pack, unpack

EDITS = st.sampled_from(["", "crop-top-10", "frame", "trimmed"])
VARIANTS = st.builds(Variant, EDITS, st.integers(0, 7), st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 100))


@given(st.lists(VARIANTS))
def test_what_is_kept_comes_back(variants: list[Variant]):
    assert unpack(pack(variants)) == tuple(variants)


@given(st.lists(VARIANTS, min_size=1), st.data())
def test_a_value_cut_short_is_refused(variants: list[Variant], data: st.DataObject):
    packed = pack(variants)
    end = data.draw(st.integers(0, len(packed) - 1).filter(lambda end: (len(packed) - end) % 43))
    with pytest.raises(UnknownLayout):
        unpack(packed[:end])


def test_another_layout_is_refused():
    with pytest.raises(UnknownLayout):
        unpack(b"\x02" + pack([Variant("", 0, 1, bytes(32), 90)])[1:])


def test_the_layout_is_the_one_that_databases_hold():
    variants = [Variant("", 0, 0x0123456789ABCDEF, bytes(range(32)), 90), Variant("frame", 7, 1, bytes(32), 100)]
    first = bytes([0, 0, 90]) + bytes.fromhex("0123456789abcdef") + bytes(range(32))
    second = bytes([1, 7, 100]) + bytes([0, 0, 0, 0, 0, 0, 0, 1]) + bytes(32)
    assert pack(variants) == b"\x01\x02" + b"\x00" + b"\x05frame" + first + second
