import re
from pathlib import Path

from config import Config

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_setting_is_documented_with_its_description_and_nothing_else_is():
    documented = dict(re.findall(r"^\| `DEMUR_(\w+)`.*\| (.+) \|$", OPERATIONS.read_text(), re.M))
    assert documented == {name.upper(): field.description for name, field in Config.model_fields.items()}
