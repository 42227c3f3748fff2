"""Debian's package, unpacked without root: pictures and captions are kept, twins, sounds and symbols are not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from demo.pictures import PACKAGE, stamps, unpack
from tests.support.pictures import png, textured_picture

STAMPS = "usr/share/tuxpaint/stamps"
FILES = {
    f"{STAMPS}/animals/birds/rhea.png": png(textured_picture(seed=1, width=32, height=24)),
    f"{STAMPS}/animals/birds/rhea.txt": b"A rhea.\nde.utf8=Ein Nandu.\n",
    f"{STAMPS}/animals/birds/rhea_mirror.png": b"its twin",
    f"{STAMPS}/animals/birds/rhea.ogg": b"its call",
    f"{STAMPS}/animals/birds/nameless.png": b"a picture without a caption",
    f"{STAMPS}/symbols/a.png": b"a letter",
    f"{STAMPS}/symbols/a.txt": b"The letter A.\n",
    f"usr/share/doc/{PACKAGE}/copyright": b"GPL-2\n",
}
CONTROL = f"Package: {PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@photos.example>\nDescription: stamps\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    if not shutil.which("dpkg-deb"):
        pytest.skip("needs Debian's dpkg-deb")
    root = tmp_path / "root"
    for name, content in {**FILES, "DEBIAN/control": CONTROL.encode()}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, tmp_path / "package.deb"], check=True, capture_output=True)
    return tmp_path / "package.deb"


def test_pictures_with_english_captions_are_shown(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    unpack(package, cache / PACKAGE)
    assert [(picture.name, picture.caption) for picture in stamps(cache)] == [("animals/birds/rhea.png", "A rhea.")]
    kept = {str(path.relative_to(cache / PACKAGE)) for path in (cache / PACKAGE).rglob("*") if path.is_file()}
    assert "copyright" in kept
    assert not any(name.endswith((".ogg", "_mirror.png")) for name in kept)
