from datetime import datetime, timedelta
from email.message import EmailMessage

from config import MailServer
from demur.exclusions.sources import DirectorySource
from demur.signing import VerifyKey
from demur.tlog.reader import LogReader
from jobs.smtp import MailRefused, send
from jobs.workplace import Work, Workplace, now
from rights.notices import Sender, compose_receipt, note_mailed
from rights.public_keys import LOG_VERIFIER_FILE

PATIENCE = timedelta(days=5)  # for a recipient whose server says "later": as long as mail servers try (RFC 5321, section 4.5.4.1)


def mail_receipt(workplace: Workplace, work: Work) -> None:
    """Mails the receipt of a log entry, or notes that it was refused for good. Talks to the mail server outside of any transaction."""
    entry_id: int = work.payload["log_entry_id"]
    server = workplace.config.mail_server
    mail = _composed(workplace, entry_id) if server else None  # there was one when the mail was promised
    refusal = deliver(server, mail, work.promised_at) if server and mail else None
    with workplace.effect(work) as session:
        if mail:
            note_mailed(session, entry_id, refusal, now())


def _composed(workplace: Workplace, entry_id: int) -> EmailMessage | None:
    config = workplace.config
    log = LogReader(DirectorySource(config.log_dir).read, VerifyKey.load(config.keys_dir / LOG_VERIFIER_FILE))
    with workplace.reading() as session:
        return compose_receipt(session, log, entry_id, Sender(config.mail_from, config.operator_name, config.base_url), now())


def deliver(server: MailServer, mail: EmailMessage, promised_at: datetime) -> int | None:
    """The code by which the mail was refused for good, if it was. Raises MailServerAway; MailRefused while it is worth another try."""
    try:
        send(server, mail)
    except MailRefused as refused:
        if refused.for_good or now() - promised_at > PATIENCE:
            return refused.code
        raise
    return None
