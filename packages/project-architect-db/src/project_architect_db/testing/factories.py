"""Factories of the four entities: what they ``build()`` can be given to a repository.

The same test gets the same values in every run. Children get a project of their own unless
they are told one: ``DocumentFactory.build(project_id=project.id)``.
"""

from __future__ import annotations

from typing import Any

from andamios_orm.testing.factories import ModelFactory
from project_architect_db.models import Conversation, Document, Project, Repository

__all__ = [
    "CodeRepositoryFactory",
    "ConversationFactory",
    "DocumentFactory",
    "ProjectFactory",
]

_FRAMEWORKS = ("FastAPI", "Django", "Flask", "React", "Vue", "Rails")
_PARTS = ("billing", "search", "reports", "accounts", "catalogue", "messages")


class ProjectFactory(ModelFactory[Project]):
    """Makes projects with an idea and an architecture that one could believe."""

    source = None
    is_sample = True

    @classmethod
    def name(cls) -> str:
        """Return a name."""
        return f"{cls.__random__.choice(_PARTS)} {cls.__random__.randrange(1_000)}"

    @classmethod
    def description(cls) -> str:
        """Return a description."""
        return f"Everything about {cls.__random__.choice(_PARTS)}"

    @classmethod
    def project_idea(cls) -> str:
        """Return an idea that is long enough."""
        return f"A service for {cls.__random__.choice(_PARTS)} that a small team can keep up"

    @classmethod
    def architecture(cls) -> dict[str, Any]:
        """Return an architecture with a framework and parts."""
        return {
            "framework": cls.__random__.choice(_FRAMEWORKS),
            "services": cls.__random__.sample(_PARTS, cls.__random__.randrange(1, 4)),
            "dependencies": cls.__random__.randrange(40),
        }


class ConversationFactory(ModelFactory[Conversation]):
    """Makes conversations without messages: ``build(messages=[...])`` has some."""

    title = "Where to begin"


class DocumentFactory(ModelFactory[Document]):
    """Makes documents with some words in them."""

    file_path = None

    @classmethod
    def name(cls) -> str:
        """Return a name."""
        return f"On {cls.__random__.choice(_PARTS)}"

    @classmethod
    def content(cls) -> str:
        """Return a content of a few words."""
        parts = cls.__random__.choices(_PARTS, k=8)
        return f"# {parts[0]}\n\n{' '.join(parts)}\n"


class CodeRepositoryFactory(ModelFactory[Repository]):
    """Makes repositories of code that nobody has synchronised yet."""

    description = "What the team builds"
    github_url = None
    default_branch = "main"
    language = "Python"
    stars = None
    forks = None
    open_issues = None
    pushed_at = None
    synced_at = None

    @classmethod
    def name(cls) -> str:
        """Return a name."""
        return f"{cls.__random__.choice(_PARTS)}-{cls.__random__.randrange(1_000)}"
