from jobs.publish_list import repair_public
from jobs.workplace import Work, Workplace
from rights.vectors import VectorsOffice


def update_vectors(workplace: Workplace, work: Work) -> None:
    """Brings every registered manifest's deletion vectors to the newest version of the list; what an earlier attempt did stays done."""
    config = workplace.config
    repair_public(workplace)  # the version that promised this may be committed, but not yet be public
    office = VectorsOffice(workplace.reading, workplace.catalogues, config.list_dir, config.vectors_dir, workplace.keys.list_key())
    office.update_in_turn(lambda done, total, stage: work.pause())
    with workplace.effect(work):
        pass  # the files are the effect; the row is done once they are durable
