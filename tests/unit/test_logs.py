"""What is logged of an error never holds its words."""

import json
import logging
import subprocess
import sys

from logs import ROOT, _Lines, fault_of

UID = "ph-secret-uid"


def fail() -> None:
    try:
        raise KeyError(UID)
    except KeyError as error:
        raise ValueError(f"no photo {UID} of ada@photos.example") from error


def failure() -> BaseException:
    try:
        fail()
    except ValueError as error:
        return error
    raise AssertionError


def line(name: str, message: str, *values: object) -> dict[str, object]:
    error = failure()
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, values, (type(error), error, error.__traceback__))
    return json.loads(_Lines().format(record))


def test_a_fault_is_its_classes_and_lines_of_code():
    told = fault_of(failure())
    assert told[0] == "builtins.ValueError"
    assert "builtins.KeyError" in told
    assert any(place.startswith("  tests/unit/test_logs.py:") and place.endswith(" fail") for place in told)
    assert UID not in str(told)


def test_an_error_that_causes_itself_ends():
    error = failure()
    error.__cause__ = error
    assert fault_of(error).count("builtins.ValueError") == 1


def test_a_library_that_logs_what_it_was_given_is_logged_by_its_pattern():
    told = line("rq.worker", "job %s failed", UID)
    assert (told["event"], told["logger"], told["level"]) == ("job %s failed", "rq.worker", "error")
    assert UID not in json.dumps(told)


def test_jobs_own_lines_are_logged_whole_and_their_faults_without_words():
    told = line("jobs.performing", "%s: %s failed", "outbox-1-1", "search_copies")
    assert told["event"] == "outbox-1-1: search_copies failed"
    assert UID not in json.dumps(told)
    assert sys.exc_info() == (None, None, None)


UNCAUGHT = f"""
import threading, warnings
from logs import configure_libraries, log_what_nobody_catches
configure_libraries()
log_what_nobody_catches()

class Ends:
    def __del__(self):
        raise ValueError("{UID}")

def fail():
    raise KeyError("{UID}")

warnings.warn("{UID}")
Ends()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_what_ends_a_process_or_a_thread_is_logged_without_words():
    ended = subprocess.run([sys.executable, "-c", UNCAUGHT], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert UID not in ended.stderr
    assert lines[0]["event"].startswith("UserWarning at ")
    assert [line["fault"][0] for line in lines[1:]] == ["builtins.ValueError", "builtins.KeyError", "builtins.KeyError"]
    assert any(place.endswith(" fail") for place in lines[-1]["fault"])
