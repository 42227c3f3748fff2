from demur.tlog.files import LogFiles
from jobs.workplace import Work, Workplace, now
from rights.lists import make_public, publish


def publish_list(workplace: Workplace, work: Work) -> None:
    """Publishes the next version of the exclusion list: its files, then the commit, then log and head (rights.lists says why)."""
    config = workplace.config
    repair_public(workplace)
    with workplace.effect(work) as session:
        publish(
            session,
            config.list_dir,
            workplace.keys.list_key(),
            workplace.keys.log_key(),
            list_id=config.list_name,
            lifetime=workplace.list_lifetime,
            now=now(),
        )
    repair_public(workplace)


def repair_public(workplace: Workplace) -> None:
    """Brings the log and the list's head up to what is committed, which a crash may have prevented."""
    config = workplace.config
    with workplace.reading() as session:
        make_public(session, config.list_dir, LogFiles(config.log_dir), workplace.keys.log_key())
