"""Which queue an outbox row goes to, and who carries it out.

A queue is a lane: nothing in one waits for what is slow in another. ``list`` holds what is quick whatever members send, so that an
opt-out is in effect within seconds; whatever decodes pictures or reads manifests is in other lanes, in turns of a few seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.mail_account_notice import mail_account_notice
from jobs.mail_receipt import mail_receipt
from jobs.mail_taken_notice import mail_taken_notice
from jobs.make_thumbnails import make_thumbnails
from jobs.propagate_manifest import propagate_manifest
from jobs.propagate_opt_outs import propagate_opt_outs
from jobs.publish_list import publish_list
from jobs.search_copies import search_copies
from jobs.train_run import train_run
from jobs.update_vectors import update_vectors
from jobs.workplace import Work, Workplace
from rights import imports, naming, optouts, outbox, runs, thumbnails

LIST = "list"
SEARCH = "search"
VECTORS = "vectors"
MODEL = "model"
NOTICES = "notices"
THUMBNAILS = "thumbnails"
QUEUES = (LIST, SEARCH, VECTORS, MODEL, NOTICES, THUMBNAILS)


@dataclass(frozen=True)
class Topic:
    queue: str
    carry_out: Callable[[Workplace, Work], None]


TOPICS = {
    optouts.PROPAGATE_OPT_OUTS: Topic(LIST, propagate_opt_outs),
    naming.SEARCH_COPIES: Topic(SEARCH, search_copies),
    imports.PROPAGATE_MANIFEST: Topic(SEARCH, propagate_manifest),
    outbox.PUBLISH_LIST: Topic(LIST, publish_list),
    outbox.UPDATE_VECTORS: Topic(VECTORS, update_vectors),
    runs.TRAIN_RUN: Topic(MODEL, train_run),
    outbox.MAIL_RECEIPT: Topic(NOTICES, mail_receipt),
    outbox.MAIL_ACCOUNT_NOTICE: Topic(NOTICES, mail_account_notice),
    outbox.MAIL_TAKEN_NOTICE: Topic(NOTICES, mail_taken_notice),
    thumbnails.MAKE_THUMBNAILS: Topic(THUMBNAILS, make_thumbnails),
}


def topics_of(queue: str) -> list[str]:
    return [name for name, topic in TOPICS.items() if topic.queue == queue]
