from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload, with_loader_criteria
from sqlalchemy.orm.exc import StaleDataError

from andamios_orm.core.records import Entity
from axai_pg.data.models import (
    Base,
    Collection,
    Document,
    DocumentPermission,
    DocumentStatus,
    DocumentTopic,
    DocumentVersion,
    GraphNode,
    GraphRelationship,
    Organization,
    Permission,
    PersonalDataRequest,
    ProcessingStatus,
    Role,
    RolePermission,
    Summary,
    Topic,
    User,
    UserRole,
)
from axai_pg.data.models.base import TenantMixin
from axai_pg.data.models.security import Action

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def document(session: Session, user: User) -> Document:
    made = Document(title="Plan", content="Grüße aus dem Tal", owner_id=user.id, language="de")
    session.add(made)
    session.flush()
    return made


def violated(session: Session) -> str:
    """Return the rule that what is pending breaks."""
    with pytest.raises(IntegrityError) as refused, session.begin_nested():
        session.flush()
    session.expunge_all()
    diagnosis: Any = refused.value.orig
    return str(diagnosis.diag.constraint_name or diagnosis.diag.column_name)


def test_the_key_in_python_is_the_id_alone() -> None:
    for mapper in Base.registry.mappers:
        assert [column.name for column in mapper.primary_key] == ["id"]
        key = [column.name for column in inspect(mapper).local_table.primary_key]
        assert key == (["id"] if mapper.class_ is Organization else ["org_id", "id"])


def test_every_relationship_joins_within_the_organisation_and_does_not_write_it() -> None:
    relationships = [each for mapper in Base.registry.mappers for each in mapper.relationships]
    assert len(relationships) > 25
    for each in relationships:
        if Organization in {each.parent.class_, each.mapper.class_}:
            continue
        for join in (each.primaryjoin, each.secondaryjoin):
            assert join is None or str(join).count(".org_id") == 2, each
        assert "org_id" not in {column.name for _, column in each.synchronize_pairs}, each


def test_a_row_is_found_by_its_id(session: Session, document: Document) -> None:
    session.expunge_all()

    found = session.get(Document, document.id)

    assert found is not None
    assert found.org_id == session.info["org_id"]
    assert session.get(Document, uuid.uuid4()) is None


def test_an_organisation_is_known_as_soon_as_a_row_is_stored(
    session: Session, document: Document, statements: list[str]
) -> None:
    summary = Summary(document_id=document.id, content="Short", tool_agent="t")
    session.add(summary)
    statements.clear()

    session.flush()

    assert summary.org_id == session.info["org_id"]
    assert len(statements) == 1


def test_what_the_database_makes_of_a_document_takes_no_statement_of_its_own(
    session: Session, user: User, statements: list[str]
) -> None:
    documents = [Document(title=f"{n}", content="a b", owner_id=user.id) for n in range(10)]
    session.add_all(documents)
    statements.clear()

    session.flush()

    assert len(statements) == 1
    assert {document.changed_by_id for document in documents} == {user.id}
    assert (documents[0].size, documents[0].word_count) == (3, 2)
    assert documents[0].content_hash is not None


def test_children_without_a_context_belong_where_their_parent_does(
    session: Session, document: Document, act_as: Any
) -> None:
    org_id = session.info["org_id"]
    topic = Topic(name="Trees")
    session.add(topic)
    session.flush()
    act_as(session, "axai_system", None)

    children: list[TenantMixin] = [
        Summary(document_id=document.id, content="Short", tool_agent="t"),
        DocumentVersion(document_id=document.id, version=7, title="Old"),
        DocumentTopic(document_id=document.id, topic_id=topic.id, extracted_by_tool="t"),
        DocumentPermission(document=document, user_id=document.owner_id, permission="read"),
    ]
    session.add_all(children)
    session.flush()

    assert {child.org_id for child in children} == {org_id}


def test_a_row_that_belongs_to_nobody_is_refused(session: Session, act_as: Any) -> None:
    act_as(session, "axai_system", None)
    session.add(Topic(name="Trees"))

    assert violated(session) == "org_id"


def test_an_organisation_that_is_not_the_parents_is_refused(
    session: Session, document: Document, act_as: Any
) -> None:
    other = Organization(name="Other")
    act_as(session, "axai_system", None)
    session.add(other)
    session.flush()
    session.add(Summary(org_id=other.id, document_id=document.id, content="x", tool_agent="t"))

    assert violated(session) == "fk_summaries_org_id_document_id_documents"


@pytest.mark.slow
def test_relationships_join_within_the_organisation(
    session: Session, document: Document, user: User
) -> None:
    topic = Topic(name="Trees", children=[Topic(name="Oaks")])
    collection = Collection(
        name="All",
        owner=user,
        documents=[document],
        subcollections=[Collection(name="A", owner=user)],
    )
    node, other = (
        GraphNode(name=name, node_type="person", created_by_tool="t", document=document)
        for name in "ab"
    )
    edge = GraphRelationship(
        source=node, target=other, relationship_type="knows", created_by_tool="t", weight=Decimal(1)
    )
    role = Role(
        name="editor",
        permissions=[RolePermission(resource="documents", action=Action.UPDATE)],
        user_roles=[UserRole(user=user)],
    )
    session.add_all(
        [
            topic,
            collection,
            edge,
            role,
            Summary(document=document, content="x", tool_agent="t"),
            DocumentTopic(document=document, topic=topic, extracted_by_tool="t"),
            DocumentPermission(document=document, user_id=user.id, permission=Permission.WRITE),
            PersonalDataRequest(user_id=user.id, kind="export"),
        ]
    )
    session.flush()
    session.expunge_all()

    found = session.scalars(
        select(Document).options(
            joinedload(Document.owner).selectinload(User.user_roles).joinedload(UserRole.role),
            selectinload(Document.summaries).joinedload(Summary.document),
            selectinload(Document.document_topics)
            .joinedload(DocumentTopic.topic)
            .selectinload(Topic.children)
            .joinedload(Topic.parent),
            selectinload(Document.collections).selectinload(Collection.subcollections),
            selectinload(Document.permissions),
            selectinload(Document.versions),
        )
    ).one()
    nodes = session.scalars(
        select(GraphNode)
        .options(selectinload(GraphNode.outgoing).joinedload(GraphRelationship.target))
        .order_by(GraphNode.name)
    ).all()

    assert found.owner.user_roles[0].role.name == "editor"
    assert [each.document for each in found.summaries] == [found]
    assert [each.name for each in found.document_topics[0].topic.children] == ["Oaks"]
    assert found.document_topics[0].topic.children[0].parent is found.document_topics[0].topic
    assert [each.name for each in found.collections[0].subcollections] == ["A"]
    assert [each.permission for each in found.permissions] == [Permission.WRITE]
    assert found.versions == []
    assert nodes[0].outgoing[0].target is nodes[1]


@pytest.fixture
def forged(session: Session, document: Document, act_as: Any) -> Document:
    """Return the document whose id another organisation has, too; an operator acts.

    Each has a summary. Ids are made anew, so somebody has chosen this one.
    """
    session.add(Summary(document_id=document.id, content="right", tool_agent="t"))
    session.flush()
    other = Organization(id=uuid.uuid4(), name="Other")
    act_as(session, "axai_app", other.id)
    session.add(other)
    owner = User(username="eve", email="eve@example.org")
    session.add(owner)
    session.flush()
    session.execute(
        text("INSERT INTO documents (id, title, owner_id) VALUES (:id, 'fake', :owner)"),
        {"id": document.id, "owner": owner.id},
    )
    session.execute(
        text("INSERT INTO summaries (document_id, content, tool_agent) VALUES (:id, 'fake', 't')"),
        {"id": document.id},
    )
    act_as(session, "axai_system", None)
    session.expunge_all()
    return document


def test_statements_join_rows_of_one_organisation(session: Session, forged: Document) -> None:
    """Also those of an operator, who sees both."""
    pairs = session.execute(
        select(Summary.content, Document.title)
        .join(Summary.document)
        .where(Document.id == forged.id)
        .order_by(Summary.content)
    ).all()
    right = select(Document).where(Document.org_id == forged.org_id)
    found = session.scalars(right.options(joinedload(Document.summaries))).unique().one()

    assert pairs == [("fake", "fake"), ("right", "Plan")]
    assert [each.content for each in found.summaries] == ["right"]


def test_a_session_of_two_organisations_takes_rows_with_the_same_id_for_one(
    session: Session, forged: Document
) -> None:
    both = select(Document).where(Document.id == forged.id)
    both = both.order_by(Document.org_id != forged.org_id)
    with_summaries = both.options(selectinload(Document.summaries))
    fake = select(Summary).where(Summary.content == "fake").options(joinedload(Summary.document))

    first, second = session.scalars(with_summaries).all()
    others = session.scalars(fake).one()

    assert (first.title, first.org_id) == ("Plan", forged.org_id)
    assert second is first
    assert {each.content for each in first.summaries} == {"right", "fake"}
    assert others.org_id != forged.org_id
    assert others.document is first


def test_an_operator_confines_a_session_to_one_organisation(
    session: Session, forged: Document
) -> None:
    org_id = forged.org_id
    ours = with_loader_criteria(
        TenantMixin, lambda model: model.org_id == org_id, include_aliases=True
    )
    documents = select(Document).options(selectinload(Document.summaries), ours)

    found = session.scalars(documents.where(Document.id == forged.id)).one()

    assert found.title == "Plan"
    assert [each.content for each in found.summaries] == ["right"]


def test_a_changed_document_leaves_what_it_was(
    session: Session, document: Document, user: User
) -> None:
    document.content = "Other"
    document.change_description = "shorter"
    session.flush()
    document.processing_status = ProcessingStatus.COMPLETE
    session.flush()
    document.status = DocumentStatus.PUBLISHED
    session.flush()
    session.refresh(document, ["versions"])

    found = session.execute(select(Document.version, Document.change_description)).one()
    assert found == (4, None)
    assert [
        (
            each.version,
            each.changed_columns,
            each.content,
            each.change_description,
            each.created_by_id,
        )
        for each in document.versions
    ] == [
        (1, ["content"], "Grüße aus dem Tal", None, user.id),
        (3, ["status"], "Other", "shorter", user.id),
    ]
    assert document.versions[0].created_at == document.created_at


def test_a_version_that_was_stored_by_hand_does_not_stand_in_the_way(
    session: Session, document: Document
) -> None:
    session.add(DocumentVersion(document_id=document.id, version=1, title="by hand"))
    session.flush()

    document.title = "Other"
    session.flush()

    query = select(DocumentVersion.version, DocumentVersion.title)
    assert session.execute(query).all() == [(1, "Plan")]


def test_a_statement_counts_versions_as_well(session: Session, document: Document) -> None:
    session.execute(text("SELECT set_config('axai.change_description', 'by hand', true)"))
    before = document.updated_at

    session.execute(text("UPDATE documents SET title = 'Other'"))
    session.refresh(document)

    assert (document.version, document.title) == (2, "Other")
    assert document.change_description == "by hand"
    assert document.updated_at != before


def test_an_operator_is_nobody_in_the_organisation(session: Session, document: Document) -> None:
    session.execute(text("SELECT set_config('axai.user_id', :id, true)"), {"id": str(uuid.uuid4())})

    document.title = "Other"
    session.flush()

    assert document.changed_by_id is None


def test_nobody_is_named_for_what_another_has_changed(
    session: Session, user: User, document: Document
) -> None:
    other = User(username="bo", email="bo@example.org")
    session.add(other)
    session.flush()

    for changes in (
        {"title": "Other", "changed_by_id": other.id},
        {"source": "x", "changed_by_id": other.id},
    ):
        for name, value in changes.items():
            setattr(document, name, value)
        session.flush()
        session.refresh(document)
        assert document.changed_by_id == user.id
    made = Document(title="x", owner_id=user.id, changed_by_id=other.id)
    session.add(made)
    session.flush()
    session.refresh(made)
    assert made.changed_by_id == user.id


def test_an_operator_names_who_has_changed_something(
    session: Session, user: User, document: Document
) -> None:
    other = User(username="bo", email="bo@example.org")
    session.add(other)
    session.flush()
    session.execute(text("SELECT set_config('axai.user_id', '', true)"))

    document.title, document.changed_by_id = "Other", other.id
    session.flush()
    made = Document(title="x", owner_id=user.id, changed_by_id=other.id)
    session.add(made)
    session.flush()

    session.refresh(document)
    assert (document.changed_by_id, made.changed_by_id) == (other.id, other.id)


def test_who_has_changed_something_may_go(session: Session, document: Document) -> None:
    other = User(username="bo", email="bo@example.org")
    session.add(other)
    session.flush()
    acting = text("SELECT set_config('axai.user_id', :id, true)")
    before = session.scalar(text("SELECT current_setting('axai.user_id')"))
    session.execute(acting, {"id": str(other.id)})
    document.title = "Other"
    session.flush()
    session.execute(acting, {"id": before})

    session.delete(other)
    session.flush()

    session.refresh(document)
    assert document.changed_by_id is None


def test_a_stale_document_is_not_written(session: Session, document: Document) -> None:
    session.execute(text("UPDATE documents SET title = 'Other'"))
    document.title = "Mine"

    with pytest.raises(StaleDataError):
        session.flush()


@pytest.mark.parametrize(
    ("word", "found"), [("gruss", 1), ("grüße", 1), ("grüß", 1), ("plan", 1), ("valley", 0)]
)
def test_a_document_is_searched_in_its_language(
    session: Session, document: Document, word: str, found: int
) -> None:
    vector = Document.__table__.c.search_vector
    query = func.plainto_tsquery(
        func.axai_text_search(Document.language).op("::")(text("regconfig")), word
    )

    statement = select(func.count()).select_from(Document).where(vector.op("@@")(query))

    assert session.scalar(statement) == found


@pytest.mark.slow
def test_a_very_long_document_is_stored(session: Session, user: User) -> None:
    words = " ".join(f"ж{number:x}ж" for number in range(120_000))

    session.add(Document(title="Long", content=words, owner_id=user.id))
    session.flush()


@pytest.mark.parametrize("model", [Topic, Collection])
def test_a_circle_is_refused(session: Session, user: User, model: Any) -> None:
    own: dict[str, Any] = {} if model is Topic else {"owner": user}
    top, middle, bottom = (model(name=name, **own) for name in "abc")
    middle.parent, bottom.parent = top, middle
    session.add_all([top, middle, bottom])
    session.flush()
    table, column = model.__tablename__, "parent_topic_id" if model is Topic else "parent_id"

    for child, parent in ((top, bottom), (top, top), (middle, bottom)):
        with pytest.raises(IntegrityError) as refused, session.begin_nested():
            session.execute(update(model).where(model.id == child.id).values({column: parent.id}))
        diagnosis: Any = refused.value.orig
        assert diagnosis.diag.constraint_name == f"ck_{table}_no_cycle"

    session.execute(update(model).where(model.id == bottom.id).values({column: top.id}))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda document: Document(title=" ", owner_id=document.owner_id), "title_not_empty"),
        (lambda _document: Document(title="x"), "owner_id"),
        (lambda _document: User(username="", email="a@b"), "username_not_empty"),
        (lambda _document: User(username="a", email="a b@c"), "email_valid"),
        (lambda _document: User(username="b", email="ANA@example.org"), "uq_users_org_id_email"),
        (lambda _document: User(username="ana", email="b@c"), "uq_users_org_id_username"),
        (
            lambda document: DocumentPermission(document=document, permission="read"),
            "one_grantee",
        ),
        (
            lambda document: DocumentVersion(document=document, version=0, title="x"),
            "valid_version",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    session: Session, document: Document, make: Any, rule: str
) -> None:
    session.add(make(document))

    assert violated(session).endswith(rule)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            (
                "INSERT INTO summaries (document_id, content, tool_agent, confidence_score) "
                "SELECT id, 'x', 't', 1.1 FROM documents"
            ),
            "valid_confidence",
        ),
        ("INSERT INTO topics (name, global_importance) VALUES ('x', -1)", "valid_importance"),
        (
            (
                "INSERT INTO graph_relationships (source_node_id, target_node_id, created_by_tool, "
                "relationship_type, confidence_score) SELECT id, id, 'x', 't', -1 FROM documents"
            ),
            "valid_confidence",
        ),
    ],
)
def test_fractions_are_checked_whoever_writes(
    session: Session, document: Document, statement: str, rule: str
) -> None:
    with pytest.raises(IntegrityError, match=rule):
        session.execute(text(statement))


def test_a_user_who_owns_documents_is_not_deleted(
    session: Session, document: Document, user: User
) -> None:
    with pytest.raises(IntegrityError, match="fk_documents_org_id_owner_id_users"):
        session.execute(text("DELETE FROM users"))


@pytest.mark.usefixtures("user")
def test_what_points_to_a_topic_that_goes_stays_in_its_organisation(session: Session) -> None:
    above = Topic(name="a")
    below = Topic(name="b", parent=above)
    session.add_all([above, below])
    session.flush()

    session.execute(text("DELETE FROM topics WHERE name = 'a'"))
    session.refresh(below)

    assert (below.parent_topic_id, below.org_id) == (None, session.info["org_id"])


def test_what_was_found_in_a_document_that_goes_goes_with_it(
    session: Session, document: Document
) -> None:
    node = GraphNode(name="a", node_type="person", created_by_tool="t", document=document)
    session.add(node)
    session.flush()

    session.execute(text("DELETE FROM documents"))

    assert session.scalar(select(func.count()).select_from(GraphNode)) == 0


def test_no_secret_of_a_user_is_in_the_feed() -> None:
    entity = Entity.of(User)

    assert entity is not None
    assert "hashed_password" not in entity.columns
