"""A store on a SQLite file and one on PostgreSQL: every test that asks for `store` runs on both."""

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from storage.repositories import Settings, SqlStore

# Where the search path does not lead: root's programs, and those of PostgreSQL.
SERVERS = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
FOLDERS = ["", "/usr/sbin", *SERVERS]


def program(name):
    return next(filter(None, (shutil.which(name, path=folder or None) for folder in FOLDERS)), None)


@pytest.fixture(scope="session")
def postgres_server():
    """The folder of the socket of a PostgreSQL server of our own."""
    if not program("initdb") or not program("pg_ctl"):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    as_user = [program("runuser"), "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = tempfile.mkdtemp(prefix="mynah-pg-")  # a socket's path must be short
    if as_user:
        shutil.chown(folder, "postgres")

    def run(*command):
        subprocess.run(
            [*as_user, *command], cwd=folder, check=True, capture_output=True, timeout=60
        )

    data = f"{folder}/data"
    run(program("initdb"), "-D", data, "-U", "mynah", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [program("pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log"]
    run(*control, "-o", options, "start")
    yield folder
    run(*control, "-m", "immediate", "stop")
    shutil.rmtree(folder)


numbers = itertools.count()


@pytest.fixture
def postgres_schema(postgres_server):
    """Makes a new, empty schema, which is cheaper than a database; returns its URL."""
    import psycopg

    def make():
        name = f"test_{next(numbers)}"
        with psycopg.connect(f"host={postgres_server} user=mynah dbname=postgres") as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        options = f"host={postgres_server}&options=-csearch_path%3D{name}"
        return f"postgresql+psycopg://mynah@/postgres?{options}"

    return make


@pytest.fixture
def postgres_url(postgres_schema):
    return postgres_schema()


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/mynah.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def store(url):
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    yield store
    await store.close()
