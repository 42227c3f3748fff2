"""Hashes of one picture hang together, those of many do not."""

from dataclasses import replace

from demur.similarity.belonging import LINKED, MOST_GROUPS, alike, groups
from demur.similarity.orientations import ORIENTATIONS, moved
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes


def of(owner: str, number: int):
    return picture_of(photo_bytes(owner, number)).query.variants


def test_all_variants_of_a_picture_hang_together_in_few_groups():
    assert all(groups(of("ada", number)) <= MOST_GROUPS // 2 for number in range(4))


def test_hashes_of_unrelated_pictures_are_as_many_groups():
    first = of("ada", 0)
    strangers = [of(owner, number)[0] for owner in ("ada", "ben", "cleo") for number in range(6)]
    forged = [replace(stranger, edit=first[8 + place].edit) for place, stranger in enumerate(strangers)]
    assert groups(forged) >= len(strangers) - 3


def test_the_eight_orientations_follow_from_one_another():
    for number in range(4):
        upright = of("ben", number)[: len(ORIENTATIONS)]
        assert alike([(variant.phash, variant.pdq) for variant in upright])


def test_a_mirrored_copy_resembles_its_original_and_a_stranger_does_not():
    one, other = of("ada", 1), of("cleo", 2)
    assert alike([(one[0].phash, one[0].pdq), (one[5].phash, one[5].pdq)])
    assert not alike([(one[0].phash, one[0].pdq), (other[0].phash, other[0].pdq)])


def test_what_has_too_little_texture_to_match_counts_for_nothing():
    flat = [replace(variant, quality=10) for variant in of("ada", 0)]
    assert groups(flat) == 1


def test_four_quarter_turns_move_every_bit_back():
    places, inverted = moved(8, lowest=0)
    quarter, half = places[1], places[2]
    assert (quarter[quarter] == half).all()
    assert not inverted[0].any()
    assert LINKED < 192
