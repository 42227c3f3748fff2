"""Which queue an outbox row goes to, and who carries it out."""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.mail_account_notice import mail_account_notice
from jobs.mail_receipt import mail_receipt
from jobs.make_thumbnails import make_thumbnails
from jobs.propagate_manifest import propagate_manifest
from jobs.propagate_opt_outs import propagate_opt_outs
from jobs.publish_list import publish_list
from jobs.train_run import train_run
from jobs.update_vectors import update_vectors
from jobs.workplace import Work, Workplace
from rights import imports, optouts, outbox, runs, thumbnails

PROPAGATE = "propagate"
MODEL = "model"
NOTICES = "notices"
THUMBNAILS = "thumbnails"
QUEUES = (PROPAGATE, MODEL, NOTICES, THUMBNAILS)


@dataclass(frozen=True)
class Topic:
    queue: str
    carry_out: Callable[[Workplace, Work], None]


TOPICS = {
    optouts.PROPAGATE_OPT_OUTS: Topic(PROPAGATE, propagate_opt_outs),
    imports.PROPAGATE_MANIFEST: Topic(PROPAGATE, propagate_manifest),
    outbox.PUBLISH_LIST: Topic(PROPAGATE, publish_list),
    outbox.UPDATE_VECTORS: Topic(PROPAGATE, update_vectors),
    runs.TRAIN_RUN: Topic(MODEL, train_run),
    outbox.MAIL_RECEIPT: Topic(NOTICES, mail_receipt),
    outbox.MAIL_ACCOUNT_NOTICE: Topic(NOTICES, mail_account_notice),
    thumbnails.MAKE_THUMBNAILS: Topic(THUMBNAILS, make_thumbnails),
}


def topics_of(queue: str) -> list[str]:
    return [name for name, topic in TOPICS.items() if topic.queue == queue]
