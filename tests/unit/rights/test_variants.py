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


def test_a_photo_with_forty_edits_in_eight_orientations_takes_under_sixteen_kilobytes():
    variants = [Variant(f"edit-{edit}", dihedral, 1, bytes(32), 90) for edit in range(40) for dihedral in range(8)]
    assert len(pack(variants)) < 16_000
