"""Room for many connections, and the bar that shows how many there are."""

import asyncio
import types

import pytest

from helpers.calls import capacity
from helpers.calls.capacity import RESERVED, files_allowed, most_calls, ports_allowed, progress, require_room


@pytest.fixture
def limits(monkeypatch):
    """A system with limits of its own: `limits.now` is [soft, hard]."""
    system = types.SimpleNamespace(now=[1024, 4096], RLIM_INFINITY=-1, RLIMIT_NOFILE=7)
    system.getrlimit = lambda which: tuple(system.now)

    def setrlimit(which, pair):
        system.now = list(pair)

    system.setrlimit = setrlimit
    monkeypatch.setattr(capacity, "resource", system)
    return system


def test_room_that_is_there_changes_nothing(limits):
    require_room(1024 - RESERVED)
    assert limits.now == [1024, 4096]


def test_the_soft_limit_is_raised_as_far_as_needed(limits):
    require_room(2000)
    assert limits.now == [2000 + RESERVED, 4096]
    assert files_allowed() == (2000 + RESERVED, 4096)


def test_a_hard_limit_is_told_with_the_largest_size(limits):
    with pytest.raises(RuntimeError) as caught:
        require_room(5000)
    assert str(caught.value) == (
        f"5,000 calls need {5000 + RESERVED:,} open files, and the hard limit is 4,096; "
        f"{4096 - RESERVED:,} calls is the most that fits"
    )
    assert limits.now == [1024, 4096]


def test_as_many_calls_as_fit(limits, monkeypatch):
    assert most_calls() == 4096 - RESERVED
    limits.now = [256, 256]
    assert most_calls() == 256 - RESERVED > 0
    require_room(most_calls())
    limits.now = [RESERVED, RESERVED]
    assert most_calls() == 1
    require_room(1)
    limits.now = [1024, -1]
    monkeypatch.setattr(capacity, "ports_allowed", lambda: 1000)
    assert most_calls() == 1000 - RESERVED


def test_a_limit_that_the_system_does_not_tell(limits):
    def setrlimit(which, pair):
        raise ValueError("not allowed to raise maximum limit")

    limits.setrlimit = setrlimit
    with pytest.raises(RuntimeError, match=r"2,000 calls need 2,200 open files: not allowed to raise"):
        require_room(2000)


def test_no_hard_limit(limits):
    limits.now = [1024, -1]
    require_room(5000)
    assert limits.now == [5000 + RESERVED, -1]
    limits.now = [-1, -1]
    require_room(5000)
    assert files_allowed() == (None, None)


def test_ports_are_told(limits, monkeypatch):
    monkeypatch.setattr(capacity, "ports_allowed", lambda: 1000)
    with pytest.raises(RuntimeError, match="900 calls need as many local ports; 800 calls is the most"):
        require_room(900)


def test_a_system_without_such_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(capacity, "resource", None)
    monkeypatch.setattr(capacity, "_PORTS", tmp_path / "missing")
    assert files_allowed() == (None, None)
    assert ports_allowed() == 16384
    require_room(10_000)


def test_the_ports_of_linux(monkeypatch, tmp_path):
    (tmp_path / "range").write_text("32768\t60999\n")
    monkeypatch.setattr(capacity, "_PORTS", tmp_path / "range")
    assert ports_allowed() == 28232


def test_the_bar_follows_the_count_and_ends_full(monkeypatch):
    bars = []
    monkeypatch.setattr("IPython.display.display", bars.append)

    async def main():
        count, before = [0], asyncio.all_tasks()
        async with progress(10, lambda: count[0], "started"):
            count[0] = 4
            while bars[0].value != 0.4:
                await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(main(), 60))
    assert (bars[0].value, bars[0].max, bars[0].description) == (1, 1, "started")


def test_an_interrupted_block_leaves_no_task(monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda bar: None)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                async with progress(10, lambda: 0, "started"):
                    await asyncio.sleep(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
