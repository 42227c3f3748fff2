import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from demur.cli.pictures import read_pictures
from demur.filtering.seeing import fingerprints
from demur.similarity.edits import variants
from demur.similarity.fingerprint import NotAPicture, PictureTooLarge, PictureTruncated, decode, fingerprint
from demur.similarity.patient import PatientSandbox
from demur.similarity.sandbox import FINGERPRINTED, DecoderCrashed, DecodingTimedOut, Picture, Sandbox, SandboxBusy, SandboxCannotStart
from tests.support.hostile import AIMED
from tests.support.pictures import jpeg, png, textured_picture

HOSTILE = "tests.support.hostile:worked_on"
PHOTO = jpeg(textured_picture(1, 700, 500))
LARGE = jpeg(textured_picture(1, 3000, 2000), quality=95)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(work=HOSTILE, processes=2, wait=60) as opened:
        yield opened


def processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if _is_ours(child)]


def _is_ours(child: psutil.Process) -> bool:
    """Another test's child may be ending meanwhile."""
    with suppress(psutil.NoSuchProcess):  # a zombie, too
        return "demur.similarity" in " ".join(child.cmdline())
    return False


def test_a_picture_is_read_as_it_is_without_a_sandbox(sandbox: Sandbox) -> None:
    picture = sandbox.read(PHOTO)
    assert picture.fingerprint == fingerprint(PHOTO)
    assert picture.variants == variants(decode(PHOTO)[0])
    assert picture.query.sha256 == picture.fingerprint.sha256


@pytest.mark.parametrize("size", [(2000, 300), (300, 2000), (31, 200), (3, 3), (64, 64), (1025, 1030)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_every_kind_and_shape_is_read_although_no_file_can_be_opened(sandbox: Sandbox, kind: str, size: tuple[int, int]) -> None:
    file = io.BytesIO()
    textured_picture(2, *size).save(file, kind)
    assert sandbox.read(file.getvalue()).fingerprint == fingerprint(file.getvalue())


def test_heic_whose_decoder_starts_threads_is_read(sandbox: Sandbox) -> None:
    data = (Path(__file__).parents[2] / "data" / "pug.heic").read_bytes()
    assert sandbox.read(data).fingerprint == fingerprint(data)


def test_refusals_keep_their_names_and_the_process(sandbox: Sandbox) -> None:
    for data, refusal in (
        (b"hello", NotAPicture),
        (PHOTO[:2000], PictureTruncated),
        (png(Image.new("1", (30_000, 30_000))), PictureTooLarge),
    ):
        before = {child.pid for child in processes()}
        with pytest.raises(refusal, match=r"[.]$"):
            sandbox.read(data)
        assert {child.pid for child in processes()} == before


@pytest.mark.parametrize("deed", [b"crash", b"bug", b"nonsense", b"flood"])
def test_a_decoder_that_fails_costs_its_own_picture_alone(sandbox: Sandbox, deed: bytes) -> None:
    with pytest.raises(DecoderCrashed):
        sandbox.read(deed)
    assert sandbox.read(PHOTO).fingerprint == fingerprint(PHOTO)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What a decoder that is taken over may want to reach: files, servers, and another process of the same user."""
    folder = tmp_path_factory.mktemp("targets")
    (folder / "secret").touch()
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "socket"))
        unix.listen()
        yield {
            "write": folder / "left-behind-by-a-picture",
            "read": folder / "secret",
            "open-many": 100,
            "connect": tcp.getsockname()[1],
            "send": udp.getsockname()[1],
            "connect-locally": folder / "socket",
            "signal": os.getpid(),
            "own-signals": os.getpid(),
            "limit": os.getpid(),
            "become": "/no/such/program",
            "stay": 1,
        }


@pytest.mark.parametrize("deed", [word.decode() for word in AIMED])
def test_a_decoder_that_is_taken_over_reaches_nothing(sandbox: Sandbox, targets: dict[str, object], deed: str) -> None:
    with pytest.raises(DecoderCrashed, match="its decoder failed on it"):
        sandbox.read(f"{deed} {targets[deed]}".encode())
    assert sandbox.read(PHOTO).fingerprint == fingerprint(PHOTO)


@pytest.mark.parametrize("deed", [word.decode() for word in AIMED])
def test_outside_the_same_deeds_succeed(targets: dict[str, object], deed: str) -> None:
    program = "import sys; from tests.support.hostile import worked_on; assert worked_on(sys.argv[1].encode())"
    subprocess.run([sys.executable, "-c", program, f"{deed} {targets[deed]}"], cwd=Path(__file__).parents[3], check=True)


def test_a_digest_is_of_what_was_sent_and_not_what_the_decoder_says(sandbox: Sandbox) -> None:
    assert sandbox.read(b"lie").fingerprint.sha256 == hashlib.sha256(b"lie").hexdigest()


def test_too_much_memory_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(PictureTooLarge, match="memory"):
        sandbox.read(b"hoard")
    assert sandbox.read(PHOTO).fingerprint == fingerprint(PHOTO)


@pytest.mark.parametrize("deed", [b"sleep", b"spin"])
def test_too_much_time_is_refused(sandbox: Sandbox, deed: bytes) -> None:
    with pytest.raises(DecodingTimedOut):
        sandbox.read(deed, timeout=0.2)
    assert sandbox.read(PHOTO).fingerprint == fingerprint(PHOTO)


def test_a_large_picture_and_very_little_time(sandbox: Sandbox) -> None:
    with pytest.raises(DecodingTimedOut):
        sandbox.read(png(Image.new("RGB", (9000, 9000), "red")), timeout=0.005)


def test_nothing_of_the_portal_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMUR_SECRET_KEY", "of the portal")
    with open(os.devnull) as secret, Sandbox(work=HOSTILE) as fresh:
        os.set_inheritable(secret.fileno(), True)
        with pytest.raises(DecoderCrashed) as seen:
            fresh.read(b"tell")
    inside = json.loads(seen.value.__notes__[0].rpartition("ValueError: ")[2])
    assert "DEMUR_SECRET_KEY" not in inside["environment"]
    assert inside["descriptors"] == 4  # three times /dev/null, and the socket


def test_a_process_that_is_killed_in_the_middle_is_a_crash_and_one_that_is_killed_waiting_is_not() -> None:
    before = processes()
    with Sandbox(work=HOSTILE, processes=1) as sandbox, ThreadPoolExecutor(1) as thread:
        sandbox.read(PHOTO)
        kill_all_but(before)
        sandbox.read(PHOTO)
        asleep = thread.submit(sandbox.read, b"sleep")
        while not asleep.running():
            time.sleep(0.01)
        time.sleep(0.2)
        kill_all_but(before)
        assert isinstance(asleep.exception(), DecoderCrashed)
        assert sandbox.read(PHOTO).fingerprint == fingerprint(PHOTO)


def test_a_patient_sandbox_asks_once_more_where_a_decoder_was_killed() -> None:
    before = processes()
    with PatientSandbox(processes=1, work=HOSTILE, timeout=2) as sandbox, ThreadPoolExecutor(1) as thread:
        sandbox.read(PHOTO)
        asleep = thread.submit(sandbox.read, b"sleep")
        while not asleep.running():
            time.sleep(0.01)
        time.sleep(0.2)
        kill_all_but(before)
        assert isinstance(asleep.exception(), DecodingTimedOut)
        with pytest.raises(DecoderCrashed):
            sandbox.read(b"crash")


def test_a_command_loses_no_picture_to_a_decoder_that_is_killed(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(16)]
    for file in files:
        file.write_bytes(LARGE)
    before = processes()
    reading = read_pictures(files, under_edits=False)
    found = [next(reading) for _ in range(4)]
    kill_all_but([*before, *(process for process in processes() if not _is_confined(process))])
    found += reading
    assert [file for file, picture in found if isinstance(picture, Picture)] == files


def test_a_filter_loses_no_picture_to_a_decoder_that_is_killed() -> None:
    with ThreadPoolExecutor(1) as thread:
        fingerprints([LARGE] * 4)
        seeing = thread.submit(fingerprints, [LARGE] * 16)
        while not seeing.running():
            time.sleep(0.01)
        time.sleep(0.2)
        kill_all_but([process for process in processes() if FINGERPRINTED not in process.cmdline() or not _is_confined(process)])
        assert None not in seeing.result()


def _is_confined(process: psutil.Process) -> bool:
    """Whether it is ready for a picture."""
    return "Seccomp:\t2" in Path(f"/proc/{process.pid}/status").read_text()


def kill_all_but(spared: list[psutil.Process]) -> None:
    victims = [child for child in processes() if child not in spared]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
        with suppress(psutil.NoSuchProcess):
            while victim.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
    assert victims


def test_many_threads_share_few_processes() -> None:
    photos = [jpeg(textured_picture(seed, 400, 300)) for seed in range(8)]
    before = {child.pid for child in processes()}
    with Sandbox(work=HOSTILE, processes=2, wait=60) as fresh, ThreadPoolExecutor(8) as threads:
        read = list(threads.map(fresh.read, photos * 3))
        assert len({child.pid for child in processes()} - before) == 2
    assert [picture.fingerprint for picture in read] == [fingerprint(photo) for photo in photos] * 3


def test_whoever_waits_too_long_is_told_so() -> None:
    before = {child.pid for child in processes()}
    with Sandbox(work=HOSTILE, processes=1, wait=0.05, timeout=2) as narrow, ThreadPoolExecutor(1) as thread:
        asleep = thread.submit(narrow.read, b"sleep")
        while not {child.pid for child in processes()} - before:
            time.sleep(0.01)
        with pytest.raises(SandboxBusy):
            narrow.read(PHOTO)
        assert isinstance(asleep.exception(), DecodingTimedOut)


def test_a_process_is_replaced_after_so_many_pictures() -> None:
    with Sandbox(work=HOSTILE, processes=1, pictures=2) as sandbox:
        before = {child.pid for child in processes()}
        sandbox.read(PHOTO)
        first = {child.pid for child in processes()} - before
        sandbox.read(PHOTO)
        second = {child.pid for child in processes()} - before
        assert len(first) == len(second) == 1
        assert first.isdisjoint(second)


def test_closing_leaves_no_process() -> None:
    before = {child.pid for child in processes()}
    with Sandbox(processes=2) as sandbox:
        sandbox.warm()
        started = {child.pid for child in processes()} - before
        assert len(started) == 2
    assert started.isdisjoint(psutil.pids())


def test_no_process_outlives_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


_PARENT = """
import time, psutil
from demur.similarity.sandbox import Sandbox
sandbox = Sandbox(processes=1)
sandbox.warm()
print(psutil.Process().children()[0].pid, flush=True)
time.sleep(60)
"""


def test_a_fork_has_processes_of_its_own(sandbox: Sandbox) -> None:
    sandbox.read(PHOTO)
    inside, outside = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(outside, f"{sandbox.read(PHOTO).fingerprint.phash}".encode())
            sandbox.close()
        finally:
            os._exit(0)
    os.close(outside)
    with os.fdopen(inside) as told:
        assert int(told.read()) == sandbox.read(PHOTO).fingerprint.phash
    os.waitpid(pid, 0)


def test_work_that_does_not_exist_is_no_picture_s_fault() -> None:
    with Sandbox(work="tests.support.hostile:no_such_function") as sandbox, pytest.raises(SandboxCannotStart):
        sandbox.read(PHOTO)
