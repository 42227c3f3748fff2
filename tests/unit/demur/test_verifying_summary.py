"""What many findings say together: no more than the files prove. The browser's summary says the same (test_verifying_in_the_browser.py)."""

from demur.verifying import Answer, Finding, summarise
from demur.verifying.findings import Fact, FactKind


def holds(fact: Fact) -> Finding:
    return Finding("file", "kind", Answer.HOLDS, fact=fact)


def excluded(version: int, *uids: str) -> list[Finding]:
    return [holds(Fact(FactKind.EXCLUDED, uid, "demo", version, "uid")) for uid in uids]


def head(version: int) -> Finding:
    return holds(Fact(FactKind.VERSION, of="demo", version=version))


RUN_3 = holds(Fact(FactKind.RUN, "r-3", "Run 3", 10, "demo"))


def test_after_a_photo_was_put_back_the_newest_version_and_the_obeyed_one_are_told_apart():
    photos = [f"ada-{number}" for number in range(6)]
    findings = [head(10), head(11), RUN_3, *excluded(10, *photos), *excluded(11, *photos[1:])]
    assert summarise(findings).lines == ("5 photos are excluded now (version 11). Version 10, which Run 3 obeyed, excluded 6.",)


def test_what_only_an_older_version_excluded_is_not_said_to_be_excluded_now():
    assert summarise([head(10), head(11), RUN_3, *excluded(10, "ada-1")]).lines == ("Version 10, which Run 3 obeyed, excluded 1 photo.",)


def test_one_version_alone_says_nothing_of_when_it_began():
    assert summarise([head(4), *excluded(4, "ada-1", "ada-2")]).lines == ("2 photos are excluded now (version 4).",)
