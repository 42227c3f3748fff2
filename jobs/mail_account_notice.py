from jobs.mail_receipt import deliver
from jobs.workplace import Work, Workplace, now
from rights.notices import Sender, compose_account_notice, note_account_notice


def mail_account_notice(workplace: Workplace, work: Work) -> None:
    """Mails that a sign-in was linked or unlinked. Talks to the mail server outside of any transaction."""
    config, told = workplace.config, work.payload
    server, mail = config.mail_server, None
    if server:
        sender = Sender(config.mail_from, config.operator_name, config.base_url)
        with workplace.reading() as session:
            mail = compose_account_notice(session, told["account_id"], told["event"], told["owner"], sender, work.outbox_id, now())
    refusal = deliver(server, mail, work.promised_at) if server and mail else None
    with workplace.effect(work) as session:
        if mail:
            note_account_notice(session, told["account_id"], refusal, now())
