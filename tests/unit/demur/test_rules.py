import pytest

from demur.similarity.rules import MatchKind, classify


@pytest.mark.parametrize(
    ("phash_distance", "pdq_distance", "quality", "other", "kind"),
    [
        (0, 0, 100, 100, MatchKind.CONFIRMED),
        (10, 40, 50, 50, MatchKind.CONFIRMED),
        (30, 40, 50, 50, MatchKind.CONFIRMED),
        (10, 41, 50, 50, MatchKind.PROPOSED),
        (10, 80, 50, 50, MatchKind.PROPOSED),
        (11, 41, 50, 50, None),
        (10, 81, 50, 50, None),
        (0, 0, 49, 100, None),
        (0, 0, 100, 49, None),
    ],
)
def test_the_rules_at_their_bounds(phash_distance: int, pdq_distance: int, quality: int, other: int, kind: MatchKind | None) -> None:
    assert (
        classify(same_bytes=False, phash_distance=phash_distance, pdq_distance=pdq_distance, quality=quality, other_quality=other) is kind
    )


def test_the_same_bytes_match_whatever_their_quality() -> None:
    assert classify(same_bytes=True, phash_distance=64, pdq_distance=256, quality=0, other_quality=0) is MatchKind.EXACT
