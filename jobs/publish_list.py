from demur.tlog.files import LogFiles
from jobs.workplace import Work, Workplace, now
from rights.lists import ListPress, make_public, preparing, publish


def publish_list(workplace: Workplace, work: Work) -> None:
    """Publishes the next version of the exclusion list, in the order that rights.lists gives reasons for."""
    config, keys = workplace.config, workplace.keys
    log = LogFiles(config.log_dir)
    press = ListPress(config.list_dir, keys.list_key(), log, keys.log_key(), config.list_name, workplace.list_lifetime)
    with preparing(workplace.reading, workplace.writing, press, now()) as prepared, workplace.effect(work) as session:
        publish(session, prepared, but=work.outbox_id)


def repair_public(workplace: Workplace) -> None:
    """Brings the log and the list's head up to what is committed, which a crash may have prevented."""
    config = workplace.config
    with workplace.reading() as session:
        make_public(session, config.list_dir, LogFiles(config.log_dir), workplace.keys.log_key())
