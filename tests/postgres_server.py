"""A Postgres of the tests' own: a real server on loopback, made in a temporary folder and gone with the session."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

REQUIRE_VARIABLE = "TICKETING_TEST_REQUIRE_POSTGRES"
USER = "ticketing"


class PostgresServer:
    """Runs from `start` to `stop`; every database is new and empty."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="ticketing-postgres-"))
        self._password = secrets.token_hex(12)
        self._port = 0
        self._account = _ordinary_account()
        self._database_count = 0

    def start(self) -> None:
        """Without durability (its data dies with the session), for whoever knows the password."""
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if self._account:
            for path in (self._folder, password_file):
                shutil.chown(path, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        self._port = _free_port()
        options = (
            f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off -c synchronous_commit=off "
            "-c full_page_writes=off -c max_connections=50"
        )
        self._run("pg_ctl", "start", f"--pgdata={self._data}", "--wait", f"--options={options}")

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", f"--pgdata={self._data}", "--wait", "--mode=immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self, *options: str) -> str:
        """An empty database's URL; the options are `createdb`'s, such as `--lc-collate=C`."""
        self._database_count += 1
        name = f"test_{self._database_count}"
        self._run("createdb", f"--maintenance-db={self._url('postgres')}", "--template=template0", *options, name)
        return self._url(name)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        """Output goes to a file: a server that inherits a pipe would keep it open."""
        log = self._folder / f"{program}.log"
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        with log.open("w") as output:
            outcome = subprocess.run(
                [str(self._binaries / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **account,
            )
        assert outcome.returncode == 0, f"{program} failed:\n{log.read_text()}"


def find_binaries() -> Path:
    """The folder of `initdb` and its kin; where Postgres is not installed the test is skipped, or fails if required."""
    debians = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    for folder in [*map(Path, os.get_exec_path()), *reversed(debians)]:
        if all((folder / program).exists() for program in ("initdb", "pg_ctl", "postgres", "createdb")):
            return folder
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"Postgres is not installed and {REQUIRE_VARIABLE} is set: apt-get install postgresql")
    pytest.skip("Postgres is not installed: apt-get install postgresql; these tests run where it is")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ordinary_account() -> pwd.struct_passwd | None:
    """Whom the server runs as where the tests run as root, which Postgres refuses; else None."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name for account in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")
