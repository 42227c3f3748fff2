import pytest
import torch

from rhea.text import CaptionTable, TextEncoder, normalised


@pytest.fixture(scope="module")
def text() -> TextEncoder:
    return TextEncoder(tokens=8)


def test_token_states_of_a_caption(text: TextEncoder) -> None:
    states, mask = text.encode(["a red apple", "a red bird sitting on the branch of a very old tree"])
    assert states.shape == (2, 8, 384)
    assert mask.tolist() == [[True] * 5 + [False] * 3, [True] * 8]
    assert not states[0, 5:].any()


def test_like_captions_lie_closer(text: TextEncoder) -> None:
    states, mask = text.encode(["a horse", "a pony", "a bank statement"])
    vectors = torch.nn.functional.normalize((states * mask[:, :, None]).sum(1), dim=1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_spelling_does_not_matter(text: TextEncoder) -> None:
    assert normalised("  A red \n apple. ") == "A red apple"
    first, second = text.encode(["A  red apple.", "a red apple"])[0]
    assert torch.equal(first, second)


def test_a_caption_table_gives_each_sample_its_caption(text: TextEncoder) -> None:
    captions = ["A horse.", "a guitar", "A horse", ""]
    seen: list[tuple[int, int]] = []
    table = CaptionTable(captions, text, torch.device("cpu"), lambda done, of: seen.append((done, of)))
    states, mask = table.of(torch.tensor([2, 1, 3, 1]), torch.tensor([False, False, False, True]))
    expected, expected_mask = text.encode(["A horse", "a guitar", "", ""])
    torch.testing.assert_close(states, expected)
    assert torch.equal(mask, expected_mask)
    assert seen[-1] == (3, 3)
