"""Carrying opt-outs into the manifests and towards the list.

What an opt-out reaches is found beforehand (rights.reach). ``apply_propagation`` then locks the opt-outs, checks that they still stand,
and writes what is not written yet: doing it twice, or by two workers at once, has one effect.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, exists, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session, undefer

from demur.exclusions import Entry, KeyKind
from demur.receipts import LogKind
from demur.similarity.rules import MatchKind
from models import ExclusionEntry, OptOut, OptOutMatch, OptOutScope
from rights import audit, outbox
from rights.batches import batched
from rights.hashes import Hashes
from rights.listed import keep_spans
from rights.locks import lock_entries_shared
from rights.naming import promise_search
from rights.own import own_owners
from rights.propagation_plan import FoundRow, Place, Plan, Subject, can_be_kept, plan_propagation
from rights.reach import Finding, exempted
from rights.reach_limits import Hold, Limits, PhotoOf, held_together
from rights.reached import lock_members, reached_by_members
from rights.standing import undecided
from rights.statements import state_of_requests, state_outcome
from rights.taken_notices import promise_notices

ENTRIES = 3000  # revived by one statement: three values each


def apply_propagation(session: Session, findings: Mapping[int, Finding], *, limits: Limits, now: datetime, complete: bool = True) -> int:
    """Writes what follows from what was found, where it is not written yet, and returns how many opt-outs still stood.

    From an opt-out of everything, photos may have been put back: then what no longer follows ends. Where another one was put back since
    the findings, nothing is written: whoever put it back promised another propagation.

    ``complete``: the findings are of all manifests, so that the opt-outs are propagated. False when they are of a new manifest alone.
    """
    lock_entries_shared(session)
    lock_members(session, list(findings))
    standing = select(OptOut).where(OptOut.id.in_(list(findings)), OptOut.withdrawn_at.is_(None))
    opt_outs = session.scalars(
        standing.order_by(OptOut.id).options(undefer(OptOut.variants)).with_for_update().execution_options(populate_existing=True)
    ).all()
    exempt = exempted(session, [opt_out.id for opt_out in opt_outs])
    opt_outs = [opt_out for opt_out in opt_outs if exempt.get(opt_out.id, frozenset()) == findings[opt_out.id].exempt]
    own, held = own_owners(session, opt_outs), []
    written = _Written.of(session, opt_outs, own)
    plans = _plan(session, opt_outs, findings, written, limits, now)
    for opt_out in opt_outs:
        finding, plan = findings[opt_out.id], plans[opt_out.id]
        written.add(opt_out.id, plan)
        if plan.hold and not opt_out.held:
            hold(session, opt_out, plan.hold, own[opt_out.id], now)
            held.append(opt_out)
            written.ended[opt_out.id] = written.entries[opt_out.id]  # also its own, of which the plan has what stays
        if finding.exempt or plan.held:
            revive(session, written.ended[opt_out.id] & set(plan.entries), opt_out.id)
        if finding.exempt and complete and finding.whole:
            _end_rest(session, opt_out.id, plan, now)
        _learn(opt_out, finding)
        if plan.entries and not (plan.held and opt_out.scope is OptOutScope.PICTURE):
            opt_out.named_at = opt_out.named_at or now  # a picture that is held, or in no manifest, does not take effect
        whole = complete and finding.whole
        if whole and opt_out.propagated_at is None:
            opt_out.propagated_at = now
        if not whole and opt_out in held:
            search_again(session, opt_out, now)
    written.insert(session)
    name_decided(session, opt_outs, now)
    state_of_requests(session, LogKind.OPT_OUT_HELD, held, now)
    promise_notices(session, written.newly_taken, now)
    session.flush()
    return len(opt_outs)


def revive(session: Session, entries: Collection[Entry], opt_out_id: int) -> None:
    """Names again what ended before: a photo that was put back may share its bytes or looks with one that came later.

    In which versions it was before stays written down: runs obeyed them.
    """
    entry = ExclusionEntry
    out = entry.until_version.is_not(None)
    values = {"ended": False, "since_version": case((out, None), else_=entry.since_version), "until_version": None}
    for some in batched(list(entries), ENTRIES):
        same = tuple_(entry.kind, entry.key, entry.pdq).in_([(one.kind.value, one.key, one.pdq) for one in some])
        keep_spans(session, entry.until_version, entry.opt_out_id == opt_out_id, same, out)
        session.execute(update(entry).where(entry.opt_out_id == opt_out_id, same).values(values))


def _end_rest(session: Session, opt_out_id: int, plan: Plan, now: datetime) -> None:
    """Ends the entries and forgets the rows that no longer follow from an opt-out of everything, since photos were put back.

    Owners who contested such a row were right.
    """
    entry, match, kept, places = ExclusionEntry, OptOutMatch, set(plan.entries), {row.place for row in plan.rows}
    columns = select(entry.id, entry.kind, entry.key, entry.pdq).where(entry.opt_out_id == opt_out_id, entry.ended.is_(False))
    ended = [entry_id for entry_id, kind, key, pdq in session.execute(columns) if Entry(KeyKind(kind), key, pdq) not in kept]
    rows = select(match.id, match.manifest_id, match.position).where(match.opt_out_id == opt_out_id)
    rows = rows.where(match.accepted_at.is_(None), match.declined_at.is_(None))
    gone = [match_id for match_id, *place in session.execute(rows) if tuple(place) not in places]
    for some in batched(ended):
        session.execute(update(entry).where(entry.id.in_(some)).values(ended=True))
    for some in batched(gone):
        contested = select(match).where(match.id.in_(some), match.contested_at.is_not(None))
        state_outcome(session, session.scalars(contested).all(), LogKind.CONTEST_ACCEPTED, now)
        session.execute(delete(match).where(match.id.in_(some)))


def _learn(opt_out: OptOut, finding: Finding) -> None:
    """Keeps what the manifests told about a photo, or a looked-up picture, so that its copies are found when the file itself is gone."""
    if finding.decoded:
        opt_out.decoded = True
    elif opt_out.scope is not OptOutScope.PHOTO or opt_out.variants:
        return
    known = Hashes.of_opt_out(opt_out)
    for picture in finding.pictures:
        if picture.identity == known.identity or not known.known:
            for column, value in picture.columns().items():
                setattr(opt_out, column, value)
            return


def _plan(
    session: Session, opt_outs: Sequence[OptOut], findings: Mapping[int, Finding], written: "_Written", limits: Limits, now: datetime
) -> dict[int, Plan]:
    """The plan of each opt-out: by itself first, then held where several go too far together."""

    def planned(opt_out: OptOut, hold: Hold | None = None) -> Plan:
        finding = findings[opt_out.id]
        subject = written.subject(opt_out, finding)
        return plan_propagation(replace(subject, hold=subject.hold or hold), finding.pictures, finding.rows, limits)

    plans = {opt_out.id: planned(opt_out) for opt_out in opt_outs}
    reaching = [opt_out for opt_out in opt_outs if plans[opt_out.id].taken]
    reached = reached_by_members(session, reaching, {opt_out.id: plans[opt_out.id].taken for opt_out in opt_outs}, now)
    together = held_together(reached, limits)
    return plans | {opt_out.id: planned(opt_out, together[opt_out.id]) for opt_out in reaching if opt_out.id in together}


def hold(session: Session, opt_out: OptOut, because: Hold, owners: Collection[str], now: datetime) -> None:
    """From now on nothing of others follows from the opt-out, until a person decides; what it names of its own ``owners`` stays.

    Whoever calls it states it (LogKind.OPT_OUT_HELD), together with others of the same request.
    """
    entry, match = ExclusionEntry, OptOutMatch
    opt_out.held, opt_out.held_because = True, because.value
    if opt_out.scope is OptOutScope.PICTURE and opt_out.effective_version is None:
        opt_out.named_at = None  # no version of the list says that it is in effect before somebody decided: name_decided
    session.flush()
    own = select(match.uid).where(match.opt_out_id == opt_out.id, or_(match.owner.in_(owners), match.accepted_at.is_not(None)))
    stays = or_(entry.kind == KeyKind.OWNER, and_(entry.kind == KeyKind.UID, or_(entry.key == opt_out.subject, entry.key.in_(own))))
    session.execute(update(entry).where(entry.opt_out_id == opt_out.id, ~stays, entry.ended.is_(False)).values(ended=True))
    others = update(match).where(match.opt_out_id == opt_out.id, match.owner.not_in(owners), match.kind != MatchKind.PROPOSED)
    session.execute(others.values(kind=MatchKind.PROPOSED))
    audit.record(session, audit.SYSTEM, "opt_out.held", opt_out.public_id, {"because": because.value}, now)
    outbox.add_publication(session, now)


def search_again(session: Session, opt_out: OptOut, now: datetime) -> None:
    """Its own rows' addresses and looks ended with the rest, and a search of everything names them again."""
    opt_out.propagated_at = None
    promise_search(session, opt_out.owner, now)


def name_decided(session: Session, opt_outs: Sequence[OptOut], now: datetime) -> None:
    """A held picture takes effect once nothing of it waits for a person, and the list names something of it: by whatever comes last."""
    waiting = exists().where(OptOutMatch.opt_out_id == OptOut.id, undecided())
    named = exists().where(ExclusionEntry.opt_out_id == OptOut.id, ExclusionEntry.ended.is_(False))
    session.flush()
    for some in batched([opt_out.id for opt_out in opt_outs if opt_out.held and opt_out.named_at is None]):
        for opt_out in session.scalars(select(OptOut).where(OptOut.id.in_(some), ~waiting, named)):
            opt_out.named_at = now


_MATCH_COLUMNS: tuple[Any, ...] = (
    OptOutMatch.id,
    OptOutMatch.opt_out_id,
    OptOutMatch.manifest_id,
    OptOutMatch.position,
    OptOutMatch.uid,
    OptOutMatch.owner,
    OptOutMatch.kind,
    OptOutMatch.accepted_at,
    OptOutMatch.declined_at,
    OptOutMatch.contested_at,
)


@dataclass
class _Written:
    """What was written before of some opt-outs, and what is to be added."""

    own: Mapping[int, frozenset[str]] = field(default_factory=dict)
    rows: dict[int, set[Place]] = field(default_factory=lambda: defaultdict(set))
    undecided: dict[int, dict[Place, int]] = field(default_factory=lambda: defaultdict(dict))  # proposals, by place the id
    taken: dict[int, set[PhotoOf]] = field(default_factory=lambda: defaultdict(set))  # photos of others that go by themselves
    accepted: dict[int, set[Place]] = field(default_factory=lambda: defaultdict(set))  # proposals that a person took
    refused: dict[int, set[Place]] = field(default_factory=lambda: defaultdict(set))  # that a person declined, or their owner contests
    entries: dict[int, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    ended: dict[int, set[Entry]] = field(default_factory=lambda: defaultdict(set))  # of those entries
    new_rows: list[dict[str, Any]] = field(default_factory=list)
    gone: dict[MatchKind, list[int]] = field(default_factory=lambda: defaultdict(list))  # ids of rows that were proposals, and go now
    new_entries: list[dict[str, Any]] = field(default_factory=list)
    newly_taken: set[str] = field(default_factory=set)  # others of whom photos go now

    @classmethod
    def of(cls, session: Session, opt_outs: Sequence[OptOut], own: Mapping[int, frozenset[str]]) -> "_Written":
        written, ids = cls(own), [opt_out.id for opt_out in opt_outs]
        entry = ExclusionEntry
        for row in session.execute(select(*_MATCH_COLUMNS).where(OptOutMatch.opt_out_id.in_(ids))):
            written._remember(row)
        entries = select(entry.opt_out_id, entry.kind, entry.key, entry.pdq, entry.ended).where(entry.opt_out_id.in_(ids))
        for opt_out_id, kind, key, pdq, ended in session.execute(entries):
            known = Entry(KeyKind(kind), key, pdq)
            written.entries[opt_out_id].add(known)
            if ended:
                written.ended[opt_out_id].add(known)
        return written

    def _remember(self, match: Any) -> None:
        opt_out_id, place = match.opt_out_id, (match.manifest_id, match.position)
        self.rows[opt_out_id].add(place)
        if match.accepted_at is not None:
            self.accepted[opt_out_id].add(place)
        if match.kind != MatchKind.PROPOSED:
            if match.owner not in self.own[opt_out_id]:
                self.taken[opt_out_id].add((match.owner, match.uid))
        elif match.declined_at or match.contested_at:
            self.refused[opt_out_id].add(place)
        elif not match.accepted_at:
            self.undecided[opt_out_id][place] = match.id

    def subject(self, opt_out: OptOut, finding: Finding) -> Subject:
        """The opt-out as the plan sees it."""
        hold = Hold(opt_out.held_because) if opt_out.held else Hold.COUNTLESS if finding.countless else None
        return Subject(
            opt_out.scope,
            opt_out.owner,
            opt_out.subject,
            hold,
            before=frozenset(self.taken[opt_out.id]),
            accepted=frozenset(self.accepted[opt_out.id]),
            refused=frozenset(self.refused[opt_out.id] - self.accepted[opt_out.id]),
            whole=not finding.exempt,
            decoded=opt_out.decoded or finding.decoded,
            linked=self.own[opt_out.id],
        )

    def add(self, opt_out_id: int, plan: Plan) -> None:
        for row in plan.rows:
            if row.place not in self.rows[opt_out_id] and can_be_kept(row.uid + row.owner):
                self.new_rows.append({"opt_out_id": opt_out_id, **_columns(row)})
            elif row.kind is not MatchKind.PROPOSED and row.place in self.undecided[opt_out_id]:
                self.gone[row.kind].append(self.undecided[opt_out_id][row.place])
            else:
                continue
            if row.kind is not MatchKind.PROPOSED and row.owner not in self.own[opt_out_id]:
                self.newly_taken.add(row.owner)
        for entry in plan.entries:
            if entry not in self.entries[opt_out_id]:
                values = {"kind": entry.kind, "key": entry.key, "pdq": entry.pdq, "ended": False}
                self.new_entries.append({"opt_out_id": opt_out_id, **values})

    def insert(self, session: Session) -> None:
        for table, rows in ((OptOutMatch, self.new_rows), (ExclusionEntry, self.new_entries)):
            if rows:
                session.execute(insert(table), rows)
        for kind, ids in self.gone.items():
            for some in batched(ids):
                session.execute(update(OptOutMatch).where(OptOutMatch.id.in_(some)).values(kind=kind))


def _columns(row: FoundRow) -> dict[str, Any]:
    """What is remembered of a row; all else is in its catalogue."""
    names = ("manifest_id", "position", "uid", "owner", "kind", "phash_distance", "pdq_distance", "edit", "dihedral")
    return {name: getattr(row, name) for name in names}
