from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.adapters.books.user_tables.options import Mode

Make = Callable[..., UserTablesBook]


class TheirDatabase:
    """A database that somebody else made: not one of our tables is in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.kind = "sqlite" if url.startswith("sqlite") else "postgresql"

    def run(self, *statements: str) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def scalar(self, statement: str) -> Any:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return connection.execute(text(statement)).scalar_one()


@pytest.fixture
def broker(empty_database_url: str) -> TheirDatabase:
    return TheirDatabase(empty_database_url)


@pytest.fixture
def make_book(broker: TheirDatabase) -> Iterator[Make]:
    books: list[UserTablesBook] = []

    def make(mode: Mode = "table", **options: Any) -> UserTablesBook:
        book = UserTablesBook.of(mode, options, broker.url)
        books.append(book)
        return book

    yield make
    for book in books:
        book.close()
