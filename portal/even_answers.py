"""What strangers are answered tells yes or no, and nothing besides: both answers have one length, one set of headers, and one moment.

*Work.* The search goes to its end whatever it finds, and reads of no row more than its digest (`rights.lookup.stands`).

*Length.* Whatever differs between yes and no is padded to the longer of the two, since anyone on the wire sees the length of an
encrypted answer. A proxy in front must not compress these answers: that would undo it.

*Moment.* Finding something costs reads that finding nothing does not. So an answer leaves at a whole number of steps after its request
was complete, and a step is longer than nearly every search, so that both answers leave at the first. Counted from the complete request,
not from its beginning: otherwise whoever sends the last byte late could choose where in a step the search falls, and learn from a
missed step how long it took. What is left is how often a search outlasts a step; the rate limit makes that slow to count.
"""

import time

from portal.database import release
from portal.uploads import end_turn

STEP_S = 0.25


def evenly(found: bool, yes: str, no: str) -> str:
    """``yes`` or ``no``, followed by as many spaces as make both equally many bytes."""
    told = yes if found else no
    return told + " " * (max(len(yes.encode()), len(no.encode())) - len(told.encode()))


def wait_for_step(began: float) -> None:
    """Returns a whole number of steps after ``began`` (`time.perf_counter`).

    Meanwhile it holds neither a connection to the database nor a turn to bring pictures.
    """
    release()
    end_turn()
    time.sleep(STEP_S - (time.perf_counter() - began) % STEP_S)
