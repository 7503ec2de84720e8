from collections.abc import Iterator

import pytest

from .clickhouse_server import ClickHouseServer
from .edges import ClickHouse, Postgres, Store
from .postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that tests share, and leave running."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The name of an empty database."""
    return postgres.add_database()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server that tests share, and leave running."""
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["postgres", "clickhouse"])
def engine(request: pytest.FixtureRequest) -> Store:
    """An empty database of each engine."""
    server = request.getfixturevalue(request.param)
    kind = Postgres if request.param == "postgres" else ClickHouse
    return kind(server, server.add_database())
