from jobs.mail_receipt import deliver
from jobs.workplace import Work, Workplace, now
from rights.notices import Sender, note_account_notice
from rights.taken_notices import compose_taken_notice, note_told


def mail_taken_notice(workplace: Workplace, work: Work) -> None:
    """Mails an owner that others' opt-outs took photos of theirs out. Talks to the mail server outside of any transaction."""
    config, server, account_id = workplace.config, workplace.config.mail_server, work.payload["account_id"]
    notice = None
    if server:
        sender = Sender(config.mail_from, config.operator_name, config.base_url)
        with workplace.reading() as session:
            notice = compose_taken_notice(session, account_id, sender, work.outbox_id, now())
    refusal = deliver(server, notice.mail, work.promised_at) if server and notice else None
    with workplace.effect(work) as session:
        note_told(session, account_id, notice, work.outbox_id, now())
        if notice:
            note_account_notice(session, account_id, refusal, now())
