"""What a receipt proves, in plain words, and what it does not. static/verify says the same in the browser, and a test compares them."""

from demur.fields import rfc3339
from demur.receipts.statement import LogKind, Statement

_NOT = {
    LogKind.OPT_OUT_FILED: "That a training run obeyed it: the list's receipt and a run's evidence show that.",
    LogKind.OPT_OUT_LISTED: "That a training run obeyed the list: a run's evidence shows that. Nor that it was not withdrawn since.",
    LogKind.OPT_OUT_WITHDRAWN: "That no other opt-out of the same photos is in force.",
    LogKind.OPT_OUT_DENIED: "That it was right to end it, nor that no other opt-out of the same photos is in force.",
    LogKind.OPT_OUT_HELD: "That it was right to hold it, nor how a person decided.",
    LogKind.OPT_OUT_RELEASED: "That it was right, nor which copies they are.",
    LogKind.OPT_OUT_LIMITED: "That it was right, nor that no other opt-out takes these copies out.",
    LogKind.PHOTO_CONTESTED: "How the operator decided.",
    LogKind.CONTEST_ACCEPTED: "That it was right, nor that no other opt-out takes the same photos out.",
    LogKind.CONTEST_REFUSED: "That it was right to refuse.",
    LogKind.LIST_PUBLISHED: "That everyone's opt-out is in it, or that anybody trained by it.",
    LogKind.RUN_RECORDED: "That the run's record is true: only training it again could show that.",
}


def in_words(statement: Statement, leaf_index: int, log: str, size: int) -> tuple[str, str]:
    """What is proved, and what not, by a receipt that verified with the checkpoint of ``log`` over ``size`` leaves."""
    committed = f"It is leaf {leaf_index} of the log {log}, whose first {size} leaves are signed: the operator cannot deny or change it."
    return f"The operator stated on {rfc3339(statement.at)} that {_stated(statement)}. {committed}", _NOT[statement.kind]


def _stated(statement: Statement) -> str:
    listed = statement.exclusion_list
    version = f"version {listed.version} of the exclusion list {listed.list_id}" if listed else "no exclusion list"
    match statement.kind:
        case LogKind.OPT_OUT_FILED:
            return f"the opt-out {statement.reference} was filed for {_subjects(statement)}"
        case LogKind.OPT_OUT_LISTED:
            return f"{version} excludes what the opt-out {statement.reference} is about: {_subjects(statement)}"
        case LogKind.OPT_OUT_WITHDRAWN:
            return f"the opt-out {statement.reference} was withdrawn for {_subjects(statement)}"
        case LogKind.OPT_OUT_DENIED:
            return f"the opt-out {statement.reference} was ended for {_subjects(statement)}, not by its member"
        case LogKind.OPT_OUT_HELD:
            return f"the opt-out {statement.reference} for {_subjects(statement)} takes nothing of others out until a person has looked"
        case LogKind.OPT_OUT_RELEASED:
            return f"a person let the opt-out {statement.reference} for {_subjects(statement)} take copies out that others posted"
        case LogKind.OPT_OUT_LIMITED:
            return f"a person decided that the opt-out {statement.reference} for {_subjects(statement)} leaves copies in that others posted"
        case LogKind.PHOTO_CONTESTED:
            return f"the owner of {_subjects(statement)} contested an opt-out by somebody else"
        case LogKind.CONTEST_ACCEPTED:
            return f"the contest by the owner of {_subjects(statement)}, against an opt-out by somebody else, was granted"
        case LogKind.CONTEST_REFUSED:
            return f"the operator disagreed with the owner of {_subjects(statement)}, who contested an opt-out by somebody else"
        case LogKind.LIST_PUBLISHED:
            return f"{version} was published, with the root {listed.root if listed else ''}"
        case LogKind.RUN_RECORDED:
            run = f"the run {statement.run_name} ({statement.run_id})"
            return f"the record {statement.record_digest} of {run} was verified; it obeyed {version}"


def _subjects(statement: Statement) -> str:
    """What an opt-out is about."""
    parts = (
        _counted("photo", statement.photos),
        _counted("looked-up picture", statement.pictures),
        *(f"all photos of {owner}, now and later" for owner in statement.owners),
    )
    return " and ".join(part for part in parts if part)


def _counted(word: str, names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return f"the {word} {names[0]}"
    return f"{len(names)} {word}s" if names else ""
