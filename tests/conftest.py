"""Real servers for the tests that are marked for them; see tests/servers."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from fairlead.errors import SettingsError
from fairlead.serving.training.interpreter import find_interpreter
from scripts.servers import weaviate_server
from scripts.tiny_world import FOLDERS
from tests.servers.cluster import WeaviateCluster
from tests.servers.collector import Collector
from tests.servers.postgres import Postgres, programs
from tests.servers.vllm import Vllm, vllm_python
from tests.servers.weaviate import Weaviate

StartWeaviate = Callable[..., Weaviate]


settings.register_profile(  # a busy machine is no failure, and CI no lottery
    "fairlead", deadline=None, derandomize="CI" in os.environ
)
settings.load_profile("fairlead")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-servers", action="store_true", help="fail, not skip, where a server is missing"
    )


@pytest.fixture(scope="session")
def weaviate_installed(request: pytest.FixtureRequest) -> None:
    """Skips, or fails where servers are required, without the server's binary."""
    if not weaviate_server().exists():
        stop = pytest.fail if request.config.getoption("--require-servers") else pytest.skip
        stop(f"no Weaviate server at {weaviate_server()}: `make servers` builds it")


@pytest.fixture(scope="session")
def weaviate(
    weaviate_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Weaviate]:
    """One server for the whole run. Tests keep apart by names of collections and tenants."""
    with Weaviate(tmp_path_factory.mktemp("weaviate")) as server:
        yield server


@pytest.fixture
def start_weaviate(weaviate_installed: None, tmp_path: Path) -> Iterator[StartWeaviate]:
    """Starts a server of the test's own, to be killed or given settings: takes what `Weaviate`
    takes after the folder."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(Weaviate(tmp_path, **options))


@pytest.fixture
def weaviate_cluster(weaviate_installed: None, tmp_path: Path) -> Iterator[WeaviateCluster]:
    """Three nodes of the test's own."""
    with WeaviateCluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def vllm_installed(request: pytest.FixtureRequest) -> None:
    """Skips, or fails where servers are required, without vLLM's environment."""
    if vllm_python() is None:
        stop = pytest.fail if request.config.getoption("--require-servers") else pytest.skip
        stop("no environment with vLLM: `make servers` or `fairlead models install` makes it")


@pytest.fixture(scope="session")
def training_python(request: pytest.FixtureRequest) -> str:
    """A Python that can train; skips, or fails where servers are required, without one."""
    try:
        return find_interpreter().python
    except SettingsError as error:
        stop = pytest.fail if request.config.getoption("--require-servers") else pytest.skip
        stop(f"{error.message}: `make servers` installs vLLM, which brings it")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the model server's own spans go."""
    with Collector() as taking:
        yield taking


@pytest.fixture(scope="session")
def vllm(
    vllm_installed: None, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vllm]:
    """One server for the whole run: the tiny model, its adapter `formal` loaded, `note` not. A test
    that ends it starts it again. In float32: so small a model is not itself in bfloat16."""
    base, formal, _ = FOLDERS
    options = ("--otlp", collector.traces_url, "--", "--dtype", "float32")
    folder = tmp_path_factory.mktemp("vllm")
    with Vllm(folder, base, adapters={"formal": formal}, options=options) as server:
        yield server


@pytest.fixture
def vllm_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the variables that settings take the server's keys from."""
    monkeypatch.setenv("DATA_KEY", Vllm.key)
    monkeypatch.setenv("CONTROL_KEY", Vllm.control_key)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """One PostgreSQL cluster for the whole run; each test asks it for a database of its own."""
    if programs() is None or find_spec("psycopg") is None:
        stop = pytest.fail if request.config.getoption("--require-servers") else pytest.skip
        stop("no PostgreSQL or no psycopg: apt-get install postgresql; pip install psycopg[binary]")
    with Postgres() as server:
        yield server
