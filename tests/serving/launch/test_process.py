"""An engine starts, ends in order, and leaves nothing behind, whoever is killed."""

import asyncio
import os
import signal
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving.launch.process import Engine, Launch, log_file, tail
from tests.serving.launch.conftest import PATIENCE, QUICK, Fake, alive, until

STARTER = """
import asyncio, sys
from pathlib import Path
from fairlead.serving.launch.process import Engine
from tests.serving.launch.conftest import QUICK, Fake

async def main():
    fake = Fake(Path(sys.argv[1]))
    engine = await Engine.start(fake.launch, fake.log, QUICK)
    await engine.ready()
    print(engine._keeper.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def started(fake: Fake) -> Engine:
    engine = await Engine.start(fake.launch, fake.log, QUICK)
    await engine.ready()
    return engine


async def test_it_ends_in_order_and_takes_its_helpers_along(fake: Fake) -> None:
    engine = await started(fake)
    pids = fake.pids()
    assert alive(pids) == pids and len(pids) == 3 and engine.target.pid in pids
    await engine.stop()
    assert fake.events("signal") == [signal.SIGTERM] and fake.events("ended") == [True]
    assert await engine.ended() == 0 and not alive(pids)
    await engine.stop()  # again does nothing


async def test_one_that_will_not_end_is_killed(fake: Fake) -> None:
    fake.variables["FAKE_STUBBORN"] = "1"
    engine = await Engine.start(fake.launch, fake.log, replace(QUICK, stop_seconds=0.2))
    await engine.ready()
    await engine.stop()
    assert fake.events("signal") == [signal.SIGTERM] and not fake.events("ended")
    assert not alive(fake.pids()) and await engine.ended() == 128 + signal.SIGKILL
    assert "ended by signal 9" in tail(fake.log)


@pytest.mark.parametrize("victim", ["engine", "keeper"])
async def test_whoever_is_killed_nothing_is_left(fake: Fake, victim: str) -> None:
    engine = await started(fake)
    os.kill(engine.target.pid if victim == "engine" else engine._keeper.pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        status = await engine.ended()
    await engine.kill()
    assert status == (128 + signal.SIGKILL if victim == "engine" else -signal.SIGKILL)
    left_the_group = {fake.events("helpers")[0][1]} if victim == "keeper" else set()
    await until(lambda: alive(fake.pids()) <= left_the_group)
    for pid in alive(left_the_group):  # only the keeper finds those, and it is gone
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("both", [False, True])
async def test_it_dies_with_the_process_that_started_it(
    fake: Fake, tmp_path: Path, both: bool
) -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout
    keeper = int(await starter.stdout.readline())
    pids = fake.pids()
    assert alive(pids) == pids and len(pids) == 3
    starter.send_signal(signal.SIGSTOP)  # it can do nothing about what happens to the keeper
    if both:
        os.kill(keeper, signal.SIGKILL)
    starter.kill()
    await starter.wait()
    await until(lambda: not alive({*pids, keeper}))
    assert fake.events("signal") == ([signal.SIGTERM] if both else [])


async def test_one_that_dies_while_starting_shows_its_log(fake: Fake) -> None:
    fake.variables["FAKE_FAILURE"] = "no such parser 'hermit'"
    engine = await Engine.start(fake.launch, fake.log, QUICK)
    with pytest.raises(Unavailable, match="ended with status 1 before it was ready") as failed:
        await engine.ready()
    assert "ValueError: no such parser 'hermit'" in failed.value.message
    assert str(fake.log) in failed.value.message
    await engine.kill()


async def test_one_that_takes_too_long_is_given_up(fake: Fake) -> None:
    fake.variables["FAKE_NEVER_READY"] = "1"
    engine = await Engine.start(fake.launch, fake.log, replace(QUICK, start_seconds=0.5))
    with pytest.raises(Unavailable, match=r"not ready within 0\.5 seconds"):
        await engine.ready()
    await engine.kill()
    assert not alive(fake.pids())


async def test_orphans_that_end_are_no_zombies_and_no_end(fake: Fake) -> None:
    """The engine's helper starts one that outlives it, and ends; the keeper gets it, then waits."""
    script = "sh -c '(sleep 0.2; echo orphan gone) &'; exec sleep 600"

    def shell(port: int, key: str) -> Launch:
        variables = {"PATH": os.environ["PATH"]}
        return Launch(command=("/bin/sh", "-c", script), variables=variables)

    engine = await Engine.start(shell, fake.log, QUICK)
    await until(lambda: "orphan gone" in tail(fake.log))
    children = Path(f"/proc/{engine._keeper.pid}/task/{engine._keeper.pid}/children")
    await until(lambda: children.read_text().split() == [str(engine.target.pid)])
    await engine.kill()
    assert await engine.ended() == 128 + signal.SIGKILL


async def test_a_command_that_is_not_there(fake: Fake) -> None:
    def nothing(port: int, key: str) -> Launch:
        return Launch(command=("/nowhere/python",), variables={})

    with pytest.raises(Unavailable, match="'/nowhere/python' could not be started"):
        await Engine.start(nothing, fake.log, QUICK)
    assert "No such file" in tail(fake.log)


async def test_logs_are_kept_by_start_for_their_owner_alone(fake: Fake) -> None:
    def words(port: int, key: str) -> Launch:
        return Launch(command=("/bin/echo", "start", str(next(count))), variables={})

    count = iter(range(1, 9))
    for _ in range(8):
        engine = await Engine.start(words, fake.log, QUICK)
        await engine.ended()
        await engine.kill()
    assert tail(fake.log) == "start 8"
    kept = sorted(fake.log.parent.iterdir())
    assert [tail(each) for each in kept] == [f"start {8 - place}" for place in range(6)]
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o600}


async def test_each_start_has_a_port_and_a_key_of_its_own(fake: Fake) -> None:
    first, second = await started(fake), await started(fake)
    try:
        assert first.target.url != second.target.url and first.target.key != second.target.key
        assert len(first.target.key) >= 43  # 32 random bytes
        assert fake.events("arguments")[0][-1] == first.target.url.rpartition(":")[2]
    finally:
        await first.kill()
        await second.kill()


def test_names_of_logs_stay_below_the_storage_folder(tmp_path: Path) -> None:
    for name, file in (
        ("base", "base.log"),
        ("Qwen/Qwen3-0.6B", "Qwen-Qwen3-0.6B.log"),
        ("../../etc/passwd", "etc-passwd.log"),
        ("...", "engine.log"),
        ("/", "engine.log"),
    ):
        assert log_file(tmp_path, name) == tmp_path / "models" / file


def test_the_end_of_a_log_is_cut_by_lines_and_bytes(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_bytes(b"x" * 200_000 + b"\n" + b"\n".join(b"%d" % n for n in range(100)) + b"\xff")
    said = tail(log).splitlines()
    assert len(said) == 30 and said[0] == "70" and said[-1].startswith("99")
    assert tail(tmp_path / "none.log") == "(No such file or directory)"


async def test_a_log_that_cannot_be_written(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(SettingsError, match="cannot write"):
        await Engine.start(fake.launch, fake.log, QUICK)
