from demur.signing import SigningKey
from jobs.workplace import Work, Workplace, now
from rights.keys import LIST_KEY_FILE
from rights.lists import publish, sync_head


def publish_list(workplace: Workplace, work: Work) -> None:
    """Publishes the next version of the exclusion list: its files, then the commit, then the head (rights.lists says why)."""
    config = workplace.config
    repair_head(workplace)
    with workplace.effect(work) as session:
        publish(
            session,
            config.list_dir,
            SigningKey.load(config.keys_dir / LIST_KEY_FILE),
            list_id=config.list_name,
            lifetime=workplace.list_lifetime,
            now=now(),
        )
    repair_head(workplace)


def repair_head(workplace: Workplace) -> None:
    """Points the head at the newest committed version, which a crash may have prevented."""
    with workplace.reading() as session:
        sync_head(session, workplace.config.list_dir)
