"""What many findings say together. static/verify/summary.js says the same in the browser, and a test compares them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from demur.printing import brief
from demur.receipts import LogKind
from demur.verifying.findings import Answer, Fact, FactKind, Finding

STATED = {
    LogKind.OPT_OUT_FILED.value: "Opt-out filed",
    LogKind.OPT_OUT_LISTED.value: "In the exclusion list",
    LogKind.OPT_OUT_WITHDRAWN.value: "Opt-out withdrawn",
    LogKind.OPT_OUT_DENIED.value: "Opt-out ended",
    LogKind.OPT_OUT_HELD.value: "Opt-out held for a person",
    LogKind.OPT_OUT_RELEASED.value: "Opt-out let take others’ copies out",
    LogKind.OPT_OUT_LIMITED.value: "Opt-out leaves others’ copies in",
    LogKind.PHOTO_CONTESTED.value: "Contested by the photo’s owner",
    LogKind.CONTEST_ACCEPTED.value: "The owner’s contest was granted",
    LogKind.CONTEST_REFUSED.value: "The operator disagreed with the owner",
    LogKind.LIST_PUBLISHED.value: "Exclusion list published",
    LogKind.RUN_RECORDED.value: "Training run recorded",
}
_SHORT = 300  # letters of a name in a line of its own
_PROOFS = (FactKind.EXCLUDED, FactKind.ABSENT, FactKind.USED)


@dataclass(frozen=True)
class Group:
    """Findings of one kind. ``good``: whether they hold and are welcome; that a run used a photo is proved, and nothing to be glad of."""

    title: str
    findings: tuple[Finding, ...]
    good: bool = False
    proofs: bool = False


@dataclass(frozen=True)
class Summary:
    """``answer`` is the worst of all findings; ``lines`` say what those that hold prove together."""

    answer: Answer
    headline: str
    lines: tuple[str, ...]
    groups: tuple[Group, ...]


def summarise(findings: Sequence[Finding]) -> Summary:
    """What findings say together; of none, that nothing could be checked."""
    facts = [finding.fact for finding in findings if finding.fact is not None]
    return Summary(_worst(findings), _headline(findings), tuple(_lines(facts)) if len(findings) > 1 else (), tuple(_groups(findings)))


def label(finding: Finding) -> str:
    """What a finding is about, in a few words; its file's name where it does not hold."""
    return brief(_label(finding.fact), _SHORT) if finding.fact is not None else finding.file


def _label(fact: Fact) -> str:
    match fact.kind:
        case FactKind.RECEIPT:
            return f"{STATED[fact.detail]} · {fact.subject}"
        case FactKind.VERSION:
            return f"Version {fact.version} of the exclusion list {fact.of}"
        case FactKind.ROTATIONS:
            return f"Changes of the key of the exclusion list {fact.of}"
        case FactKind.ENTRIES:
            return f"Entries of version {fact.version} of the exclusion list {fact.of}"
        case FactKind.RUN:
            return f"Record of the run {fact.of}"
        case FactKind.SAMPLES:
            return f"Samples of the run {fact.of}"
        case FactKind.CHECKPOINT:
            return f"Checkpoint of the log {fact.of}"
        case FactKind.EXCLUDED:
            return _of_entry(fact)
        case _:
            return fact.subject


def _worst(findings: Iterable[Finding]) -> Answer:
    answers = {finding.answer for finding in findings}
    return next((answer for answer in (Answer.FAILS, Answer.UNCHECKED, Answer.HOLDS) if answer in answers), Answer.UNCHECKED)


def _headline(findings: Sequence[Finding]) -> str:
    every = len(findings)
    if not every:
        return "Nothing in it can be checked."
    failed, unchecked = (sum(finding.answer is answer for finding in findings) for answer in (Answer.FAILS, Answer.UNCHECKED))
    if every == 1:
        return f"It {findings[0].answer}."
    if not failed and not unchecked:
        return f"All {every} hold."
    parts = [f"{failed} of {every} {'does' if failed == 1 else 'do'} not hold"] if failed else []
    if unchecked:
        parts.append(f"{unchecked} could not be checked" if failed else f"{unchecked} of {every} could not be checked")
    return f"{', '.join(parts)}."


def _lines(facts: Sequence[Fact]) -> Iterable[str]:
    yield from _excluded(facts)
    for run in dict.fromkeys(fact.of for fact in facts if fact.kind in (FactKind.USED, FactKind.ABSENT)):
        used, absent = (
            len({fact.subject for fact in facts if fact.of == run and fact.kind is kind}) for kind in (FactKind.USED, FactKind.ABSENT)
        )
        yield f"{brief(run, _SHORT)} used {_counted(used, 'photo')} and did not use {absent}."
    receipts = sum(fact.kind is FactKind.RECEIPT for fact in facts)
    if receipts:
        yield f"{_counted(receipts, 'receipt')} of what the operator stated."


def _excluded(facts: Sequence[Fact]) -> Iterable[str]:
    """Of each list, what its newest version here excludes, and what the others did: no file proves what was between two versions."""
    names = dict.fromkeys(fact.of for fact in facts if fact.kind is FactKind.EXCLUDED)
    for name in names:
        by_version: dict[int, dict[str, None]] = {}
        for fact in facts:
            if fact.kind is FactKind.EXCLUDED and fact.of == name:
                by_version.setdefault(fact.version, {})[_of_entry(fact)] = None
        newest = max(fact.version for fact in facts if fact.kind in (FactKind.EXCLUDED, FactKind.VERSION) and fact.of == name)
        now = by_version.pop(newest, None)
        of_list = f" of the exclusion list {brief(name, _SHORT)}" if len(names) > 1 else ""
        sentences = (
            [f"{_capital(_subject(now))} {_are(now)} excluded now (version {newest}{of_list}{_obeyed(facts, name, newest)})."]
            if now
            else []
        )
        for version in sorted(by_version, reverse=True):
            runs = _obeyed(facts, name, version)
            count = f"{len(by_version[version])}" if now and len(by_version[version]) > 1 else _subject(by_version[version])
            sentences.append(f"Version {version}{'' if sentences else of_list}{f'{runs},' if runs else ''} excluded {count}.")
        yield " ".join(sentences)


def _subject(excluded: Collection[str]) -> str:
    first = next(iter(excluded))
    one = len(excluded) == 1 and first.startswith("everything of ")
    return brief(first, _SHORT) if one else _counted(len(excluded), "photo")


def _are(excluded: Collection[str]) -> str:
    return "is" if len(excluded) == 1 else "are"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _obeyed(facts: Sequence[Fact], name: str, version: int) -> str:
    """Which of the runs whose records hold obeyed this version."""
    runs = dict.fromkeys(fact.of for fact in facts if fact.kind is FactKind.RUN and (fact.detail, fact.version) == (name, version))
    return f", which {' and '.join(brief(run, _SHORT) for run in runs)} obeyed" if runs else ""


def _of_entry(fact: Fact) -> str:
    """What an entry of the list excludes."""
    return f"everything of {fact.subject}" if fact.detail == "owner" else fact.subject


def _groups(findings: Sequence[Finding]) -> Iterable[Group]:
    for answer, title in ((Answer.FAILS, "Does not hold"), (Answer.UNCHECKED, "Could not be checked")):
        found = tuple(finding for finding in findings if finding.answer is answer)
        if found:
            yield Group(title, found)
    titled = [(_title(finding.fact), finding) for finding in findings if finding.fact is not None]
    for kind, text in sorted(dict.fromkeys(known for known, _ in titled), key=lambda known: _ORDER.index(known[0])):
        members = tuple(finding for known, finding in titled if known == (kind, text))
        yield Group(brief(text, _SHORT), members, good=kind is not FactKind.USED, proofs=kind in _PROOFS)


_ORDER = (FactKind.EXCLUDED, FactKind.ABSENT, FactKind.USED, FactKind.RECEIPT, FactKind.VERSION)


def _title(fact: Fact) -> tuple[FactKind, str]:
    match fact.kind:
        case FactKind.EXCLUDED:
            return fact.kind, f"Excluded by version {fact.version} of the exclusion list {fact.of}"
        case FactKind.ABSENT:
            return fact.kind, f"Not used by {fact.of}"
        case FactKind.USED:
            return fact.kind, f"Used by {fact.of}"
        case FactKind.RECEIPT:
            return fact.kind, "Receipts"
        case _:
            return FactKind.VERSION, "Signed heads, records and checkpoints"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
