"""What analytics answer: typed figures, each defined by its docstring."""

from __future__ import annotations

from project_architect_db.schemas.analytics.conversations import (
    Bottleneck,
    ConversationFlowMetrics,
    ConversationMetrics,
    FunnelStep,
    PhaseFlow,
    RoleMessages,
)
from project_architect_db.schemas.analytics.documents import DocumentUsageStats
from project_architect_db.schemas.analytics.lifecycle import (
    Attention,
    AttentionItem,
    AttentionReason,
    CrossEntityMetrics,
    Milestone,
    ResourceUse,
    TopProjects,
)
from project_architect_db.schemas.analytics.periods import DateRange
from project_architect_db.schemas.analytics.projects import ProjectAnalytics, ProjectMetrics
from project_architect_db.schemas.analytics.repositories import (
    ContributorShare,
    HealthPart,
    HealthScore,
    RepositoryHealth,
    RepositoryHealthMetrics,
    ScoredRepository,
)
from project_architect_db.schemas.analytics.results import AnalyticsResult, ExecutedStatement
from project_architect_db.schemas.analytics.series import (
    Dashboard,
    SeriesChange,
    TimePoint,
    TimeSeriesData,
)
from project_architect_db.schemas.analytics.statistics import (
    Distribution,
    DurationStatistics,
    NamedCount,
)

__all__ = [
    "AnalyticsResult",
    "Attention",
    "AttentionItem",
    "AttentionReason",
    "Bottleneck",
    "ContributorShare",
    "ConversationFlowMetrics",
    "ConversationMetrics",
    "CrossEntityMetrics",
    "Dashboard",
    "DateRange",
    "Distribution",
    "DocumentUsageStats",
    "DurationStatistics",
    "ExecutedStatement",
    "FunnelStep",
    "HealthPart",
    "HealthScore",
    "Milestone",
    "NamedCount",
    "PhaseFlow",
    "ProjectAnalytics",
    "ProjectMetrics",
    "RepositoryHealth",
    "RepositoryHealthMetrics",
    "ResourceUse",
    "RoleMessages",
    "ScoredRepository",
    "SeriesChange",
    "TimePoint",
    "TimeSeriesData",
    "TopProjects",
]
