"""Tables of bulk jobs: one action on many breaks, with a result for each."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.adapters.database.column_types import ExactDecimal, UtcDateTime
from reconciliation.adapters.database.tables.local_book import Base


class BulkJobRow(Base):
    """One job: who wanted what, for which selection. It stays as the record of that."""

    __tablename__ = "bulk_jobs"

    job_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    assignee: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    change_limit: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    #: As the person wrote it.
    selection: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    #: NULL: some breaks have no result yet.
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class BulkItemRow(Base):
    """One break of a job, in the version that it had when the job was made."""

    __tablename__ = "bulk_items"
    __table_args__ = (Index("ix_bulk_items_job_id_result", "job_id", "result"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("bulk_jobs.job_id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    break_id: Mapped[UUID] = mapped_column(Uuid)
    account_id: Mapped[str] = mapped_column(String(128))
    version: Mapped[int] = mapped_column(Integer)
    #: NULL: still to be done.
    result: Mapped[str | None] = mapped_column(String(16))
    message: Mapped[str | None] = mapped_column(Text)
