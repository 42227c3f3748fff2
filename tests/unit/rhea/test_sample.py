import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from rhea.sample import Model, NoModel, choose_prompts, contact_sheet, draw_prompt


def test_pictures_of_a_prompt_and_their_sheet(finished_run: Path, tmp_path: Path) -> None:
    paths = draw_prompt(finished_run, "patches", tmp_path / "drawn", seed=3, count=2, guidance=None)
    assert [path.name for path in paths] == ["1.png", "2.png", "sheet.png"]
    first, second = (Image.open(path).convert("RGB") for path in paths[:2])
    assert first.size == (256, 256)
    assert first.tobytes() != second.tobytes()
    said = json.loads((tmp_path / "drawn/samples.json").read_text())
    assert said[0] == {"file": "1.png", "prompt": "patches", "seed": 3, "guidance": 3.0}


def test_the_same_seed_draws_the_same_picture(finished_run: Path) -> None:
    model = Model.load(finished_run)
    once, again, other = model.draw(["patches"], 1), model.draw(["patches"], 1), model.draw(["patches"], 2)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_the_samples_of_a_run_say_what_they_show(finished_run: Path) -> None:
    said = json.loads((finished_run / "samples/samples.json").read_text())
    assert len(said) == 4
    assert all((finished_run / "samples" / entry["file"]).is_file() for entry in said)


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_damaged_run_is_refused(finished_run: Path, tmp_path: Path, damage: str) -> None:
    for file in ("config.json", "autoencoder.safetensors", "denoiser.safetensors"):
        (tmp_path / file).write_bytes((finished_run / file).read_bytes())
    if damage == "missing":
        (tmp_path / "config.json").unlink()
    else:
        (tmp_path / "denoiser.safetensors").write_bytes((finished_run / "denoiser.safetensors").read_bytes()[:5000])
    with pytest.raises(NoModel):
        Model.load(tmp_path)


def test_prompts_are_those_that_the_captions_teach() -> None:
    captions = ["A red apple.", "An old guitar", "A wren", "A wren.", "A swift"]
    assert choose_prompts(captions, ("a red apple", "a horse", "a guitar"), count=2) == ["a red apple", "a wren"]
    assert choose_prompts([], ("a horse", "a guitar"), count=2) == ["a horse", "a guitar"]


def test_a_sheet_has_as_many_rows_as_it_needs() -> None:
    tiles = [Image.new("RGB", (10, 10))] * 3
    assert contact_sheet(tiles).size == (44, 44)
