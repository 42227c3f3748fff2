"""A browser takes the same fingerprint of a file as the server: to the bit where both have the same pixels, near it where they cannot."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, Request, Route

from demo.pictures import NoPictures, stamps
from demur.similarity.edits import EDITS, TRIMMED, variants
from demur.similarity.fingerprint import ORIENTATIONS
from tests.support.colour_profiles import ADOBE_RGB, DISPLAY_P3
from tests.support.databases import SqliteDatabases
from tests.support.devices import Device, NotFingerprinted, bits, distances, on_the_server, text
from tests.support.fingerprint_vectors import VECTORS
from tests.support.odd_pictures import ODD
from tests.support.pictures import jpeg, png, textured_picture
from tests.support.portals import free_port, portal_for_tests, serving

pytestmark = pytest.mark.browser

PHASH_BOUND, PDQ_BOUND = 4, 10
"""What docs/on-device-hashing.md promises of photos whose pixels a browser decodes a little differently."""
CACHE = Path("demo-data")
EXIF_ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def device(
    browser: Browser, sqlite_databases: SqliteDatabases, member_catalogues: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """A page of a portal, under the portal's own content policy."""
    port, data_dir = free_port(), tmp_path_factory.mktemp("device")
    base_url = f"http://127.0.0.1:{port}"
    with (
        sqlite_databases.fresh() as url,
        portal_for_tests(data_dir, url, member_catalogues, base_url=base_url, provider=False) as portal,
        serving(portal.app, port),
        browser.new_page(base_url=base_url) as page,
    ):
        page.goto("/")
        yield Device(page)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """Real ones, on white: of the demonstration's pictures, as large as photos that people post."""
    try:
        paths = [stamp.path for stamp in stamps(CACHE)]
    except NoPictures as error:
        pytest.skip(str(error))
    large = [stamp for stamp in map(on_white, paths[::8]) if min(stamp.size) >= 300]
    return [stamp.resize((1000, 750)) for stamp in large[::2]]


def on_white(path: Path) -> Image.Image:
    with Image.open(path) as stamp:
        picture = stamp.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def see_through(picture: Image.Image) -> Image.Image:
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def sixteen_bits(picture: Image.Image) -> Image.Image:
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 256
    return Image.fromarray(deep + np.arange(picture.width, dtype=np.uint16) % 256)


def turned_by_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return exif


def captioned(luma: Image.Image) -> Image.Image:
    bar = ImageOps.expand(luma, (0, 0, 0, 60), fill=240)
    ImageDraw.Draw(bar).text((20, luma.height + 20), "what a day", fill=10)
    return bar


def luma(width: int, height: int) -> Image.Image:
    return textured_picture(seed=5, width=width, height=height).convert("L")


PLANES: dict[str, Callable[[], Image.Image]] = {
    "a photo": lambda: luma(480, 320),
    "a tall one": lambda: luma(256, 1100),
    "a wide one": lambda: luma(1400, 256),
    "in a frame": lambda: ImageOps.expand(luma(400, 300), (20, 30, 25, 10), fill=12),
    "with a caption": lambda: captioned(luma(400, 300)),
    "white": lambda: Image.new("L", (300, 260), 255),
    "a gradient": lambda: Image.linear_gradient("L"),
    "symmetric": lambda: Image.radial_gradient("L"),
    "as small as a thumbnail": lambda: luma(32, 32),
    "as small as the samples": lambda: luma(64, 64),
    "too small for PDQ": lambda: luma(200, 4),
    "one pixel": lambda: Image.new("L", (1, 1), 90),
}


@pytest.mark.parametrize("plane", PLANES.values(), ids=PLANES)
def test_the_same_luma_has_the_same_variants(device: Device, plane: Callable[[], Image.Image]):
    assert device.variants(plane()) == variants(plane())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 2**32), st.sampled_from([2, 16, 256]))
def test_any_luma_has_the_same_variants(device: Device, width: int, height: int, seed: int, shades: int):
    noise = np.random.default_rng(seed).integers(0, shades, (height, width)) * (255 // (shades - 1))
    plane = Image.fromarray(noise.astype(np.uint8))
    assert device.variants(plane) == variants(plane)


def test_a_photo_is_hashed_under_every_edit(device: Device):
    assert {variant.edit for variant in device.variants(PLANES["a photo"]())} == {"", *(edit.name for edit in EDITS)}


def test_frames_are_trimmed_alike(device: Device):
    framed = device.variants(PLANES["in a frame"]())
    assert [variant.dihedral for variant in framed if variant.edit == TRIMMED] == list(range(len(ORIENTATIONS)))


EXACT: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": png,
    "grey PNG": lambda photo: png(photo.convert("L")),
    "PNG with a palette": lambda photo: png(photo.quantize(64)),
    "PNG with a palette and transparency": lambda photo: saved(photo.quantize(64), "PNG", transparency=bytes(range(0, 256, 4))),
    "PNG of one bit": lambda photo: png(photo.convert("1")),
    "grey PNG of 16 bits": lambda photo: png(sixteen_bits(photo)),
    "transparent PNG": lambda photo: png(see_through(photo)),
    "small transparent PNG": lambda photo: png(see_through(photo.resize((200, 301)))),
    "transparent grey PNG": lambda photo: png(see_through(photo).convert("LA")),
    "lossless WebP": lambda photo: saved(photo, "WEBP", lossless=True),
    "transparent lossless WebP": lambda photo: saved(see_through(photo), "WEBP", lossless=True),
    "GIF": lambda photo: saved(photo, "GIF"),
    "animated GIF": lambda photo: saved(photo, "GIF", save_all=True, append_images=[textured_picture(seed=6, width=800, height=600)]),
    "tiny PNG": lambda photo: png(photo.resize((20, 20))),
    "very tall PNG": lambda photo: png(photo.resize((90, 4001))),
}


@pytest.mark.parametrize("made", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("size", [(800, 600), (1301, 1987)], ids=["small", "large"])
def test_files_without_loss_have_the_same_fingerprint(device: Device, made: Callable[[Image.Image], bytes], size: tuple[int, int]):
    data = made(textured_picture(seed=5, width=size[0], height=size[1]))
    assert device.fingerprint(data) == on_the_server(data)


@pytest.mark.parametrize("name", ODD)
def test_what_browsers_show_has_the_fingerprint_of_the_whole_picture(device: Device, name: str):
    odd, whole = ODD[name]
    assert device.fingerprint(odd).query.variants == device.fingerprint(whole).query.variants


@pytest.mark.parametrize("cut", [50, 1000])
def test_a_jpeg_that_lost_pixels_with_its_end_is_refused_as_on_the_server(device: Device, cut: int):
    with pytest.raises(NotFingerprinted, match=r"^format$"):
        device.fingerprint(jpeg(textured_picture(seed=5))[:-cut])


def test_real_transparent_pictures_have_the_same_fingerprint(device: Device):
    try:
        files = [stamp.path.read_bytes() for stamp in stamps(CACHE)[::20]]
    except NoPictures as error:
        pytest.skip(str(error))
    assert [device.fingerprint(data) for data in files] == [on_the_server(data) for data in files]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright_as_on_the_server(device: Device, kind: str, orientation: int):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(textured_picture(seed=5, width=811, height=597), kind, exif=turned_by_exif(orientation), **options)
    here, there = device.fingerprint(data), on_the_server(data)
    assert (here.width, here.height) == (there.width, there.height)
    phash, pdq = distances(here, there)
    assert phash <= (PHASH_BOUND if kind == "JPEG" else 0)
    assert pdq <= (PDQ_BOUND if kind == "JPEG" else 0)


READABLE = [stored for stored in json.loads(VECTORS.read_text())["files"] if not stored["name"].startswith("tiff")]


@pytest.mark.parametrize("stored", READABLE, ids=lambda stored: stored["name"])
def test_the_vectors_for_other_implementations_hold(device: Device, stored: dict[str, Any]):
    found = device.fingerprint(base64.b64decode(stored["data"]))
    assert (found.query.sha256, found.width, found.height) == (stored["sha256"], stored["width"], stored["height"])
    apart = [
        (bits(variant.phash.to_bytes(8, "big"), bytes.fromhex(phash)), bits(variant.pdq, bytes.fromhex(pdq)))
        for variant, phash, pdq in zip(found.query.variants[:8], stored["phash"], stored["pdq"], strict=True)
    ]
    if stored["name"].startswith("jpeg"):
        assert max(phash for phash, _ in apart) <= PHASH_BOUND
        assert max(pdq for _, pdq in apart) <= PDQ_BOUND
    else:
        assert apart == [(0, 0)] * 8


NEAR: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": jpeg,
    "JPEG without subsampling": lambda photo: saved(photo, "JPEG", quality=95, subsampling=0),
    "progressive JPEG": lambda photo: saved(photo, "JPEG", quality=80, progressive=True),
    "coarse JPEG": lambda photo: jpeg(photo, quality=30),
    "grey JPEG": lambda photo: jpeg(photo.convert("L")),
    "JPEG of CMYK": lambda photo: jpeg(photo.convert("CMYK")),
    "JPEG of RGB": lambda photo: saved(photo, "JPEG", quality=90, keep_rgb=True),
    "JPEG in Display P3": lambda photo: saved(photo, "JPEG", quality=90, icc_profile=DISPLAY_P3),
    "JPEG in Adobe RGB": lambda photo: saved(photo, "JPEG", quality=90, icc_profile=ADOBE_RGB),
    "PNG in Display P3": lambda photo: saved(photo, "PNG", icc_profile=DISPLAY_P3),
    "small JPEG": lambda photo: jpeg(photo.resize((300, 225))),
    "wide JPEG": lambda photo: jpeg(photo.resize((3000, 300))),
    "WebP": lambda photo: saved(photo, "WEBP", quality=80),
    "transparent WebP": lambda photo: saved(see_through(photo.copy()), "WEBP", quality=80),
    "AVIF": lambda photo: saved(photo, "AVIF", quality=70, speed=10),
}


@pytest.mark.parametrize("made", NEAR.values(), ids=NEAR)
def test_files_with_loss_have_nearly_the_same_fingerprint(device: Device, photos: list[Image.Image], made: Callable[[Image.Image], bytes]):
    files = [made(photo) for photo in photos]
    apart = [distances(device.fingerprint(data), on_the_server(data)) for data in files]
    assert max(phash for phash, _ in apart) <= PHASH_BOUND
    assert max(pdq for _, pdq in apart) <= PDQ_BOUND
    assert mean(pdq for _, pdq in apart) <= PDQ_BOUND / 4


def test_a_photo_of_thirty_million_pixels_is_read_in_tiles(device: Device):
    data = jpeg(textured_picture(seed=5, width=1200, height=800).resize((6708, 4472)))
    here, there = device.fingerprint(data), on_the_server(data)
    assert (here.width, here.height) == (6708, 4472)
    phash, pdq = distances(here, there)
    assert phash <= PHASH_BOUND
    assert pdq <= PDQ_BOUND


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "a text": lambda: b"no picture",
    "nothing": lambda: b"",
    "a drawing": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "a TIFF": lambda: saved(textured_picture(seed=5), "TIFF"),
    "a bitmap": lambda: saved(textured_picture(seed=5), "BMP"),
    "half a JPEG": lambda: jpeg(textured_picture(seed=5))[:4000],
    "half a PNG": lambda: png(textured_picture(seed=5))[:20_000],
    "an EXIF block that points past its end": lambda: b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0\xff\xff\xff\x7f",
}


NOBODY_READS = ("a text", "nothing", "a drawing", "a bitmap")  # nor would the server


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_the_browser_does_not_read_is_said_so(device: Device, name: str):
    with pytest.raises(NotFingerprinted, match=r"^unsupported$" if name in NOBODY_READS else r"^format$"):
        device.fingerprint(UNREADABLE[name]())


def test_too_many_pixels_are_refused_as_on_the_server(device: Device):
    with pytest.raises(NotFingerprinted, match=r"^too-large$"):
        device.fingerprint(jpeg(Image.new("L", (9434, 9435))))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "JPEG", "TIFF", "AVIF", "HEIC"])
def test_a_picture_of_400_million_pixels_is_too_large_though_the_browser_does_not_decode_it(device: Device, kind: str):
    if kind == "HEIC":
        small = (Path(__file__).parents[1] / "data" / "pug.heic").read_bytes()
    else:
        width = 16_000 if kind == "WEBP" else 20_000
        small = saved(Image.new("L", (width, 16)), kind, **({"lossless": True} if kind == "WEBP" else {}))
    with pytest.raises(NotFingerprinted, match=r"^too-large$"):
        device.fingerprint(heightened(small, kind))


def heightened(data: bytes, kind: str) -> bytes:
    """The same file, which says that it is 16,000 or 20,000 pixels high (and wide, where it was not)."""
    if kind == "PNG":
        return data[:20] + (20_000).to_bytes(4, "big") + data[24:]
    if kind == "GIF":
        return data[:8] + (20_000).to_bytes(2, "little") + data[10:]
    if kind == "JPEG":
        return data.replace(b"\x00\x10\x4e\x20", b"\x4e\x20\x4e\x20", 1)
    if kind == "TIFF":
        return data.replace(b"\x01\x01\x04\x00\x01\x00\x00\x00\x10\x00", b"\x01\x01\x04\x00\x01\x00\x00\x00\x20\x4e", 1)
    if kind in ("AVIF", "HEIC"):
        at = data.index(b"ispe") + 8
        return data[:at] + (20_000).to_bytes(4, "big") * 2 + data[at + 8 :]
    packed = int.from_bytes(data[21:25], "little") & ~(0x3FFF << 14) | (15_999 << 14)
    return data[:21] + packed.to_bytes(4, "little") + data[25:]


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_too_long_a_side_is_refused_as_on_the_server(device: Device, size: tuple[int, int]):
    with pytest.raises(NotFingerprinted, match=r"^too-large$"):
        device.fingerprint(png(Image.new("L", size)))


def test_a_browser_that_changes_pixels_is_noticed(browser: Browser, device: Device):
    with browser.new_page() as page:
        page.goto(device.page.url)
        page.evaluate("""() => {
          const read = OffscreenCanvasRenderingContext2D.prototype.getImageData;
          OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...box) {
            const pixels = read.apply(this, box);
            pixels.data[4 * 700] ^= 1;
            return pixels;
          };
        }""")
        with pytest.raises(NotFingerprinted, match=r"^altered$"):
            Device(page).fingerprint(png(textured_picture(seed=5)))


def test_a_page_without_https_says_so(browser: Browser):
    def serve(route: Route) -> None:
        """The modules, and any page."""
        _, _, module = route.request.url.partition("/static/")
        route.fulfill(path=f"static/{module or 'icon.svg'}")

    with browser.new_page() as page:
        page.route("http://portal.example/**", serve)
        page.goto("http://portal.example/")
        with pytest.raises(NotFingerprinted, match=r"^insecure$"):
            Device(page).fingerprint(png(textured_picture(seed=5)))


_MANY = """async ([files, stopAfter]) => {
  const { fingerprintFiles } = await import("/static/hash/pool.js");
  const blobs = files.map((text) => new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]));
  const stop = new AbortController();
  const told = { found: [], progress: [] };
  const onProgress = (done, total) => told.progress.push([done, total]);
  try {
    for await (const { file, fingerprint, error } of fingerprintFiles(blobs, { onProgress, signal: stop.signal })) {
      told.found.push([blobs.indexOf(file), fingerprint?.sha256 ?? error.reason]);
      if (told.found.length === stopAfter) stop.abort();
    }
  } catch (error) {
    told.stopped = error.name;
  }
  return told;
}"""


@pytest.fixture
def many() -> list[bytes]:
    """A large one first, so that the others overtake it; and one that is no picture."""
    small = [jpeg(textured_picture(seed=seed)) for seed in range(5)]
    return [jpeg(textured_picture(seed=9, width=3000, height=2000)), *small, b"no picture"]


def test_many_files_are_told_in_order_with_progress_and_nothing_is_sent(device: Device, many: list[bytes]):
    sent: list[Request] = []
    device.page.on("request", lambda request: sent.append(request))
    told = device.page.evaluate(_MANY, [[text(data) for data in many], None])
    digests = [hashlib.sha256(data).hexdigest() for data in many[:-1]]
    assert told["found"] == [[place, said] for place, said in enumerate([*digests, "unsupported"])]
    done = [done for done, _ in told["progress"]]
    assert done == sorted(done)
    assert told["progress"][-1] == [len(many), len(many)]
    assert all(request.method == "GET" and "/static/hash/" in request.url for request in sent)


def test_many_files_can_be_stopped(device: Device, many: list[bytes]):
    told = device.page.evaluate(_MANY, [[text(data) for data in many], 2])
    assert told["stopped"] == "AbortError"
    assert len(told["found"]) == 2


def test_a_browser_without_module_workers_says_so_of_every_file(browser: Browser, device: Device, many: list[bytes]):
    with browser.new_page() as page:
        page.route("**/static/hash/worker.js", lambda route: route.abort())
        page.goto(device.page.url)
        told = page.evaluate(_MANY, [[text(data) for data in many], None])
    assert [reason for _, reason in told["found"]] == ["browser"] * len(many)
