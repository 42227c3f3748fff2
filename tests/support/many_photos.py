"""One member's photos in such number that the grid has two pages."""

from pathlib import Path

from demur.manifests import import_manifest
from tests.support.pictures import jpeg, textured_picture

MANY = 60


def import_many(directory: Path, owner: str) -> Path:
    """``many-0`` … ``many-59`` of one owner, all different, imported; returns the catalogue."""
    folder = directory / "photos"
    folder.mkdir()
    lines = ["path,uid,owner,caption"]
    for number in range(MANY):
        (folder / f"{number}.jpg").write_bytes(jpeg(textured_picture(6000 + number, 96, 72)))
        lines.append(f"{number}.jpg,many-{number},{owner},number {number}")
    (folder / "photos.csv").write_text("\n".join(lines))
    import_manifest(folder, directory / "many", name="many", workers=1)
    return directory / "many"
