import re
from pathlib import Path

from config import Config

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
CHECKING = ROOT / "docs" / "checking-in-the-browser.md"


def test_every_setting_is_documented_with_its_description_and_nothing_else_is():
    documented = dict(re.findall(r"^\| `DEMUR_(\w+)`.*\| (.+) \|$", OPERATIONS.read_text(), re.M))
    assert documented == {name.upper(): field.description for name, field in Config.model_fields.items()}


def test_every_module_that_checks_in_the_browser_is_documented():
    table = re.findall(r"^\| (`.+`) \|", CHECKING.read_text(), re.M)
    assert sorted(re.findall(r"`([\w-]+\.js)`", " ".join(table))) == sorted(file.name for file in (ROOT / "static" / "verify").iterdir())
