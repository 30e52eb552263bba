"""Fill the slugs of members, two at a time."""

from andamios_orm.migration import Batches

revision = "s23"
down_revision = "s22"
branch_labels = None
depends_on = None

upgrade = Batches("members", "id", "UPDATE members SET slug = lower(name) WHERE {range}", size=2)
downgrade = Batches("members", "id", "UPDATE members SET slug = NULL WHERE {range}", size=3)
