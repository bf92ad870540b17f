"""The commands serve, drain and inbox as processes of their own: what they take, how they end, and what they say."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event, Thread
from typing import IO

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.draining import opened_inbox
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from tests.flow.children import start_receiver
from tests.flow.conftest import destination_environment, warehouse_in
from tests.flow.signed import CONNECTION, SECRET, put_into_inbox, signed, webhook_settings
from tests.flow.test_command import FOREIGN, TICKETING, last_line, ticketing
from tests.flow.test_poison import refuse
from tests.flow.truth import stored_rows
from tests.flow.vendor import reserved_port

pytestmark = pytest.mark.slow

PAYLOAD = "a payload that nobody is to read"
LONGEST = 60.0


def delivery(number: int = 1) -> bytes:
    return signed([{"id": f"t{number}", "subject": PAYLOAD}], f"n{number}")


def environment_of(warehouse: WarehouseSettings) -> dict[str, str]:
    return {
        "WEBHOOKS__SECRET": SECRET,
        "SOURCES__UNIFIED__API_KEY": "no API is asked",
        "SOURCES__UNIFIED__STATE_DIR": str(warehouse.state_dir),
        **destination_environment(warehouse),
    }


@pytest.fixture
def environment(warehouse: WarehouseSettings) -> dict[str, str]:
    return environment_of(warehouse)


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


class Running:
    """A command that runs, and what it says."""

    def __init__(self, *arguments: str, env: dict[str, str], cwd: Path | None = None) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "WEBHOOKS"))}
        self.process = subprocess.Popen(
            [str(TICKETING), *arguments],
            env=inherited | env,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            Thread(target=_read, args=(self.process.stdout, self.out), daemon=True),
            Thread(target=_read, args=(self.process.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, word: str, seconds: float = LONGEST) -> None:
        """Until it has said a word."""
        until(lambda: word in "".join(self.out) or self.process.poll() is not None, seconds)
        assert word in "".join(self.out), (self.out, self.err)

    def stop(self, way: int = signal.SIGTERM) -> int:
        """Have it end; its exit code."""
        self.process.send_signal(way)
        return self.end()

    def end(self) -> int:
        """Wait until it has ended; its exit code."""
        code = self.process.wait(LONGEST)
        for reader in self._readers:
            reader.join()
        return code

    @property
    def said(self) -> str:
        return "".join(self.out + self.err)


def _read(stream: IO[str] | None, lines: list[str]) -> None:
    lines.extend(stream or ())


def until(is_so: Callable[[], bool], seconds: float = LONGEST) -> None:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)


@contextmanager
def running(*arguments: str, env: dict[str, str], cwd: Path | None = None) -> Iterator[Running]:
    command = Running(*arguments, env=env, cwd=cwd)
    try:
        yield command
    finally:
        command.process.kill()
        command.end()


@contextmanager
def receiving(warehouse: WarehouseSettings, port: int, *limits: tuple[str, float]) -> Iterator[BaseProcess]:
    """A receiver with other limits than usual, which ends with the block."""
    receiver = start_receiver(webhook_settings(), warehouse, port, *limits)
    try:
        until(lambda: _listens(port))
        yield receiver
    finally:
        receiver.terminate()
        receiver.join(LONGEST)


@contextmanager
def serving(port: int, env: dict[str, str], cwd: Path | None = None) -> Iterator[Running]:
    with running("serve", "--port", str(port), env=env, cwd=cwd) as receiver:
        receiver.wait_for("Deliveries are taken on")
        yield receiver


def kept(warehouse: WarehouseSettings) -> list[bytes]:
    with opened_inbox(warehouse) as inbox:
        return [letter.body for letter in inbox.first(10**6, 10**9, 0, 10**9)]


def waiting(warehouse: WarehouseSettings) -> int:
    with opened_inbox(warehouse) as inbox:
        return inbox.contents().waiting


def head_of(body: bytes, *headers: str) -> bytes:
    lines = ["POST /hook HTTP/1.1", "Host: door", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def received(connection: socket.socket, seconds: float = 10.0) -> bytes:
    """All that comes until the other side hangs up, or has been silent for so long."""
    connection.settimeout(seconds)
    answer = b""
    with suppress(OSError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side has, when all that came has been read."""
    connection.settimeout(0.5)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_receiver_says_where_it_listens_takes_what_comes_and_ends_what_has_begun(
    warehouse: WarehouseSettings, environment: dict[str, str], port: int
) -> None:
    address = f"http://127.0.0.1:{port}"
    with serving(port, environment) as receiver, httpx.Client(base_url=address) as client:
        assert address in receiver.out[0]
        assert str(warehouse.state_dir / "inbox.sqlite3") in receiver.out[0]
        assert [client.post("/hook", content=delivery()).json()["status"] for _ in range(2)] == ["accepted", "known"]
        assert client.post("/hook", content=delivery().replace(b"that", b"THAT")).status_code == 401
        assert [client.get(path).text for path in ("/healthz", "/readyz")] == ["ok\n", "ready\n"]
        assert 'ticketing_deliveries_total{outcome="accepted"} 1' in client.get("/metrics").text
        with socket.create_connection(("127.0.0.1", port)) as half:
            body = delivery(2)
            half.sendall(head_of(body) + body[:50])
            time.sleep(0.3)
            receiver.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{address}/healthz")
            half.sendall(body[50:])
            answer = received(half)
        assert statuses(answer) == [200]
        assert b'"accepted"' in answer
        assert receiver.end() == 0
    assert kept(warehouse) == [delivery(1), delivery(2)]
    assert receiver.out[-1] == "Ended. What was acknowledged waits in the inbox. Next: ticketing drain\n"
    assert [line.split("WARNING ")[-1].split(":")[0] for line in receiver.err] == ["refused with 401"]
    assert SECRET not in receiver.said
    assert PAYLOAD not in receiver.said


def test_ctrl_c_ends_it_as_well(environment: dict[str, str], port: int) -> None:
    with serving(port, environment) as receiver:
        assert receiver.stop(signal.SIGINT) == 0
    assert receiver.err == []


def test_two_receivers_share_a_port_and_an_inbox(
    warehouse: WarehouseSettings, environment: dict[str, str], port: int
) -> None:
    with serving(port, environment) as one, serving(port, environment) as other:
        for number in range(40):
            assert httpx.post(f"http://127.0.0.1:{port}/", content=delivery(number)).status_code == 200
        assert one.stop() == 0
        assert httpx.post(f"http://127.0.0.1:{port}/", content=delivery(40)).status_code == 200
        assert other.stop() == 0
    assert kept(warehouse) == [delivery(number) for number in range(41)]


def test_a_port_that_another_program_has_is_named(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = ticketing("serve", "--port", str(port), env=environment)
    assert ended.returncode == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_secret_nobody_is_let_in(environment: dict[str, str]) -> None:
    ended = ticketing("serve", env=environment | {"WEBHOOKS__SECRET": ""})
    assert ended.returncode == 2
    assert "WEBHOOKS__SECRET" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("where", ["in the body", "in the head"])
def test_who_sends_too_slowly_is_told_so_and_holds_nobody_up(
    warehouse: WarehouseSettings, port: int, where: str
) -> None:
    limits = [("pipelines.webhooks.receiver._SECONDS_TO_SEND", 0.5), ("pipelines.webhooks.heads.SECONDS_TO_SEND", 0.5)]
    request = head_of(delivery()) + delivery()
    begins_at = request.index(b"\r\n\r\n") + 4 if where == "in the body" else 0
    with receiving(warehouse, port, *limits) as receiver, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(request[:begins_at])
        with suppress(OSError):
            for place in range(begins_at, begins_at + 30):
                slow.sendall(request[place : place + 1])
                time.sleep(0.05)
        assert httpx.post(f"http://127.0.0.1:{port}/", content=delivery(2)).status_code == 200
        assert statuses(received(slow, 2)) == [408]
        assert hung_up(slow)
    assert receiver.exitcode == -signal.SIGTERM, "it has no handler of its own here"
    assert kept(warehouse) == [delivery(2)]


@pytest.mark.parametrize("rest", [b"x", b"x" * 10, b"x" * 10 + b"GET"], ids=["part", "all", "all, and more"])
def test_who_is_answered_before_the_body_has_ended_does_not_keep_the_connection(
    warehouse: WarehouseSettings, port: int, rest: bytes
) -> None:
    limit = ("pipelines.webhooks.heads.SECONDS_TO_SEND", 0.5)
    with receiving(warehouse, port, limit), socket.create_connection(("127.0.0.1", port)) as held:
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: door\r\nContent-Length: 10\r\n\r\n")
        assert held.recv(15) == b"HTTP/1.1 200 OK"
        received(held, 0.2)
        held.sendall(rest)
        assert set(statuses(received(held, 2))) <= {408}
        assert hung_up(held)


def test_large_deliveries_in_one_piece_and_pauses_between_them_are_no_heads(
    warehouse: WarehouseSettings, port: int
) -> None:
    limit = ("pipelines.webhooks.heads.SECONDS_TO_SEND", 0.3)
    with receiving(warehouse, port, limit), socket.create_connection(("127.0.0.1", port)) as connection:
        for number, size in enumerate((70_000, 100_000, 200_000, 2_000_000), start=1):
            large = signed([{"id": "t1", "description": "x" * size}], f"large {number}")
            connection.sendall(head_of(large) + large)
            assert statuses(received(connection, 0.7)) == [200], size
    assert len(kept(warehouse)) == 4


def test_what_never_comes_to_its_end_holds_up_no_end(
    warehouse: WarehouseSettings, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor is it an error of ours."""
    receiver = start_receiver(webhook_settings(), warehouse, port, ("pipelines.webhooks.serving._SECONDS_TO_END", 1))
    until(lambda: _listens(port))
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(head_of(delivery()) + delivery()[:20])
        time.sleep(0.3)
        receiver.terminate()
        assert statuses(received(half)) == [503]
    receiver.join(LONGEST)
    assert receiver.exitcode == -signal.SIGTERM, "it has no handler of its own here"
    assert "Traceback" not in capfd.readouterr().err


def _listens(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
    return False


CHUNKED = b"POST / HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "is_headers"),
    [
        (b"POST / HTTP/1.1\r\nHost: door\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: door\r\nX: ", False),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", True),
        (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", False),
        (CHUNKED + b"2;x=", False),
        (CHUNKED.replace(b"POST /", b"GET /healthz") + b"0\r\nX: ", False),
    ],
    ids=["headers", "a header", "trailers", "a trailer", "an extension of a chunk", "a trailer after the answer"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(
    warehouse: WarehouseSettings, environment: dict[str, str], port: int, begun: bytes, is_headers: bool
) -> None:
    with serving(port, environment) as receiver:
        with socket.create_connection(("127.0.0.1", port)) as endless:
            endless.settimeout(10)
            sent = 0
            with suppress(OSError):
                endless.sendall(begun)
                for number in range(1_000):
                    more = b"x" * 10_000
                    sent += endless.send(b"X-%d: " % number + more + b"\r\n" if is_headers else more)
            assert sent < 10_000_000, "somebody has taken all of it"
        assert httpx.post(f"http://127.0.0.1:{port}/", content=delivery()).status_code == 200
        assert receiver.stop() == 0
    assert "Traceback" not in receiver.said


class Door:
    """A receiver for many examples."""

    def __init__(self, receiver: Running, port: int) -> None:
        self.receiver = receiver
        self.port = port
        self.numbers = count(1_000)

    def says(self, sent: bytes, patience: float = 10.0) -> list[int]:
        """The answers to whatever is sent, after which the sender says no more."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            with suppress(OSError):
                connection.sendall(sent)
            return statuses(received(connection, patience))

    def takes_a_good_one(self) -> bool:
        body = delivery(next(self.numbers))
        return self.says(head_of(body, "Connection: close") + body) == [200]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    with reserved_port() as port, serving(port, environment_of(warehouse_in(folder)), folder) as receiver:
        yield Door(receiver, port)
        assert receiver.stop() == 0
    assert "Traceback" not in receiver.said
    assert SECRET not in receiver.said
    assert PAYLOAD not in receiver.said


GOOD = head_of(delivery()) + delivery()
HEADERS = [
    *("Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: x"),
    *("Content-Length: 1000000000", "Transfer-Encoding: chunked", "Transfer-Encoding: nonsense"),
    *("Expect: 100-continue", "Upgrade: websocket", "Connection: upgrade", "Upgrade: h2c", "Connection: close"),
    *("Content-Encoding: gzip", "Host: ", "X: " + "x" * 20_000, "Cookie: \x00\x7f", " folded: yes", "no colon"),
]
bodies = st.one_of(
    st.binary(max_size=200),
    st.just(delivery()),
    st.just(b"%x\r\n" % len(delivery()) + delivery() + b"\r\n0\r\n\r\n"),
    st.just(b"ffffffffffffffff\r\nx"),
    st.just(b"-1\r\nx\r\n0\r\n\r\n"),
    st.just(b"5;ext=" + b"x" * 70_000 + b"\r\nhello\r\n0\r\n\r\n"),
)
requests = st.builds(
    lambda method, target, version, headers, body: (
        "\r\n".join([f"{method} {target} {version}", *headers, "", ""]).encode("latin-1") + body
    ),
    st.sampled_from(["POST", "POST", "GET", "PRI", "CONNECT", "TRACE", "post", "", "P\0ST"]),
    st.sampled_from(
        ["/", "/hook", "*", "http://x/", "//", "/%00%ff", "/" + "x" * 70_000, "/healthz?\x80", "../..", ""]
    ),
    st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "ICY", ""]),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    bodies,
)
cut = st.integers(0, len(GOOD)).map(lambda place: GOOD[:place])
mangled = st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=5)).map(
    lambda hit: GOOD[: hit[0]] + hit[1] + GOOD[hit[0] + len(hit[1]) :]
)
pipelined = st.lists(st.one_of(st.just(GOOD), requests, cut), min_size=2, max_size=5).map(b"".join)


@pytest.mark.hypothesis
@settings(max_examples=int(os.environ.get("TICKETING_TEST_REQUESTS", "100")))
@given(sent=st.one_of(st.binary(max_size=300), requests, cut, mangled, pipelined))
def test_no_bytes_upset_the_socket(door: Door, sent: bytes) -> None:
    assert all(status < 500 or status == 503 for status in door.says(sent, patience=0.05))
    assert door.takes_a_good_one()
    assert door.receiver.process.poll() is None


def test_pipelined_deliveries_are_each_answered_in_their_order(door: Door) -> None:
    first, last = (signed([{"id": "p"}], f"pipelined {number}") for number in range(2))
    unsigned = signed([{"id": "p"}], "x", secret="another")
    sent = head_of(first) + first + head_of(unsigned) + unsigned + head_of(last, "Connection: close") + last
    assert door.says(sent) == [200, 401, 200]


def test_a_drain_says_what_it_has_loaded_and_what_not(
    warehouse: WarehouseSettings, environment: dict[str, str]
) -> None:
    put_into_inbox(warehouse, delivery(1), delivery(2), signed([], "x", object_type="crm_deal"))
    ended = ticketing("drain", env=environment)
    assert ended.returncode == 3, ended.stderr
    assert last_line(ended.stdout) == (
        "Partly done: 2 deliveries with 2 records loaded. 1 dead letter: see ticketing inbox. Next: ticketing build"
    )
    put_into_inbox(warehouse, delivery(3))
    told = json.loads(ticketing("drain", "--json", env=environment).stdout)
    assert (told["exit_code"], told["delivered"], told["dead"]) == (0, 1, 0)
    assert [(row["object"], row["rows_received"], row["command"]) for row in told["objects"]] == [
        ("tickets", 1, "drain")
    ]
    assert PAYLOAD not in ended.stdout + ended.stderr
    assert ids(warehouse) == {"t1", "t2", "t3"}


def test_a_drain_that_can_load_nothing_says_why_and_keeps_it(
    warehouse: WarehouseSettings, environment: dict[str, str]
) -> None:
    put_into_inbox(warehouse, delivery(1))
    nobody = {name: value for name, value in environment.items() if not name.endswith("API_KEY")}
    assert ticketing("drain", env=nobody).returncode == 2
    assert ticketing("drain", env=environment).returncode == 0
    refuse(warehouse, "tickets")
    put_into_inbox(warehouse, delivery(2), delivery(3))
    ended = ticketing("drain", "--json", env=environment)
    assert ended.returncode == json.loads(ended.stdout)["exit_code"] == 1
    assert "They wait in the inbox" in ended.stderr
    assert PAYLOAD not in ended.stdout + ended.stderr
    assert len(kept(warehouse)) == 2


def test_an_inbox_that_is_none_is_named(warehouse: WarehouseSettings, environment: dict[str, str]) -> None:
    warehouse.state_dir.mkdir()
    (warehouse.state_dir / "inbox.sqlite3").write_bytes(b"no database" * 1_000)
    for command in ("drain", "inbox"):
        ended = ticketing(command, env=environment)
        assert ended.returncode == 1
        assert "Expected the inbox" in ended.stderr
        assert "Traceback" not in ended.stderr


def ids(warehouse: WarehouseSettings) -> set[str]:
    return {id for _, id in stored_rows(warehouse, "tickets")}


@contextmanager
def steady_stream(warehouse: WarehouseSettings) -> Iterator[list[int]]:
    """Deliveries that come all the while; the numbers of those that have."""
    come: list[int] = []
    is_over = Event()

    def send() -> None:
        while not is_over.wait(0.1):
            put_into_inbox(warehouse, delivery(len(come)))
            come.append(len(come))

    sender = Thread(target=send)
    sender.start()
    try:
        yield come
    finally:
        is_over.set()
        sender.join()


def test_a_follower_loads_what_comes_and_gives_way_to_whoever_waits(
    sandbox: Sandbox, warehouse: DuckdbWarehouse, environment: dict[str, str]
) -> None:
    environment |= {
        "SOURCES__UNIFIED__BASE_URL": sandbox.base_url,
        "SOURCES__UNIFIED__API_KEY": sandbox.api_key,
    }
    with running("drain", "--follow", "--no-build", env=environment) as follower:
        follower.wait_for("Following")
        with steady_stream(warehouse) as come:
            follower.wait_for("deliveries loaded")
            assert len(kept(warehouse)) < 100, "it waits for more than some seconds"
            for _ in range(2):
                before = len(follower.out)
                synced = ticketing("sync", "--wait", "30", env=environment)
                assert synced.returncode == 0, synced.stderr
                until(lambda before=before: len(follower.out) > before + 1)  # type: ignore[misc]
                assert len(follower.out) > before + 1, "it has starved"
        until(lambda: not waiting(warehouse))
        assert follower.stop() == 0
    assert not [line for line in follower.err if "error" in line]
    assert last_line("".join(follower.out)).startswith("Done: ")
    assert last_line("".join(follower.out)).endswith("Next: ticketing build")
    stored = stored_rows(warehouse, "tickets")
    assert {id for connection_id, id in stored if connection_id == CONNECTION} == {f"t{number}" for number in come}
    assert_holds_all_of(sandbox, warehouse)


def assert_holds_all_of(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    """All that the sandbox holds, beside what was pushed."""
    held = stored_rows(warehouse, "tickets")
    for connection in sandbox.world.connections():
        for record in sandbox.world.records(connection["id"], "ticket"):
            assert (connection["id"], record["id"]) in held


HOSTILE = "\x1b]0;owned\x07\x1b[2J\rerror: all is lost\u202e"


def test_dead_letters_are_told_shown_and_replayed(warehouse: WarehouseSettings, environment: dict[str, str]) -> None:
    bodies = [
        signed([{"id": f"d{number}", "subject": HOSTILE}], f"{number}", object_type=f"crm_{HOSTILE}")
        for number in range(3)
    ]
    raw = json.dumps(HOSTILE, ensure_ascii=False)[1:-1].encode()
    bodies.append(b'{"data":[],"nonce":"n","webhook":{"object_type":"x"}}' + HOSTILE.encode() + raw)
    put_into_inbox(warehouse, *bodies, delivery(1))
    assert ticketing("drain", env=environment).returncode == 3
    told = ticketing("inbox", env=environment)
    assert told.returncode == 0
    assert told.stdout.count("expected an object_type") >= 3
    assert last_line(told.stdout) == "0 deliveries waiting; 4 dead letters."
    as_json = ticketing("inbox", "--json", env=environment)
    letters = json.loads(as_json.stdout)["dead_letters"]
    assert [(letter["id"], letter["bytes"]) for letter in letters] == [(n + 1, len(b)) for n, b in enumerate(bodies)]
    shown = [ticketing("inbox", "--show", str(letter["id"]), env=environment) for letter in letters]
    assert '"id":"d0"' in shown[0].stdout
    for ended in (told, as_json, *shown):
        assert ended.returncode == 0
        assert "\x1b" not in ended.stdout + ended.stderr
        assert all(c.isprintable() or c == "\n" for c in ended.stdout)
    again = ticketing("inbox", "--replay", "2", env=environment)
    assert last_line(again.stdout).startswith("1 delivery waiting, the oldest since ")
    assert last_line(again.stdout).endswith("; 3 dead letters. Put back: 1 dead letter. Next: ticketing drain")
    every = json.loads(ticketing("inbox", "--replay-all", "--json", env=environment).stdout)
    assert (every["replayed"], every["waiting"], every["dead_letters"]) == (3, 4, [])
    unknown = ticketing("inbox", "--show", "7", env=environment)
    assert unknown.returncode == 2
    assert "Expected the id of a dead letter (none), got 7." in unknown.stderr
