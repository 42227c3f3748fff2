"""A list that was in use goes to another process, as loaders and clusters send it, and says the same there."""

import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from demur.exclusions import Entry, EntryTable, KeyKind
from demur.exclusions.matching import Matcher
from tests.support.training_sets import BY, exclusion_list, table

KEYS = table().rename_columns({"id": "uid", "image_url": "url"})
ELSEWHERE = """
import pickle, sys
exclusions, rows = pickle.load(sys.stdin.buffer)
print(*exclusions.judge(rows).kinds)
print(exclusions.explain({"uid": "photo-1"}).key)
"""


def test_another_process_is_told_the_same(tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path)
    here = exclusions.judge(KEYS)  # what is made at the first question goes along, or is made anew
    assert here.dropped == dict.fromkeys(BY.values(), 1)
    sent = pickle.dumps((exclusions, KEYS))
    there = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, check=True).stdout.decode().splitlines()
    assert there == [" ".join(map(str, here.kinds)), "photo-1"]


def test_what_was_made_for_whole_numbers_goes_along() -> None:
    rows = pa.table({"uid": [6, 7, 8]})
    matcher = Matcher(EntryTable.of([Entry(KeyKind.UID, "7")]))
    here = matcher.judge(rows).keep
    assert pickle.loads(pickle.dumps(matcher)).judge(rows).keep == here == pa.array([True, False, True])
