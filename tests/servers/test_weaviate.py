"""The server that the marked tests run against keeps its data and leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from weaviate.exceptions import UnexpectedStatusCodeError

from tests.conftest import StartWeaviate
from tests.servers.connections import connect
from tests.servers.weaviate import ServerFailed, Weaviate

ROOT = Path(__file__).parents[2]
STARTER = """
import sys, time
from pathlib import Path
from tests.servers.weaviate import Weaviate

server = Weaviate(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.weaviate


def test_data_outlives_a_stop_and_a_kill(start_weaviate: StartWeaviate) -> None:
    server = start_weaviate()
    with connect(server) as client:
        kept = client.collections.create("Kept").data.insert({"text": "still here"})
    for end in (server.stop, server.kill):
        end()
        assert not server.ready()
        server.start()
        with connect(server) as client:
            found = client.collections.use("Kept").query.fetch_object_by_id(kept)
            assert found and found.properties == {"text": "still here"}


def test_it_takes_settings(start_weaviate: StartWeaviate) -> None:
    server = start_weaviate(
        environment={
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": "open-sesame",
            "AUTHENTICATION_APIKEY_USERS": "tester",
        }
    )
    with connect(server, api_key="open-sesame") as client:
        assert client.collections.list_all() == {}
    with pytest.raises(UnexpectedStatusCodeError, match="401"):
        connect(server, api_key="wrong")


def test_two_run_side_by_side(weaviate: Weaviate, start_weaviate: StartWeaviate) -> None:
    other = start_weaviate()
    assert weaviate.ready() and other.ready()
    assert other.pid != weaviate.pid


def test_one_that_does_not_come_up_shows_its_log(start_weaviate: StartWeaviate) -> None:
    with pytest.raises(ServerFailed, match=r"'node-1' ended; the end of .*\n(.*\n)*.*RAFT_PORT"):
        start_weaviate(environment={"RAFT_PORT": "none"})


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal to orphans is Linux only")
def test_it_dies_with_the_process_that_started_it(weaviate_installed: None, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        os.kill(pid, 0)  # it lives
        starter.kill()
    patience = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < patience:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
