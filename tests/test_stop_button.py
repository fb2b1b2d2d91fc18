"""Stop, in a real kernel: which cells end at once, and which do not. The lessons say the same."""

import asyncio
import os
import signal
import subprocess
import threading

import pytest
from jupyter_client.manager import start_new_kernel

from helpers.stop_button import wake_on_signals

PATIENCE = 60


@pytest.fixture
def interrupted():
    """Runs a cell in a kernel, and interrupts it when it prints. Gives what it printed and how it ended."""
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)

    def run(cell, then=lambda: None):
        outcome = []

        def hook(message):
            if message["msg_type"] == "stream":
                outcome.extend(message["content"]["text"].split())
                if outcome == ["begun"]:
                    manager.interrupt_kernel()
                    then()
            elif message["msg_type"] == "error":
                outcome.append(message["content"]["ename"])

        client.execute_interactive(cell, output_hook=hook, timeout=PATIENCE)
        return outcome

    try:
        client.execute_interactive("from helpers import record\nimport asyncio, time", timeout=PATIENCE)
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_cell_that_awaits_ends_at_once_and_the_next_one_runs(interrupted):
    assert interrupted("print('begun')\nawait asyncio.sleep(600)") == ["begun", "CancelledError"]
    assert interrupted("await asyncio.sleep(0)\nprint('next')") == ["next"]
    assert interrupted("print('begun')\nawait asyncio.Event().wait()") == ["begun", "CancelledError"]


def test_a_cell_without_await_ends_at_once(interrupted):
    assert interrupted("print('begun')\ntime.sleep(600)") == ["begun", "KeyboardInterrupt"]


def test_a_cell_that_awaits_what_blocks_ends_at_its_next_await(interrupted, tmp_path):
    cell = f"""
async def blocks():
    print("begun")
    while not os.path.exists({str(tmp_path / "go on")!r}):
        time.sleep(0.01)
    print("unblocked")
    await asyncio.sleep(600)

import os
await blocks()"""
    assert interrupted(cell, then=(tmp_path / "go on").touch) == ["begun", "unblocked", "CancelledError"]


# --- It does no harm where it does not fit


@pytest.fixture
def wakeup_fd():
    """Tells the file that signals wake; none is set before and after the test."""

    def get():
        found = signal.set_wakeup_fd(-1)
        if found != -1:
            signal.set_wakeup_fd(found)
        return found

    assert get() == -1
    yield get
    signal.set_wakeup_fd(-1)


async def wake():
    return wake_on_signals()


def test_once_is_enough(wakeup_fd):
    async def twice():
        assert wake_on_signals()
        first = wakeup_fd()
        assert first != -1 and not wake_on_signals() and wakeup_fd() == first

    asyncio.run(twice())
    os.close(wakeup_fd())


def test_nothing_changes_where_no_loop_runs(wakeup_fd):
    assert not wake_on_signals()
    assert wakeup_fd() == -1


def test_nothing_changes_on_another_thread(wakeup_fd):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(wake())))
    thread.start()
    thread.join()
    assert answers == [False] and wakeup_fd() == -1


def test_what_signals_wake_already_stays(wakeup_fd):
    """With uvloop, say."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    assert asyncio.run(wake()) is False
    assert wakeup_fd() == writing
    signal.set_wakeup_fd(-1)
    os.close(reading)
    os.close(writing)


class Proactor(asyncio.SelectorEventLoop):
    """Refuses to watch a socket, as the default loop on Windows does."""

    def add_reader(self, fd, callback, *args):
        raise NotImplementedError


@pytest.mark.filterwarnings("error")
def test_nothing_is_left_where_the_loop_cannot_watch_a_socket(wakeup_fd):
    with asyncio.Runner(loop_factory=Proactor) as runner:
        assert runner.run(wake()) is False
    assert wakeup_fd() == -1
