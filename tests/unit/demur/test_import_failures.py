"""What stops an import: one clear sentence, and nothing left behind."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from demur.files import TargetExists
from demur.manifests import (
    Catalogue,
    EmptySource,
    ManifestError,
    MissingColumn,
    NotACatalogue,
    TruncatedSource,
    UnknownFormat,
    import_manifest,
)
from demur.manifests.fingerprints import Failure, FingerprintPool
from demur.manifests.rejections import Reason
from demur.similarity.fingerprint import Fingerprint
from tests.support.pictures import jpeg, png, textured_picture


def parquet_bytes(rows: int = 50_000) -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.table({"uid": [f"photo-{number}" for number in range(rows)]}), data, row_group_size=10_000)
    return data.getvalue()


def tar_bytes() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.jpg")
            picture = jpeg(textured_picture(number))
            member.size = len(picture)
            tar.addfile(member, io.BytesIO(picture))
    return data.getvalue()


CSV = "uid,caption\n" + "".join(f"photo-{number},caption {number}\n" for number in range(3000))
JSONL = "".join(json.dumps({"uid": f"photo-{number}"}) + "\n" for number in range(3000))
TAR = tar_bytes()
PARQUET = parquet_bytes()


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("m.parquet", b"", TruncatedSource),
        ("m.parquet", PARQUET[:-100], TruncatedSource),
        ("m.parquet", PARQUET[:5000] + bytes(9000) + PARQUET[14000:], TruncatedSource),
        ("m.csv", CSV.encode()[:-20], TruncatedSource),
        ("m.csv", CSV.encode() + b'photo-x,"a cap', TruncatedSource),
        ("m.csv", CSV.encode()[:900] + b"\0" * 64 + CSV.encode()[964:], TruncatedSource),
        ("m.csv", b"", TruncatedSource),
        ("m.csv", b"caption,width\nx,1\n", MissingColumn),
        ("m.csv", b"uid,caption\n", EmptySource),
        ("m.csv.gz", gzip.compress(CSV.encode())[:-20], TruncatedSource),
        ("m.csv.gz", CSV.encode(), TruncatedSource),
        ("m.jsonl", JSONL.encode()[:-9], TruncatedSource),
        ("m.jsonl.gz", gzip.compress(JSONL.encode())[:-20], TruncatedSource),
        ("m.jsonl", b"", TruncatedSource),
        ("m.jsonl", b'{"caption": "x"}\n', MissingColumn),
        ("m.tar", TAR[: len(TAR) // 2], TruncatedSource),
        ("m.tar", TAR[:1000], TruncatedSource),
        ("m.tar", TAR[: -(len(TAR) % 10240) or -10240], TruncatedSource),
        ("m.tar", b"not a tar" * 200, TruncatedSource),
        ("m.tar.gz", gzip.compress(TAR)[:-2000], TruncatedSource),
        ("m.xlsx", b"PK", UnknownFormat),
    ],
)
def test_a_damaged_or_foreign_file_stops_the_import(tmp_path: Path, name: str, data: bytes, error: type[ManifestError]) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error) as caught:
        import_manifest(tmp_path / name, tmp_path / "catalogue", name="test", workers=0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_damaged_shard_among_good_ones_stops_the_import(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.parquet").write_bytes(PARQUET)
    (tmp_path / "shards" / "1.parquet").write_bytes(PARQUET[:-100])
    with pytest.raises(TruncatedSource, match=r"1\.parquet"):
        import_manifest(tmp_path / "shards", tmp_path / "catalogue", name="test")
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_nothing_and_empty_directories(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat):
        import_manifest(tmp_path / "nowhere", tmp_path / "catalogue", name="test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptySource):
        import_manifest(tmp_path / "empty", tmp_path / "catalogue", name="test")


def test_a_catalogue_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uid\na\n")
    import_manifest(tmp_path / "m.csv", tmp_path / "catalogue", name="first")
    with pytest.raises(TargetExists):
        import_manifest(tmp_path / "m.csv", tmp_path / "catalogue", name="second")
    assert Catalogue.open(tmp_path / "catalogue").name == "first"


@pytest.mark.parametrize("description", [None, "", "{}", '{"format": 99}', "[]"])
def test_what_is_no_catalogue_is_not_opened(tmp_path: Path, description: str | None) -> None:
    if description is not None:
        (tmp_path / "catalogue.json").write_text(description)
    with pytest.raises(NotACatalogue):
        Catalogue.open(tmp_path)


LIMITED = """
import resource, sys
from pathlib import Path
from demur.manifests import NoSpace, import_manifest
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    import_manifest(Path(sys.argv[1]), Path(sys.argv[2]), name="test")
except NoSpace as error:
    sys.exit(f"NoSpace: {error}")
"""


@pytest.mark.parametrize("limit", [1_000, 1_000_000, 2_000_000])
def test_no_space_left(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files, of the kernel's own making: it strikes while spilling, or later while writing rows."""
    (tmp_path / "m.parquet").write_bytes(PARQUET)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "m.parquet"), str(tmp_path / "catalogue"), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)
    assert done.stderr.startswith("NoSpace: There is not enough space to write "), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_a_script_without_a_main_guard_imports_like_any_other(tmp_path: Path) -> None:
    """The processes that decode do not run the script again."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(jpeg(textured_picture(1)))
    script = tmp_path / "script.py"
    call = f"import_manifest(Path({str(tmp_path / 'photos')!r}), Path({str(tmp_path / 'catalogue')!r}), name='photos')"
    script.write_text(f"from pathlib import Path\nfrom demur.manifests import import_manifest\n{call}\n")
    root = str(Path(__file__).parents[3])
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root}, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "catalogue").exists()


def test_an_import_that_is_killed_leaves_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(parquet_bytes(2_000_000))
    program = "import sys; from pathlib import Path; from demur.manifests import import_manifest; print(flush=True); "
    program += "import_manifest(Path(sys.argv[1]), Path(sys.argv[2]), name='test')"
    command = [sys.executable, "-c", program, str(tmp_path / "m.parquet"), str(tmp_path / "catalogue")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.3)
        child.kill()
    assert not (tmp_path / "catalogue").exists()


def workers() -> list[psutil.Process]:
    """The processes that decode, which are confined."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "NoNewPrivs:\t1\nSeccomp:\t2" in Path(f"/proc/{child.pid}/status").read_text()]


def test_a_decoder_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    data = jpeg(textured_picture(1, 3000, 2000), quality=95)
    for number in range(64):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    killed = set[int]()

    def kill_the_first(_: int) -> None:
        if not killed:
            victim = workers()[0]
            victim.kill()
            killed.add(victim.pid)

    with FingerprintPool(tmp_path, workers=2) as pool:
        outcomes = pool.compute([(f"{number}.jpg", 0) for number in range(64)], kill_the_first)
    assert killed
    assert all(isinstance(outcome, Fingerprint) for outcome in outcomes)


@pytest.mark.parametrize(("deed", "message"), [(b"crash", "its decoder failed on it"), (b"sleep", "takes too long"), (b"spin", "too long")])
def test_a_picture_that_kills_or_holds_up_its_decoder_is_rejected_alone(tmp_path: Path, deed: bytes, message: str) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(deed if number == 5 else jpeg(textured_picture(number)))
    with FingerprintPool(tmp_path, workers=2, timeout=3, work="tests.support.hostile:worked_on") as pool:
        outcomes = pool.compute([(name, 0) for name in names], lambda _: None)
    failed = {name: outcome for name, outcome in zip(names, outcomes, strict=True) if isinstance(outcome, Failure)}
    assert list(failed) == ["5.jpg"]
    assert failed["5.jpg"].reason is Reason.UNREADABLE_PICTURE
    assert message in failed["5.jpg"].message


def test_a_pipe_in_the_place_of_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with FingerprintPool(tmp_path, workers=0) as pool:
        (outcome,) = pool.compute([("pipe.jpg", 0)], lambda _: None)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MISSING_PICTURE


def test_what_decodes_a_manifest_s_pictures_is_confined(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(textured_picture(1)))
    with FingerprintPool(tmp_path, workers=2) as pool:
        assert isinstance(pool.compute([("one.jpg", 0)], lambda _: None)[0], Fingerprint)
        assert workers()


def test_a_picture_that_needs_too_much_memory_is_unreadable_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(Image.new("RGBA", (8000, 8000))))
    (tmp_path / "small.jpg").write_bytes(jpeg(textured_picture(1)))
    with FingerprintPool(tmp_path, workers=1, memory=100 << 20) as pool:
        large, small = pool.compute([("large.png", 0), ("small.jpg", 0)], lambda _: None)
    assert large == Failure(Reason.UNREADABLE_PICTURE, "This picture needs too much memory to read; please send a smaller copy.")
    assert isinstance(small, Fingerprint)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_larger_than_any_picture_is_not_read_whole(tmp_path: Path, workers: int) -> None:
    with (tmp_path / "endless.jpg").open("wb") as file:
        file.truncate(1 << 40)
    with FingerprintPool(tmp_path, workers=workers) as pool:
        outcomes = pool.compute([("endless.jpg", 0)], lambda _: None)
    assert outcomes == [Failure(Reason.UNREADABLE_PICTURE, "This picture's file is larger than 256 MiB.")]
