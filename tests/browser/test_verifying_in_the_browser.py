"""The modules of static/verify say of any file what demur.verifying says: what holds, what is refused, and by which error."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from demur.digests import canonical_json
from demur.exclusions import Entry, KeyKind
from demur.exclusions.entry_proof import EntryProver
from demur.exclusions.head import PAYLOAD_TYPE as HEAD_TYPE
from demur.exclusions.rotation import Rotation
from demur.printing import brief, printable
from demur.receipts import LogKind, Receipt, Statement, commitment
from demur.receipts.statement import PAYLOAD_TYPE
from demur.runs import ConsumedReference, ConsumedTree, ListReference
from demur.signing import BadKey, VerifyKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.merkle import ProofRefused
from demur.trust import MOST_KEYS, Role, Trust
from demur.verifying import Answer, BundleLimits, Document, Finding, captions_in, summarise, unpacked, verify_documents
from demur.verifying.findings import Fact, FactKind
from tests.support.databases import SqliteDatabases
from tests.support.exclusion_lists import build, sign_head, uids
from tests.support.odd_files import odd_bundles, odd_spellings, zipped
from tests.support.portals import free_port, portal_for_tests, serving
from tests.support.receipt_vectors import AT, LEAVES, LIST, LOG, LOG_KEY, RECEIPTS, WITNESSES, cosigned, fixed_key, log
from tests.support.training_runs import record

pytestmark = pytest.mark.browser

KEY = LOG_KEY.verifier
SEEN = [WitnessKey(witness.name, witness.verifier.public) for witness in WITNESSES]
GOOD_RECEIPT = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
GOOD = sorted((RECEIPTS / "good").iterdir())
REFUSED: list[dict[str, str]] = json.loads((RECEIPTS / "refused.json").read_text())
_BYTES = "const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));"


class Offline:
    """A page that has loaded what it needs and has no network any more: files go in, and what its modules find comes out."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.goto("/verify")
        page.wait_for_selector("[data-way=browser]:not([hidden])")
        page.context.set_offline(True)
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def findings(self, files: dict[str, bytes], keys: Trust) -> list[Finding]:
        told = self.page.evaluate(
            f"""async ([files, keys]) => {{ {_BYTES}
              const {{ verifyDocuments }} = await import("/static/verify/checks.js");
              const {{ Trust }} = await import("/static/verify/trust.js");
              const {{ summarise }} = await import("/static/verify/summary.js");
              const documents = files.map(([name, text]) => ({{ name, bytes: bytes(text) }}));
              const findings = await verifyDocuments(documents, await Trust.parse(keys));
              const {{ groups, ...summary }} = summarise(findings);
              return [findings, {{ ...summary, groups: groups.map((one) => [one.title, one.findings.length, one.good, one.proofs]) }}];
            }}""",
            [[[name, base64.b64encode(data).decode()] for name, data in files.items()], keys.to_text()],
        )
        self.summary = told[1]
        return [_finding(one) for one in told[0]]

    def verdicts(self, changed: list[bytes]) -> list[str]:
        """Of receipts: the name of the error, or nothing where one holds."""
        return self.page.evaluate(
            f"""async ([receipts, line]) => {{ {_BYTES}
              const {{ parseReceipt, verifyReceipt }} = await import("/static/verify/receipt.js");
              const {{ Refused }} = await import("/static/verify/refused.js");
              const {{ VerifyKey }} = await import("/static/verify/signing.js");
              const key = await VerifyKey.parse(line);
              const verdict = async (text) => {{
                try {{ await verifyReceipt(parseReceipt(bytes(text)), key); return ""; }}
                catch (error) {{ if (error instanceof Refused) return error.name; throw error; }}
              }};
              const verdicts = [];
              for (const receipt of receipts) verdicts.push(await verdict(receipt));
              return verdicts;
            }}""",
            [[base64.b64encode(data).decode() for data in changed], str(KEY)],
        )

    def evaluate(self, module: str, body: str, argument: Any) -> Any:
        """``body``: what to do with the module, called ``it``, and the ``argument``."""
        return self.page.evaluate(
            f"async (argument) => {{ {_BYTES} const it = await import('/static/verify/{module}.js'); {body} }}", argument
        )


@pytest.fixture(scope="module")
def offline(
    browser: Browser, sqlite_databases: SqliteDatabases, member_catalogues: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Offline]:
    port, data_dir = free_port(), tmp_path_factory.mktemp("verifying")
    base_url = f"http://127.0.0.1:{port}"
    with (
        sqlite_databases.fresh() as url,
        portal_for_tests(data_dir, url, member_catalogues, base_url=base_url, provider=False) as portal,
        serving(portal.app, port),
        browser.new_page(base_url=base_url) as page,
    ):
        offline = Offline(page)
        yield offline
        assert offline.requests == []


def _finding(told: dict[str, Any]) -> Finding:
    fact = Fact(**(told["fact"] | {"kind": FactKind(told["fact"]["kind"])})) if told["fact"] else None
    words = [told[name] for name in ("proves", "notProves", "signed")]
    return Finding(told["file"], told["kind"], Answer(told["answer"]), *words, fact, told["error"], told["reason"], told["remedy"])


def python_findings(files: dict[str, bytes], keys: Trust) -> list[Finding]:
    return verify_documents([Document(name, data) for name, data in files.items()], keys, datetime.now(UTC), entries=False)


def trust(keys: list[VerifyKey]) -> Trust:
    """These keys for every role that they could have."""
    plain = tuple(key for key in keys if type(key) is VerifyKey)
    return Trust(plain, plain, plain, tuple(key for key in keys if isinstance(key, WitnessKey)))


def error_of(finding: Finding) -> str:
    return finding.error


def python_verdict(data: bytes) -> str:
    try:
        Receipt.parse(data).verify(KEY)
    except Exception as error:
        return type(error).__name__
    return ""


def alike(offline: Offline, files: dict[str, bytes], keys: list[VerifyKey] | Trust) -> list[Finding]:
    """The browser's findings and their summary, which say what Python's say, but for the reasons of refusals."""
    given = keys if isinstance(keys, Trust) else trust(keys)
    here, there = offline.findings(files, given), python_findings(files, given)
    assert [replace(one, reason="") for one in here] == [replace(one, reason="") for one in there]
    summary = summarise(there)
    groups = [[one.title, len(one.findings), one.good, one.proofs] for one in summary.groups]
    assert offline.summary == {"answer": summary.answer, "headline": summary.headline, "lines": list(summary.lines), "groups": groups}
    return here


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_receipts_hold_in_the_same_words(offline: Offline, path: Path):
    (finding,) = alike(offline, {path.name: path.read_bytes()}, [KEY])
    assert finding.error == ""
    assert finding.proves.startswith("The operator stated on 2026-11-21T12:00:00Z that ")


def test_what_must_be_refused_is_refused_by_the_same_error(offline: Offline):
    verdicts = offline.verdicts([base64.b64decode(vector["data"]) for vector in REFUSED])
    assert dict(zip([one["why"] for one in REFUSED], verdicts, strict=True)) == {one["why"]: one["error"] for one in REFUSED}


@pytest.mark.parametrize("name", ["in_a_log_of_1", "opt_out_listed"])
def test_no_bit_of_a_receipt_can_change(offline: Offline, name: str):
    data = (RECEIPTS / "good" / f"{name}.json").read_bytes()
    changed = [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]
    verdicts = offline.verdicts(changed)
    assert "" not in verdicts
    assert verdicts == [python_verdict(one) for one in changed]


def test_no_byte_can_go_or_be_doubled(offline: Offline):
    data = (RECEIPTS / "good" / "in_a_log_of_2.json").read_bytes()
    changed = [data[:at] + data[at + 1 :] for at in range(len(data))] + [data[: at + 1] + data[at:] for at in range(len(data))]
    verdicts = offline.verdicts(changed)
    assert "" not in verdicts
    assert verdicts == [python_verdict(one) for one in changed]


def test_a_receipt_that_breaks_off_could_not_be_checked(offline: Offline):
    data = (RECEIPTS / "good" / "opt_out_listed.json").read_bytes()
    for length in (200, 16, 1, len(data) // 2, len(data) - 2):
        (cut,) = alike(offline, {"cut.json": data[:length]}, [KEY])
        assert (cut.answer, cut.error, cut.reason) == (Answer.UNCHECKED, "CutShort", "the file is cut short")
    for damaged in (data.replace(b'"proof"', b'proof"'), data.replace(b"}", b"]", 1), b"{" + data):
        (finding,) = alike(offline, {"damaged.json": damaged}, [KEY])
        assert finding.error != "CutShort"
    (empty,) = alike(offline, {"empty.json": b""}, [KEY])
    assert (empty.kind, empty.reason, empty.answer) == ("empty file", "the file is empty", Answer.UNCHECKED)
    (text,) = alike(offline, {"notes.txt": b"hello"}, [KEY])
    assert text.kind == "file"


def test_versions_of_a_list_are_summed_up_alike(offline: Offline):
    def entry(version: int, number: int) -> Fact:
        return Fact(FactKind.EXCLUDED, f"ada-{number}", "demo", version, "uid")

    heads = [Fact(FactKind.VERSION, of="demo", version=version) for version in (10, 11, 12)]
    run = Fact(FactKind.RUN, "r-3", "Run 3", 10, "demo")
    before, after = [entry(10, number) for number in range(6)], [entry(11, number) for number in range(5)]
    for facts in (
        [*heads[:2], run, *before, *after],
        [*heads, run, *before],
        [heads[0], *before],
        [entry(3, 1), replace(entry(4, 1), of="other")],
    ):
        findings = [Finding("f", "k", Answer.HOLDS, fact=fact) for fact in facts]
        told = [{"file": "f", "answer": "holds", "fact": asdict(fact)} for fact in facts]
        assert offline.evaluate("summary", "return it.summarise(argument).lines", told) == list(summarise(findings).lines)


_TEXT = st.text(st.characters(exclude_categories=[]), max_size=4)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_JSON, st.booleans(), st.booleans())
def test_the_one_spelling_is_the_same(offline: Offline, value: Any, escaped: bool, ordered: bool):
    text = json.dumps(value, ensure_ascii=escaped, sort_keys=ordered, separators=(",", ":")).encode(errors="surrogatepass")
    body = """try { it.parseCanonical(bytes(argument)); return true; }
      catch (error) { if (error.constructor.name !== "Malformed") throw error; return false; }"""
    assert offline.evaluate("canonical", body, base64.b64encode(text).decode()) == (is_canonical(text) and has_no_large_number(value))


def is_canonical(text: bytes) -> bool:
    try:
        return canonical_json(json.loads(text)) == text
    except ValueError:
        return False


def has_no_large_number(value: Any) -> bool:
    """No field of a receipt may hold one (demur.fields.count), and JavaScript could not."""
    if isinstance(value, dict):
        return all(map(has_no_large_number, value.values()))
    if isinstance(value, list):
        return all(map(has_no_large_number, value))
    return type(value) is not int or abs(value) < 2**53


@settings(max_examples=60, deadline=None)
@given(st.lists(_TEXT, max_size=12))
def test_texts_have_the_same_order(offline: Offline, texts: list[str]):
    assert offline.evaluate("canonical", "return argument.sort(it.byCodePoints);", texts) == sorted(texts)


def test_inclusion_proofs_are_judged_alike(offline: Offline):
    """In all small trees, every leaf, with its proof and with wrong ones; and at the far end of the largest tree there can be."""
    cases = []
    for size in range(1, 18):
        leaves = [merkle.leaf_hash(bytes([leaf])) for leaf in range(size)]
        root = merkle.root(leaves)
        for index in range(size):
            path = merkle.inclusion_proof(leaves, index)
            for wrong in (path, path[::-1], path[:-1], [*path, root], [bytes(32), *path[1:]]):
                cases += [(leaves[index], other, size, wrong, root) for other in {index, index ^ 1, size}]
    for index in (0, 2**31, 2**32 - 1, 2**32 + 5, 2**53 - 2):
        leaf, path = bytes(32), [bytes([node]) * 32 for node in range(53)]
        cases.append((leaf, index, 2**53 - 1, path, root_over(leaf, index, 2**53 - 1, path)))
    body = """const verdict = async ([leaf, index, size, path, root]) => {
        try { await it.verifyInclusion(bytes(leaf), index, size, path.map(bytes), bytes(root)); return true; }
        catch (error) { if (error.name !== "ProofRefused") throw error; return false; } };
      return Promise.all(argument.map(verdict));"""
    told = [[_b64(leaf), index, size, [_b64(node) for node in path], _b64(root)] for leaf, index, size, path, root in cases]
    assert offline.evaluate("merkle", body, told) == [is_included(*case) for case in cases]


def root_over(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root to which a path leads, climbing as RFC 9162 does."""
    result, position, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            break
        if position & 1 or position == last:
            result = merkle.node_hash(sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = merkle.node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    return result


def is_included(*case: Any) -> bool:
    try:
        merkle.verify_inclusion(*case)
    except ProofRefused:
        return False
    return True


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_witnesses_are_asked_for_when_their_keys_are_given(offline: Offline):
    cosigned_receipt, plain = ((RECEIPTS / "good" / f"{name}.json").read_bytes() for name in ("cosigned", "opt_out_filed"))
    (seen,) = alike(offline, {"cosigned.json": cosigned_receipt}, [KEY, *SEEN])
    assert seen.proves.endswith(
        " witness.example/one saw this tree at 2026-11-21T12:00:01Z. witness.example/two saw this tree at 2026-11-21T12:00:02Z."
    )
    (unseen,) = alike(offline, {"plain.json": plain}, [KEY, *SEEN])
    assert error_of(unseen) == "NotWitnessed"


@pytest.mark.parametrize("seconds", [0, 2**31, 2**40, 253402300799, 253402300800, 2**64 - 1])
def test_any_time_of_a_witness_is_read_alike(offline: Offline, seconds: int):
    checkpoint = log().checkpoint(LEAVES)
    raw = struct.pack(">Q", seconds) + WITNESSES[0].private.sign(f"cosignature/v1\ntime {seconds}\n{checkpoint.body}".encode())
    line = f"— {SEEN[0].name} {_b64(SEEN[0].key_hash + raw)}\n"
    (finding,) = alike(offline, {"checkpoint": f"{checkpoint}{line}".encode()}, [KEY, SEEN[0]])
    assert finding.error == ""


def test_a_changed_cosignature_is_refused(offline: Offline):
    text = str(cosigned(log().checkpoint(LEAVES)))
    mark = text.rindex(" ") + 40
    changed = text[:mark] + ("A" if text[mark] != "A" else "B") + text[mark + 1 :]
    (finding,) = alike(offline, {"checkpoint": changed.encode()}, [KEY, *SEEN])
    assert error_of(finding) == "BadSignature"


def test_checkpoints_are_read_and_forks_are_told(offline: Offline):
    own = (LOG / "checkpoint").read_bytes()
    forked = str(LogCheckpoint(LOG_KEY.name, LEAVES, bytes(32)).sign(LOG_KEY)).encode()
    receipt = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
    first, second, _ = alike(offline, {"checkpoint": own, "fork": forked, "receipt.json": receipt}, [KEY])
    assert first.proves.startswith("The log op.example/opt-outs/log had 259 leaves")
    assert error_of(second) == "Contradiction"


@pytest.fixture(scope="module")
def run_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A run's record, a proof that it used a photo, and proofs that it did not use others: before all, between, and after all."""
    path = tmp_path_factory.mktemp("run") / "consumed.bin"
    root = ConsumedTree.write(path, [f"ada-{n}" for n in range(40)], "r-7")
    tree = ConsumedTree.open(path)
    signed = record(run_id="r-7", name="Run 7", consumed=ConsumedReference(root, 40)).sign(LOG_KEY)
    absent = [tree.proof(f"ben-{number}") for number in range(1000)]
    first, last = (next(proof for proof in absent if getattr(proof, side) is None) for side in ("before", "after"))
    proofs = [tree.proof("ada-3"), *absent[:20], first, last]
    return {"run-record.dsse.json": signed, **{f"proof-{proof.uid}.json": proof.to_json().encode() for proof in proofs}}


def test_proofs_are_held_against_their_runs_record(offline: Offline, run_files: dict[str, bytes]):
    findings = alike(offline, run_files, [KEY])
    assert [one.error for one in findings] == [""] * len(run_files)
    assert findings[1].proves == "The run Run 7 consumed the sample ada-3: it says so itself."
    assert findings[2].proves == "The sample ben-0 is not among the 40 samples that the record of the run Run 7 commits to."


def test_a_proof_alone_proves_nothing(offline: Offline, run_files: dict[str, bytes]):
    (finding,) = alike(offline, {"proof": run_files["proof-ada-3.json"]}, [KEY])
    assert error_of(finding) == "NothingToCompare"


def test_no_byte_of_a_proof_or_record_can_change_what_is_proved(offline: Offline, run_files: dict[str, bytes]):
    """A proof may be spelled in many ways, so some changes are none; but the browser says what Python says."""
    signed, proof = run_files["run-record.dsse.json"], run_files["proof-ben-7.json"]
    changed = {str(at): proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :] for at in range(0, len(proof), 3)}
    alike(offline, {"record": signed, **changed}, [KEY])
    for at in range(0, len(signed), 97):
        other = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        findings = alike(offline, {"record": other, "proof": proof}, [KEY])
        assert all(one.error for one in findings)


def test_two_records_of_one_run_are_a_contradiction(offline: Offline, run_files: dict[str, bytes]):
    other = record(run_id="r-7", name="Run 7", seed=1).sign(LOG_KEY)
    findings = alike(offline, {"one": run_files["run-record.dsse.json"], "other": other}, [KEY])
    assert [error_of(one) for one in findings] == ["", "Contradiction"]


def test_a_receipt_of_another_record_is_a_contradiction(offline: Offline, run_files: dict[str, bytes]):
    stated = Statement(LogKind.RUN_RECORDED, AT, exclusion_list=LIST, run_id="r-7", run_name="Run 7", record_digest="0" * 64)
    data = receipt_of(stated)
    findings = alike(offline, {"receipt": data, "record": run_files["run-record.dsse.json"]}, [KEY])
    assert [error_of(one) for one in findings] == ["Contradiction", ""]


def receipt_of(statement: Statement) -> bytes:
    """The only leaf of a log of its own."""
    root = merkle.leaf_hash(commitment(bytes(32), statement.payload()))
    checkpoint = LogCheckpoint(LOG_KEY.name, 1, root).sign(LOG_KEY)
    return Receipt(LOG_KEY.sign(statement.payload(), PAYLOAD_TYPE), bytes(32), 0, (), str(checkpoint)).to_json()


BROKEN_RECORDS: dict[str, dict[str, Any]] = {
    "a negative count": {"seed": -1},
    "a count that is text": {"threads": "2"},
    "a digest in capitals": {"code_digest": "A" * 64},
    "no manifest's name": {"manifests": [{"name": "", "digest": "2" * 64, "rows": 1}]},
    "a list without a root": {"list": {"list_id": "x", "version": 1, "published_at": "2026-11-21T11:00:00Z"}},
    "another subject": {"weights_digest": "9" * 64},
    "an end before the start": {"finished_at": "2026-11-21T11:00:00Z"},
    "a metric that is a list": {"metrics": {"loss": []}},
    "a dropped row without a reason": {"dropped": {"": 1}},
    "evidence that is text": {"evidence": ["exact"]},
    "a config that is a list": {"config": []},
}


def test_a_record_by_the_first_predicate_type_is_read_alike(offline: Offline):
    frozen = RECEIPTS.parent / "frozen"
    (finding,) = alike(
        offline, {"record": (frozen / "run-record-1.dsse.json").read_bytes()}, [VerifyKey.load(frozen / "run-record-1.vkey")]
    )
    assert finding.answer is Answer.HOLDS


@pytest.mark.parametrize("change", [{}, {"unknown": {"field": 1}}, {"list": None}, *BROKEN_RECORDS.values()], ids=str)
def test_signed_records_are_read_alike(offline: Offline, change: dict[str, Any]):
    statement = record().to_statement()
    statement["predicate"] |= change
    data = LOG_KEY.sign(canonical_json(statement), "application/vnd.in-toto+json")
    (finding,) = alike(offline, {"record": data}, [KEY])
    assert error_of(finding) == ("BadRunRecord" if change in BROKEN_RECORDS.values() else "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"a\n\nb",
        b"PAR1",
        b"DEMURCT1",
        b'{"payload":1}',
        b'{"checkpoint":1}',
        b'{"format":"demur-absence-proof/1","run_id":"\\ud800","uid":"a","before":null,"after":null}',
    ],
)
def test_other_files_are_refused(offline: Offline, data: bytes):
    (here,), (there,) = offline.findings({"f": data}, trust([KEY])), python_findings({"f": data}, trust([KEY]))
    assert here.error
    assert (here.kind, here.answer, here.error) == (there.kind, there.answer, there.error)


@pytest.fixture(scope="module")
def list_files() -> dict[str, bytes]:
    """The head of a version, and a proof for an entry of every kind in it."""
    entries = [
        *uids(*(f"photo-{number}" for number in range(300))),
        Entry(KeyKind.OWNER, 'amara 📷 \x01"\\\u2028'),
        Entry(KeyKind.URL, "https://example.org/a?b=c"),
        Entry(KeyKind.SHA256, "1" * 64),
        Entry(KeyKind.PHASH, "2" * 16, "3" * 64),
    ]
    version = build(entries)
    prover = EntryProver(version.head, version.entries)
    proofs = {f"excluded-{entry.kind}.json": prover.prove([entry]).to_json().encode() for entry in entries[299:]}
    return {"head.dsse.json": sign_head(version.head, LOG_KEY), **proofs}


def test_what_a_list_excludes_is_proved_beside_its_head(offline: Offline, list_files: dict[str, bytes]):
    findings = alike(offline, list_files, [KEY])
    assert [one.error for one in findings] == [""] * 6
    assert findings[1].proves == "Version 1 of the exclusion list op.example/opt-outs excludes every sample whose uid is photo-299."


def test_a_head_that_has_expired_is_told_so(offline: Offline, list_files: dict[str, bytes]):
    version = build(uids("a"), published_at=datetime(2020, 1, 1, tzinfo=UTC))
    (finding,) = alike(offline, {"head": sign_head(version.head, LOG_KEY)}, [KEY])
    assert finding.proves.endswith("It expired at 2020-01-08T00:00:00Z: do not train by it.")


def test_no_bit_of_an_entry_proof_can_change(offline: Offline, list_files: dict[str, bytes]):
    proof = list_files["excluded-phash.json"]
    changed = {f"{at}.{bit}": proof[:at] + bytes([proof[at] ^ 1 << bit]) + proof[at + 1 :] for at in range(len(proof)) for bit in (0, 3, 7)}
    findings = offline.findings({"head": list_files["head.dsse.json"], **changed}, trust([KEY]))
    assert all(one.error for one in findings[1:])


def test_an_entry_proof_alone_or_under_another_key_proves_nothing(offline: Offline, list_files: dict[str, bytes]):
    (alone,) = alike(offline, {"proof": list_files["excluded-uid.json"]}, [KEY])
    assert error_of(alone) == "NothingToCompare"
    findings = alike(offline, list_files, [SEEN[0]])
    assert [error_of(one) for one in findings] == ["KeyNotGiven", *["NothingToCompare"] * 5]


BROKEN_HEADS: dict[str, dict[str, Any]] = {
    "BadHead": {"total": -1},
    "BadHead ": {"previous_version": 7},
    "BadHead  ": {"expires_at": "2026-11-21T12:00:00Z"},
    "BadHead   ": {"delta": {"sha256": "1" * 64}},
    "BadHead    ": {"note": "hello"},
    "BadHead     ": {"version": 70, "previous_version": 69},
    "UnknownKind": {"counts": {"smell": 1}},
    "": {"log_leaf_index": 12},
}


@pytest.mark.parametrize("error", BROKEN_HEADS)
def test_signed_heads_are_read_alike(offline: Offline, error: str):
    told = json.loads(build(uids("a")).head.payload()) | BROKEN_HEADS[error]
    (finding,) = alike(offline, {"head": LOG_KEY.sign(canonical_json(told), HEAD_TYPE)}, [KEY])
    assert error_of(finding) == error.strip()


def test_a_receipt_of_another_root_is_a_contradiction(offline: Offline):
    head = build(uids("a"), published_at=AT).head
    listed = ListReference(head.list_id, head.version, "0" * 64, head.published_at)
    stated = receipt_of(Statement(LogKind.LIST_PUBLISHED, AT, exclusion_list=listed))
    findings = alike(offline, {"receipt": stated, "head": sign_head(head, LOG_KEY)}, [KEY])
    assert [error_of(one) for one in findings] == ["Contradiction", ""]


KEY_LINES = [
    str(KEY),
    f"  {KEY}\t",
    str(SEEN[0]),
    str(KEY).replace("log+", "lag+"),
    str(KEY)[:-1],
    str(KEY) + "=",
    str(KEY) + "AAA=",
    str(KEY) + "AAB=",
    "",
    "a",
    "a+b",
    "a+b+",
    "a+b+c",
    "++",
    "é+é+é",
    str(KEY).replace("op.", "o p."),
    str(KEY).replace("op.", "o\x85p."),
    f"{KEY.key_id}+{_b64(bytes([2]) + KEY.public)}",
    *(str(KEY)[:at] + ("A" if letter != "A" else "B") + str(KEY)[at + 1 :] for at, letter in enumerate(str(KEY))),
]
KEY_TEXTS = [
    *(f"\n# for people\n{role} {line}" for role in Role for line in KEY_LINES),
    str(KEY),
    "log",
    f"log {KEY}\nlog {KEY}\nrun {KEY}\nwitness {SEEN[0]}\n",
    *("".join(f"run {fixed_key(f'run/{number}').verifier}\n" for number in range(count)) for count in (MOST_KEYS, MOST_KEYS + 1)),
]


def test_keys_are_read_alike_and_refused_in_the_same_words(offline: Offline):
    body = """const read = async (text) => {
        try { const trust = await it.Trust.parse(text); return it.ROLES.map((role) => trust[role].map((key) => key.text)); }
        catch (error) { if (error.name !== "BadKey") throw error; return error.message; } };
      return Promise.all(argument.map(read));"""
    assert offline.evaluate("trust", body, KEY_TEXTS) == [python_keys(text) for text in KEY_TEXTS]


def python_keys(text: str) -> list[list[str]] | str:
    """By role, or why they cannot be read."""
    try:
        given = Trust.parse(text)
    except BadKey as error:
        return str(error)
    return [[str(key) for key in given.keys(role)] for role in Role]


def rotated() -> dict[str, bytes]:
    """A head by each of two keys of a list, and what leads from one to the other."""
    old, new = fixed_key("list/one"), fixed_key("list/two")
    first = build(uids("a"))
    second = build(uids("a", "b"), first)
    rotation = Rotation(first.head.list_id, 1, old.verifier, new.verifier, 2)
    return {
        "rotations.json": canonical_json([json.loads(rotation.envelope(old, new))]),
        "1.dsse.json": sign_head(first.head, old),
        "2.dsse.json": sign_head(second.head, new),
    }


@pytest.mark.parametrize("given", ["list/one", "list/two"])
def test_any_key_of_a_list_leads_to_the_others(offline: Offline, given: str):
    findings = alike(offline, rotated(), Trust(lists=(fixed_key(given).verifier,)))
    assert [one.answer for one in findings] == [Answer.HOLDS] * 3
    assert [one.signed.partition("+")[0] for one in findings[1:]] == ["list list/one", "list list/two"]


def test_a_spent_key_signs_nothing_newer_and_strangers_lead_nowhere(offline: Offline):
    files = rotated()
    files["2.dsse.json"] = sign_head(build(uids("a", "b"), build(uids("a"))).head, fixed_key("list/one"))
    findings = alike(offline, files, Trust(lists=(fixed_key("list/two").verifier,)))
    assert [one.error for one in findings] == ["", "", "SpentKey"]
    findings = alike(offline, rotated(), Trust(lists=(LOG_KEY.verifier,)))
    assert [one.error for one in findings] == ["KeyNotGiven"] * 3


def test_a_key_is_believed_in_its_role_alone(offline: Offline, run_files: dict[str, bytes]):
    receipt = {"receipt.json": (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()}
    for files, keys in ((receipt, Trust(lists=(KEY,), runs=(KEY,))), (run_files, Trust(lists=(KEY,), logs=(KEY,)))):
        findings = alike(offline, files, keys)
        assert findings[0].answer is Answer.UNCHECKED
        assert "which you trust for" in findings[0].reason


@pytest.mark.parametrize("name", ["a\nHolds", "\u202egnp.exe", "\u2028", "a" + " " * 9 + "b", "\x1b[2K", "\U000e0001", "plain é 📷"])
def test_names_are_spelled_alike(offline: Offline, name: str):
    assert offline.evaluate("escaped", "return it.escaped(argument);", name) == printable(name)


@pytest.fixture(scope="module")
def unpacked_there(offline: Offline) -> dict[str, list[Finding]]:
    """What the browser finds in each odd bundle."""
    found = offline.page.evaluate(
        f"""async ([bundles, keys]) => {{ {_BYTES}
          const {{ verifyDocuments }} = await import("/static/verify/checks.js");
          const {{ Trust }} = await import("/static/verify/trust.js");
          const {{ isZip, unpack }} = await import("/static/verify/zip.js");
          const trust = await Trust.parse(keys);
          const check = async (text) => {{
            const document = {{ name: "evidence.zip", bytes: bytes(text) }};
            return verifyDocuments(isZip(document) ? await unpack(document) : [document], trust);
          }};
          return Promise.all(bundles.map(check));
        }}""",
        [[_b64(bundle) for _, bundle, _ in ODD], trust([KEY]).to_text()],
    )
    return {odd: [_finding(one) for one in findings] for (odd, *_), findings in zip(ODD, found, strict=True)}


ODD = list(odd_bundles())


@pytest.mark.parametrize(("odd", "bundle", "answers"), ODD, ids=[odd for odd, *_ in ODD])
def test_a_bundle_is_read_alike_or_not_at_all(unpacked_there: dict[str, list[Finding]], odd: str, bundle: bytes, answers: list[str]):
    files = unpacked(Document("evidence.zip", bundle), BundleLimits(members=10, total_bytes=10**7)).documents
    there, here = unpacked_there[odd], verify_documents(files, trust([KEY]), datetime.now(UTC))
    assert [one.answer for one in there] == answers
    assert [(one.file, one.kind, one.error, one.remedy) for one in there] == [(one.file, one.kind, one.error, one.remedy) for one in here]


def test_captions_of_a_bundle_are_read_alike_or_not_at_all(offline: Offline):
    photos = ["ada-1", "ada-2", "constructor", "__proto__", "0", "length"]
    bundles = [
        zipped(("a.json", GOOD_RECEIPT), ("photos.json", told))
        for told in (
            b'{"ada-1":"A pier","ada-3":"Of no finding","0":"Zero"}',
            b'{"ada-1":1,"ada-2":"","__proto__":"Here, too"}',
            b'["A list"]',
            b'"A text"',
            b"{",
            b"",
            b'{"ada-1":"' + b"a" * 2_000_000 + b'"}',
        )
    ]
    told = ("photos.json", b'{"ada-1":"A pier"}')
    bundles += [
        zipped(told),
        zipped(told, ("a.json", GOOD_RECEIPT))[:-1],
        b"",
        zipped(("b/photos.json", told[1]), ("a.json", GOOD_RECEIPT)),
    ]
    bundles += [zipped(told, ("a.json", GOOD_RECEIPT), ("photo2.json", told[1])).replace(b"photo2.json", b"photos.json")]
    body = """const { bundles, photos } = argument;
      return Promise.all(bundles.map(async (text) => it.captionsIn({ name: "evidence.zip", bytes: bytes(text) }, photos)));"""
    there = offline.evaluate("zip", body, {"bundles": list(map(_b64, bundles)), "photos": photos})
    assert [dict(pairs) for pairs in there] == [python_captions(bundle, photos) for bundle in bundles]
    assert list(map(bool, there)) == [True, True] + [False] * 10


def python_captions(bundle: bytes, photos: list[str]) -> dict[str, str]:
    (*files,) = unpacked(Document("evidence.zip", bundle), BundleLimits(members=10, total_bytes=10**7)).captions
    assert len(files) < 2
    return captions_in(files[0], photos) if files else {}


def test_which_photo_a_finding_is_about_is_read_alike(offline: Offline):
    facts = [Fact(kind, "ada-1", detail=detail) for kind in FactKind for detail in ("", "uid", "owner", "url")]
    told = [asdict(fact) for fact in facts]
    assert offline.evaluate("summary", "return argument.map(it.photoOf);", told) == [fact.photo for fact in facts]


@pytest.mark.parametrize("name", ["ada-3", "ben-0"])
def test_a_proof_has_one_spelling(offline: Offline, run_files: dict[str, bytes], name: str):
    proof, record_file = run_files[f"proof-{name}.json"], next(iter(run_files.items()))
    spelled = {f"{number} {odd}": data for number, (odd, data) in enumerate(odd_spellings(proof))}
    findings = alike(offline, dict([record_file, ("right", proof)]) | spelled, [KEY])
    assert [one.answer for one in findings[:2]] == ["holds", "holds"]
    assert [one.file for one in findings[2:] if one.answer == "holds"] == []


def test_an_entry_proof_has_one_spelling(offline: Offline, list_files: dict[str, bytes]):
    proof = list_files["excluded-uid.json"]
    spelled = {f"{number} {odd}": data for number, (odd, data) in enumerate(odd_spellings(proof))}
    findings = alike(offline, {"head": list_files["head.dsse.json"], "right": proof} | spelled, [KEY])
    assert [one.answer for one in findings[:2]] == ["holds", "holds"]
    assert [one.file for one in findings[2:] if one.answer == "holds"] == []


@pytest.mark.parametrize("letters", [999, 1000, 1001, 5000])
def test_what_a_stranger_wrote_is_shown_in_brief(offline: Offline, letters: int):
    for text in ("a" * letters, "📷" * letters, "a📷" * letters):
        assert offline.evaluate("escaped", "return it.brief(argument);", text) == brief(text)


def test_of_no_findings_nothing_is_said_to_hold(offline: Offline):
    alike(offline, {}, [KEY])
    assert offline.summary["headline"] == "Nothing in it can be checked."
