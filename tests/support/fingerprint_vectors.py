"""Test vectors of the fingerprint, for implementations in any language (docs/formats/fingerprint.md, section 5).

    python -m tests.support.fingerprint_vectors

writes tests/vectors/fingerprints.json anew. Its files are kept as they are once made: encoders of another version would write other bytes.
"""

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from demur.similarity.fingerprint import FINGERPRINT_VERSION, Fingerprint, Orientations, decode, fingerprint, orientations
from tests.support.pictures import textured_picture
from tests.support.profiles import DISPLAY_P3, rgb_profile

VECTORS = Path(__file__).parents[1] / "vectors" / "fingerprints.json"
PLANES = ((64, 64, 1), (320, 240, 2), (257, 511, 3), (300, 900, 5), (900, 300, 7), (40, 30, 11), (5, 200, 13), (4, 9, 17), (1, 1, 19))
"""(width, height, seed)"""


def plane(width: int, height: int, seed: int) -> Image.Image:
    """A luma plane by the formula of the documentation."""
    y, x = np.mgrid[0:height, 0:width]
    waves = _wave(3 * x + seed * y, 97) + _wave(seed * x - 5 * y, 61) + _wave(x * y, 43)
    return Image.fromarray((255 * waves // 201).astype(np.uint8))


def _wave(n: npt.NDArray[np.int64], period: int) -> npt.NDArray[np.int64]:
    return np.abs(n % (2 * period) - period)


def files() -> dict[str, bytes]:
    small, large = textured_picture(1, 60, 44), textured_picture(2, 640, 520)
    sideways = Image.Exif()
    sideways[0x0112] = 6
    clear = small.convert("RGBA")
    clear.putalpha(plane(60, 44, 3))
    return {
        "png": _encoded(small, "PNG"),
        "png, transparent": _encoded(clear, "PNG"),
        "png, palette, one colour transparent": _encoded(small.quantize(16), "PNG", transparency=3),
        "png, grey, 16 bits": _encoded(Image.fromarray(np.asarray(plane(60, 44, 2)).astype(np.uint16) * 199), "PNG"),
        "png, black and white": _encoded(small.convert("1"), "PNG"),
        "gif": _encoded(small, "GIF"),
        "tiff, turned by EXIF": _encoded(small, "TIFF", exif=sideways, compression="tiff_lzw"),
        "webp, lossless": _encoded(small, "WEBP", lossless=True),
        "jpeg, small": _encoded(small, "JPEG"),
        "jpeg, decoded at 1/2": _encoded(large, "JPEG", quality=30),
        "jpeg, turned by EXIF": _encoded(large, "JPEG", quality=30, exif=sideways),
        "jpeg, Display P3": _encoded(large, "JPEG", quality=30, icc_profile=rgb_profile(DISPLAY_P3, 2.2)),
        "jpeg, CMYK": _encoded(small.convert("CMYK"), "JPEG"),
    }


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def described_plane(width: int, height: int, seed: int) -> dict[str, object]:
    luma = plane(width, height, seed)
    return {"width": width, "height": height, "seed": seed, "luma_sha256": digest(luma)} | hashes(orientations(luma))


def described_file(name: str, data: bytes) -> dict[str, object]:
    luma, _ = decode(data)
    found: Fingerprint = fingerprint(data)
    of_all = Orientations(found.dihedral_phash, found.dihedral_pdq, found.pdq_quality)
    described = {
        "name": name,
        "data": base64.b64encode(data).decode(),
        "sha256": found.sha256,
        "width": found.width,
        "height": found.height,
    }
    return described | {"luma_size": list(luma.size), "luma_sha256": digest(luma)} | hashes(of_all)


def hashes(found: Orientations) -> dict[str, object]:
    return {"phash": [f"{each:016x}" for each in found.phashes], "pdq": [each.hex() for each in found.pdqs], "quality": found.quality}


def digest(luma: Image.Image) -> str:
    return hashlib.sha256(luma.tobytes()).hexdigest()


def main() -> None:
    kept = {each["name"]: base64.b64decode(each["data"]) for each in json.loads(VECTORS.read_text())["files"]} if VECTORS.exists() else {}
    vectors = {
        "version": FINGERPRINT_VERSION,
        "planes": [described_plane(*each) for each in PLANES],
        "files": [described_file(name, kept.get(name, data)) for name, data in files().items()],
    }
    VECTORS.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
