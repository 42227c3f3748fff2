"""Url lists as img2dataset reads them; and img2dataset itself, which downloads what is left from a server of this test."""

import json
import multiprocessing
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from demur.adapters.img2dataset_urls import filter_url_list
from demur.adapters.judging import KindsNotApplied
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import NoKeyColumn
from demur.files import TargetExists
from demur.filtering import UnreadableManifest, UnreadableRows
from demur.manifests.errors import EmptySource, UnknownFormat
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.training_sets import KEPT, KEY, exclusion_list, photos, table

strictly = pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")


@pytest.fixture
def by_url(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list", [KeyKind.URL])


ADDRESSES = [each.url for each in photos()]
KEPT_ADDRESSES = [address for address in ADDRESSES if address != photos()[2].url]


def write(path: Path, input_format: str, url_col: str = "url") -> Path:
    rows = pa.table({"caption": [f"a, {number}" for number in range(len(ADDRESSES))], url_col: ADDRESSES})
    if input_format == "parquet":
        pq.write_table(rows, path)
    elif input_format == "txt":
        path.write_text("".join(f"{address}\n" for address in ADDRESSES))
    elif input_format == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    else:
        pa_csv.write_csv(rows, path, pa_csv.WriteOptions(delimiter={"csv": ",", "tsv": "\t"}[input_format]))
    return path


def read(path: Path, input_format: str, url_col: str = "url") -> list[str]:
    """By img2dataset's own ways of reading."""
    if input_format == "parquet":
        return pq.read_table(path, columns=[url_col], use_threads=False)[url_col].to_pylist()
    if input_format == "txt":
        return pa_csv.read_csv(path, pa_csv.ReadOptions(column_names=["url"]))["url"].to_pylist()
    if input_format == "jsonl":
        return [json.loads(line)[url_col] for line in path.read_text().splitlines()]
    return pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(delimiter={"csv": ",", "tsv": "\t"}[input_format]))[url_col].to_pylist()


@strictly
@pytest.mark.parametrize("input_format", ["txt", "csv", "tsv", "jsonl", "parquet"])
def test_every_format_loses_the_excluded_address(tmp_path: Path, by_url: ExclusionList, input_format: str) -> None:
    source = write(tmp_path / "list.of-urls", input_format)
    report = filter_url_list(source, tmp_path / "kept", by_url, input_format=input_format)
    assert read(tmp_path / "kept", input_format) == KEPT_ADDRESSES
    assert (report.rows, report.kept, report.dropped) == (8, 7, {KeyKind.URL: 1})


@strictly
@pytest.mark.parametrize("input_format", ["csv", "tsv", "jsonl", "parquet"])
def test_the_column_of_addresses_may_have_any_name(tmp_path: Path, by_url: ExclusionList, input_format: str) -> None:
    source = write(tmp_path / "urls", input_format, "Where it was")
    filter_url_list(source, tmp_path / "kept", by_url, input_format=input_format, url_col="Where it was")
    assert read(tmp_path / "kept", input_format, "Where it was") == KEPT_ADDRESSES
    with pytest.raises(NoKeyColumn, match="no column url"):
        filter_url_list(source, tmp_path / "none", by_url, input_format=input_format)
    assert not (tmp_path / "none").exists()


@strictly
def test_rows_go_by_every_key_that_they_have(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "list.parquet")
    exclusions = exclusion_list(tmp_path / "list")
    filter_url_list(tmp_path / "list.parquet", tmp_path / "kept.parquet", exclusions, input_format="parquet", url_col="image_url")
    assert pq.read_table(tmp_path / "kept.parquet", use_threads=False)["id"].to_pylist() == KEPT


@strictly
@pytest.mark.parametrize("input_format", ["txt", "parquet"])
def test_a_directory_is_filtered_file_by_file(tmp_path: Path, by_url: ExclusionList, input_format: str) -> None:
    source = tmp_path / "lists"
    source.mkdir()
    for name in ("a", "b"):
        write(source / f"{name}.{input_format}", input_format)
    (source / "notes.md").write_text("not a list")
    report = filter_url_list(source, tmp_path / "kept", by_url, input_format=input_format)
    assert report.rows == 16
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [f"a.{input_format}", f"b.{input_format}"]
    assert read(tmp_path / "kept" / f"b.{input_format}", input_format) == KEPT_ADDRESSES
    with pytest.raises(TargetExists):
        filter_url_list(source, tmp_path / "kept", by_url, input_format=input_format)


def test_what_addresses_cannot_tell_is_told(tmp_path: Path) -> None:
    source = write(tmp_path / "list.txt", "txt")
    with pytest.warns(KindsNotApplied) as told:
        filter_url_list(source, tmp_path / "kept.txt", exclusion_list(tmp_path / "list"), input_format="txt")
    assert [str(each.message).split(", but")[0] for each in told] == [
        f"the list has 1 {kind} entries" for kind in ("owner", "phash", "sha256", "uid")
    ]


@pytest.mark.parametrize("input_format", ["json", "csv.gz", "xlsx"])
def test_a_format_that_cannot_be_filtered_is_refused(tmp_path: Path, by_url: ExclusionList, input_format: str) -> None:
    with pytest.raises(UnknownFormat, match=input_format):
        filter_url_list(write(tmp_path / "urls", "csv"), tmp_path / "kept", by_url, input_format=input_format)


@pytest.mark.parametrize("text", ['"http://x/a\n', 'http://x/a" b\n', "\ufeffhttp://x/a, http://x/b\n"])
def test_a_txt_that_img2dataset_would_not_read_is_refused(tmp_path: Path, by_url: ExclusionList, text: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(UnreadableManifest):
        filter_url_list(tmp_path / "list.txt", tmp_path / "kept.txt", by_url, input_format="txt")
    assert not (tmp_path / "kept.txt").exists()


@pytest.mark.parametrize("between", ["\r", " ", "\t", "\x0b", "\x85", "\u2028", "\u200b", " a caption of "])
def test_a_line_of_a_txt_that_holds_more_than_an_address_is_counted(tmp_path: Path, by_url: ExclusionList, between: str) -> None:
    (tmp_path / "list.txt").write_text(f"http://x/a.jpg{between}http://x/b.jpg\n\nhttp://x/c.jpg\r\n", newline="")
    with pytest.raises(UnreadableRows, match="a row holds a blank or a character that cannot be printed"):
        filter_url_list(tmp_path / "list.txt", tmp_path / "kept.txt", by_url, input_format="txt")
    report = filter_url_list(tmp_path / "list.txt", tmp_path / "kept.txt", by_url, input_format="txt", allow_unreadable=1)
    assert (report.kept, report.unreadable_rows, (tmp_path / "kept.txt").read_bytes()) == (1, 1, b"http://x/c.jpg\r\n")


def test_a_directory_without_lists_is_refused(tmp_path: Path, by_url: ExclusionList) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptySource, match=r"\.csv"):
        filter_url_list(tmp_path / "empty", tmp_path / "kept", by_url, input_format="csv")


class PhotoServer(ThreadingHTTPServer):
    """Serves the photos, and remembers which were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{number}.jpg"


class _Handler(BaseHTTPRequestHandler):
    server: PhotoServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        picture = photos()[int(self.path[1:].partition(".")[0])].picture
        self.send_response(200)
        self.send_header("Content-Length", str(len(picture)))
        self.end_headers()
        self.wfile.write(picture)

    def log_message(self, *arguments: object) -> None:
        return


@contextmanager
def serving_photos() -> Iterator[PhotoServer]:
    with PhotoServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def download(url_list: Path, output: Path) -> None:
    """In its own process, as its users run it: img2dataset sets signal handlers and starts processes of its own."""
    import img2dataset

    img2dataset.download(
        url_list=str(url_list),
        input_format="parquet",
        url_col="picture",
        save_additional_columns=["uid"],
        output_folder=str(output),
        output_format="webdataset",
        resize_mode="no",
        processes_count=1,
        thread_count=2,
    )


@pytest.mark.slow
def test_img2dataset_never_asks_for_an_excluded_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    with serving_photos() as server:
        publish_version(tmp_path, KEY, build_version_for_today([Entry(KeyKind.URL, server.url(2)), Entry(KeyKind.UID, "photo-5")]))
        exclusions = ExclusionList.open(tmp_path, key=KEY.verifier)
        rows = {"uid": [each.uid for each in photos()], "picture": [server.url(number) for number in range(len(photos()))]}
        pq.write_table(pa.table(rows), tmp_path / "photos.parquet")
        filter_url_list(tmp_path / "photos.parquet", tmp_path / "kept.parquet", exclusions, input_format="parquet", url_col="picture")
        process = multiprocessing.get_context("spawn").Process(target=download, args=(tmp_path / "kept.parquet", tmp_path / "out"))
        process.start()
        process.join(300)
        assert process.exitcode == 0
    assert sorted(server.asked) == [f"/{number}.jpg" for number in (0, 1, 3, 4, 6, 7)]
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        uids = [json.load(tar.extractfile(name))["uid"] for name in tar.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    assert sorted(uids) == [f"photo-{number}" for number in (0, 1, 3, 4, 6, 7)]


def test_commas_in_an_address_are_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    entries = [Entry(KeyKind.URL, "http://x/a,b.jpg"), Entry(KeyKind.URL, "http://x/e.jpg")]
    publish_version(tmp_path / "list", KEY, build_version_for_today(entries))
    exclusions = ExclusionList.open(tmp_path / "list", key=KEY.verifier)
    (tmp_path / "list.txt").write_text('http://x/a,b.jpg\n "http://x/e.jpg"\r\n\nhttp://x/k,l.jpg\n')
    report = filter_url_list(tmp_path / "list.txt", tmp_path / "kept.txt", exclusions, input_format="txt")
    assert (report.rows, (tmp_path / "kept.txt").read_text()) == (3, "http://x/k,l.jpg\n")
