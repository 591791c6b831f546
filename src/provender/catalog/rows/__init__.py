"""The tables. A row holds the core value as JSON, beside the columns that queries need.

There are no relationships, so nothing loads lazily. ``SCHEMA`` is the Alembic revision that
makes these tables; the full-text indices beside them differ by database and are made there too.
"""

from provender.catalog.rows.audit import AuditRow, CheckpointRow
from provender.catalog.rows.columns import Row, UtcDateTime, Value, utc_of
from provender.catalog.rows.datasets import (
    AssignmentRow,
    CounterRow,
    DatasetNameRow,
    DatasetRow,
    DatasetTermRow,
    GrantRow,
    OwnerRow,
    VersionRow,
)
from provender.catalog.rows.features import (
    ModelRow,
    ProjectRow,
    RepoRow,
    ServingManifestRow,
    TrainingSetRow,
)
from provender.catalog.rows.governance import (
    DomainRow,
    PersonRow,
    PurposeRow,
    RuleRow,
    TagRow,
    TeamRow,
    TermRow,
)
from provender.catalog.rows.history import GovernedRow, HistoryRow, IdempotencyRow
from provender.catalog.rows.lineage import CarriedRow, EdgeRow, FactRow, NodeRow, RestsOnRow
from provender.catalog.rows.requests import BreakGlassRow, RequestedRow, RequestRow
from provender.catalog.rows.search import (
    FacetCountRow,
    FacetValueRow,
    PastDocumentRow,
    PastRestsOnRow,
    ScopeRow,
    SearchDocumentRow,
    SearchTagRow,
    SearchTextRow,
    SearchWordRow,
    StubRow,
    SynonymRow,
    UnansweredRow,
)
from provender.catalog.rows.sessions import SessionRow
from provender.catalog.rows.tokens import TokenRow
from provender.catalog.rows.versions import (
    CheckRow,
    ConsumptionRow,
    ContractRow,
    ErasureRow,
    HoldRow,
    ProfileRow,
    RepresentationRow,
    RetentionRow,
)

SCHEMA = "0021"

__all__ = [
    "SCHEMA",
    "AssignmentRow",
    "AuditRow",
    "BreakGlassRow",
    "CarriedRow",
    "CheckRow",
    "CheckpointRow",
    "ConsumptionRow",
    "ContractRow",
    "CounterRow",
    "DatasetNameRow",
    "DatasetRow",
    "DatasetTermRow",
    "DomainRow",
    "EdgeRow",
    "ErasureRow",
    "FacetCountRow",
    "FacetValueRow",
    "FactRow",
    "GovernedRow",
    "GrantRow",
    "HistoryRow",
    "HoldRow",
    "IdempotencyRow",
    "ModelRow",
    "NodeRow",
    "OwnerRow",
    "PastDocumentRow",
    "PastRestsOnRow",
    "PersonRow",
    "ProfileRow",
    "ProjectRow",
    "PurposeRow",
    "RepoRow",
    "RepresentationRow",
    "RequestRow",
    "RequestedRow",
    "RestsOnRow",
    "RetentionRow",
    "Row",
    "RuleRow",
    "ScopeRow",
    "SearchDocumentRow",
    "SearchTagRow",
    "SearchTextRow",
    "SearchWordRow",
    "ServingManifestRow",
    "SessionRow",
    "StubRow",
    "SynonymRow",
    "TagRow",
    "TeamRow",
    "TermRow",
    "TokenRow",
    "TrainingSetRow",
    "UnansweredRow",
    "UtcDateTime",
    "Value",
    "VersionRow",
    "utc_of",
]
