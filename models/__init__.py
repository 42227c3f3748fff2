"""SQLAlchemy tables: people and decisions. Manifest rows, by the billion, are in catalogues (demur.manifests), not here."""

from models.account import Account
from models.acknowledgement import Acknowledgement
from models.api_token import ApiToken
from models.audit_event import AuditEvent
from models.base import Base, new_public_id
from models.engine import make_engine, make_sessions, writing
from models.exclusion_entry import ExclusionEntry
from models.exclusion_list_version import ExclusionListVersion
from models.exemption import Exemption
from models.identity import Identity
from models.log_entry import LogEntry
from models.manifest import Manifest, ManifestState
from models.opt_out import EndedBy, OptOut, OptOutMatch, OptOutOrigin, OptOutScope
from models.outbox import Outbox
from models.past_entry import PastEntry
from models.platform_event import PlatformEvent
from models.rights_request import Regime, RequestKind, RequestState, RightsRequest, RightsRequestEvent
from models.ticked_photos import TickedPhotos
from models.training_run import FailureReason, RunState, TrainingRun, TrainingRunManifest
from models.used_logout_token import UsedLogoutToken
from models.web_session import WebSession

__all__ = [
    "Account",
    "Acknowledgement",
    "ApiToken",
    "AuditEvent",
    "Base",
    "EndedBy",
    "ExclusionEntry",
    "ExclusionListVersion",
    "Exemption",
    "FailureReason",
    "Identity",
    "LogEntry",
    "Manifest",
    "ManifestState",
    "OptOut",
    "OptOutMatch",
    "OptOutOrigin",
    "OptOutScope",
    "Outbox",
    "PastEntry",
    "PlatformEvent",
    "Regime",
    "RequestKind",
    "RequestState",
    "RightsRequest",
    "RightsRequestEvent",
    "RunState",
    "TickedPhotos",
    "TrainingRun",
    "TrainingRunManifest",
    "UsedLogoutToken",
    "WebSession",
    "make_engine",
    "make_sessions",
    "new_public_id",
    "writing",
]
