import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.digests import NotCanonical, canonical_json, sha256_file

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


@given(values)
def test_canonical_json_reads_back_and_has_one_spelling(value: object) -> None:
    spelled = canonical_json(value)
    assert json.loads(spelled) == value
    assert canonical_json(json.loads(spelled)) == spelled


def test_canonical_json_is_sorted_dense_utf8() -> None:
    assert canonical_json({"é": [1, None], "a": True}) == '{"a":true,"é":[1,null]}'.encode()


@pytest.mark.parametrize(
    "value", [1.0, [float("nan")], {"a": {"b": 0.5}}, {1: "a"}, {None: 1}, "\ud800", {"\udfff": 1}, b"bytes", {1, 2}, object()]
)
def test_what_has_no_single_spelling_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_sha256_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 300_000)
    assert sha256_file(file) == hashlib.sha256(b"x" * 300_000).hexdigest()
