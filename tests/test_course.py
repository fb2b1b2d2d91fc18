"""course.py, as far as it needs no network: its messages, the state of .venv, the learner's copies."""

import errno
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from budgets import weekly
from leftovers import wait_for
from nbformat.sign import NotebookNotary

import course
from builder.build import find_lessons

ROOT = Path(__file__).parents[1]
PATIENCE = 120  # seconds that threads and processes get


@pytest.fixture
def root(tmp_path):
    """A course in a folder with a space in its name: two lessons and one pin."""
    root = tmp_path / "my courses"
    for name in ("0_start_here", "1_async_execution"):
        write_lesson(root, name)
        write_lesson(root, name, folder="notebooks")
    (root / course.PACKAGES).write_text("aiohttp==3.14.5\n")
    (root / course.TOOLS).write_text("aiohttp==3.14.5\npytest==9.1.0\n")
    (root / course.UV).write_text("uv==0.13.9\n")
    return root


def write_lesson(root, name, source="print('hello')", folder="notebooks/learner", outputs=()):
    cell = {"cell_type": "code", "source": [source], "outputs": list(outputs), "execution_count": 1}
    cell |= {"metadata": {}, "id": "one"}
    path = root / folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def edit(root, name, source):
    write_lesson(root, name, source, folder="my_notebooks")


def source_of(path):
    return json.loads(path.read_text())["cells"][0]["source"][0]


def run_course(*arguments, cwd=ROOT, **variables):
    command = [sys.executable, str(ROOT / "course.py"), *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


# --- the command line


def test_help_names_every_command():
    done = run_course("--help")
    assert done.returncode == 0
    for command in ("lab", "reset", "test", "build"):
        assert f"\n    {command} " in done.stdout
    assert run_course().stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["lab", "0", "1"], "one lesson at a time"),
        (["reset", "0", "--hard"], "reset takes one lesson"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments, complaint, tmp_path):
    done = run_course(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["lab", "reset"])
def test_an_unknown_lesson_is_named_with_those_there_are(command, root):
    with pytest.raises(SystemExit, match="no lesson '7'; the lessons are: 0_start_here, 1_async_execution"):
        course.main([command, "7"], root)


def test_a_course_without_notebooks_says_so(tmp_path):
    with pytest.raises(SystemExit, match="there is no notebook in "):
        course.main(["lab"], tmp_path)


@pytest.mark.parametrize(
    ("pretend", "told"),
    [
        ("sys.version_info = (3, 6, 0)", "Python 3.6"),
        ("sys.version_info = (3, 10, 14)", "Python 3.10"),
        ("sys.version_info = (3, 15, 0)", "Python 3.15"),
        ("sysconfig.get_config_var = {'Py_GIL_DISABLED': 1}.get", "Python {}.{} (free-threaded)"),
        ("sys.implementation.name = 'pypy'", "Python {}.{} (pypy)"),
    ],
)
def test_a_python_that_the_packages_are_not_made_for_gets_one_sentence(pretend, told, root):
    code = "import sys, sysconfig; {}; import runpy; runpy.run_path({!r}, run_name='__main__')"
    shutil.copy(ROOT / "course.py", root)
    command = [sys.executable, "-c", code.format(pretend, str(root / "course.py")), "test"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    told = told.format(*sys.version_info)
    assert f"made for Python 3.11 to 3.14, and this is {told}; start it with another" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (root / ".venv").exists()


def test_ctrl_c_leaves_one_sentence(root, monkeypatch, capsys):
    def interrupt(root):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "copy_lessons", lambda root, edition: interrupt(root))
    with pytest.raises(SystemExit) as end:
        course.main(["lab"], root)
    assert end.value.code == 130
    assert "stopped" in capsys.readouterr().err


def test_a_file_that_is_in_the_way_is_named(root):
    (root / "my_notebooks").write_text("a file where a folder should be")
    with pytest.raises(SystemExit) as end:
        course.main(["lab"], root)
    assert str(root / "my_notebooks") in end.value.code


def test_what_follows_test_and_build_is_handed_on(root, monkeypatch):
    handed = []
    monkeypatch.setattr(course, "set_up", lambda root, tools: handed.append(f"set up, tools: {tools}"))
    monkeypatch.setattr(course, "hand_over", lambda root, *command: handed.append(command))
    course.main(["test", "-k", "a and b", "tests/test_course.py", "--help"], root)
    course.main(["test", "--all", "-x"], root)
    course.main(["build", "1", "--force"], root)
    assert handed == [
        "set up, tools: True",
        ("pytest", "-k", "a and b", "tests/test_course.py", "--help"),
        "set up, tools: True",
        ("pytest", *course.SPREAD, "--all", "-x"),
        "set up, tools: True",
        ("builder.build", "1", "--force"),
    ]


@pytest.fixture
def handed(monkeypatch):
    """What is handed over to JupyterLab, which does not start; nothing is set up nor signed."""
    handed = []
    monkeypatch.setattr(course, "set_up", lambda root: None)
    monkeypatch.setattr(course, "sign", lambda root, edition: None)
    monkeypatch.setattr(course, "hand_over", lambda root, *command: handed.append(command))
    return handed


def test_lab_opens_the_lesson_from_the_working_copies(root, handed):
    course.main(["lab"], root)
    for lesson in ("1", "lesson1", "1_async_execution", "notebooks/1_async_execution.ipynb"):
        course.main(["lab", lesson, "--no-browser"], root)
    assert [command[0] for command in handed] == ["jupyterlab"] * 5
    assert f"--ServerApp.root_dir={root}" in handed[0]
    assert "--LabApp.default_url=/lab/tree/my_notebooks/0_start_here.ipynb" in handed[0]
    for command in handed[1:]:
        assert "--LabApp.default_url=/lab/tree/my_notebooks/1_async_execution.ipynb" in command
        assert command[-1] == "--no-browser"
    assert (root / "my_notebooks" / "1_async_execution.ipynb").exists()


def test_the_complete_edition_is_opened_on_request_as_a_copy(root, handed):
    write_lesson(root, "1_async_execution", "complete", folder="notebooks")
    course.main(["lab", "1", "--complete"], root)
    assert "--LabApp.default_url=/lab/tree/my_notebooks/complete/1_async_execution.ipynb" in handed[0]
    copies = root / "my_notebooks"
    assert source_of(copies / "complete" / "1_async_execution.ipynb") == "complete"
    course.main(["lab", "1"], root)
    assert source_of(copies / "1_async_execution.ipynb") == "print('hello')"
    edit(root, "complete/1_async_execution", "mine")
    course.main(["lab", "1", "--complete"], root)
    assert source_of(copies / "complete" / "1_async_execution.ipynb") == "mine"


# --- the environment


class Machine:
    """Stands in for the commands that make .venv: notes them, makes what they would, fails as told."""

    def __init__(self, root):
        self.root, self.commands, self.says = root, [], {}

    def __call__(self, root, command):
        told = " ".join(command)
        if command[1:] == ["-c", ""]:
            return "" if Path(command[0]).exists() else "no such Python"
        self.commands.append(told)
        if "-m venv" in told:
            python = Path(course.venv_python(self.root))
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text("")
            packages = sysconfig.get_path("purelib", "venv", {"base": str(self.root / ".venv")})
            Path(packages).mkdir(parents=True, exist_ok=True)
        return next((says for part, says in self.says.items() if part in told), "")

    def setups(self):
        return sum("-m venv" in command for command in self.commands)

    def installed(self, pins):
        return sum("-m uv" in command and pins in command for command in self.commands)


@pytest.fixture
def machine(root, monkeypatch):
    machine = Machine(root)
    monkeypatch.setattr(course, "failure", machine)
    return machine


def test_the_second_run_installs_nothing(root, machine, capsys):
    course.set_up(root)
    venv, pip, uv, packages, without_uv, fonts = machine.commands
    assert venv.endswith(f"-m venv --clear --without-pip {root / '.venv'}")
    assert pip.endswith("-m ensurepip --default-pip")
    assert uv.endswith(f"-m pip install --no-deps --require-hashes -r {root / 'requirements-uv.txt'}")
    assert f"-m uv pip install --no-deps --require-hashes -r {root / 'requirements.txt'}" in packages
    assert without_uv.endswith("-m pip uninstall --yes uv")
    assert fonts.endswith("-c import matplotlib.font_manager")
    assert capsys.readouterr().out.splitlines() == [
        "Setting up .venv: half a minute or more, only this once.",
        "  making the environment ...",
        "  fetching the installer ...",
        "  installing the packages ...",
        "  writing settings, listing fonts ...",
    ]
    course.set_up(root)
    assert len(machine.commands) == 6
    assert capsys.readouterr().out == ""


def test_what_only_tests_need_is_added_when_it_is_first_needed(root, machine, capsys):
    course.set_up(root)
    machine.commands.clear()
    capsys.readouterr()
    course.set_up(root, tools=True)
    uv, packages = machine.commands
    assert uv.endswith(f"-m pip install --no-deps --require-hashes -r {root / 'requirements-uv.txt'}")
    assert f"-m uv pip install --no-deps --require-hashes -r {root / 'requirements-tools.txt'}" in packages
    assert capsys.readouterr().out.startswith(
        "Adding what tests, builds and benchmarks need, only this once.\n"
    )
    course.set_up(root, tools=True)
    course.set_up(root)
    assert len(machine.commands) == 2


def test_other_tools_are_installed_into_the_environment_that_there_is(root, machine):
    course.set_up(root, tools=True)
    (root / course.TOOLS).write_text("pytest==9.2.0\n")
    assert course.is_ready(root) and not course.is_ready(root, tools=True)
    course.set_up(root, tools=True)
    assert (machine.setups(), machine.installed("requirements-tools.txt")) == (1, 2)


def test_an_environment_made_anew_gets_the_tools_when_they_are_needed(root, machine):
    course.set_up(root, tools=True)
    change_the_pins(root)
    course.set_up(root)
    assert machine.installed("requirements-tools.txt") == 1
    course.set_up(root, tools=True)
    assert (machine.setups(), machine.installed("requirements-tools.txt")) == (2, 2)


def test_an_environment_gets_new_settings_without_a_new_installation(root, machine, monkeypatch):
    course.set_up(root)
    monkeypatch.setattr(course, "SETTINGS", {"a": "setting"})
    course.set_up(root)
    (settings,) = (root / ".venv").glob("**/overrides.json")
    assert json.loads(settings.read_text()) == {"a": "setting"}
    assert machine.setups() == 1


def test_the_root_folder_is_on_the_path_of_the_environment(root, machine):
    course.set_up(root)
    (path_file,) = (root / ".venv").glob("**/course.pth")
    assert (path_file.parent / path_file.read_text().strip()).resolve() == root.resolve()


def test_exports_fold_solutions(root, machine, tmp_path):
    shutil.copytree(ROOT / "builder" / "templates", root / "builder" / "templates")
    course.set_up(root)
    cells = [
        nbformat.v4.new_code_cell("the_answer", metadata={"tags": ["solution"]}),
        nbformat.v4.new_code_cell("a_cell"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(root / ".venv" / "etc" / "jupyter")}
    command = [sys.executable, "-m", "nbconvert", "--to=html", str(tmp_path / "page.ipynb")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    folded, rest = page.partition("<summary>Solution</summary>")[2].split("</details>")
    assert "the_answer" in folded and "a_cell" in rest


def change_the_pins(root):
    (root / course.PACKAGES).write_text("aiohttp==3.14.6\n")


def change_the_installer(root):
    (root / course.UV).write_text("uv==0.13.10\n")


def delete_the_python(root):
    Path(course.venv_python(root)).unlink()


def forget_how_it_was_made(root):
    course.stamp_file(root).unlink()


def garble_the_stamp(root):
    course.stamp_file(root).write_bytes(b"\xff\x00")


@pytest.mark.parametrize(
    "change",
    [change_the_pins, change_the_installer, delete_the_python, forget_how_it_was_made, garble_the_stamp],
)
def test_an_environment_that_does_not_fit_is_made_anew(change, root, machine):
    course.set_up(root)
    change(root)
    course.set_up(root)
    course.set_up(root)
    assert machine.setups() == 2


def test_a_moved_folder_and_another_python_are_noticed(root, machine, monkeypatch):
    course.set_up(root)
    moved = root.rename(root.with_name("moved"))
    assert not course.is_ready(moved)
    moved.rename(root)
    assert course.is_ready(root)
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    assert not course.is_ready(root)


@pytest.mark.parametrize(
    ("interrupted", "setups"),
    [*dict.fromkeys(["-m venv", "-m ensurepip", "-m pip", "-m uv"], 2).items(), ("font_manager", 1)],
)
def test_an_interrupted_set_up_is_taken_up_again(interrupted, setups, root, machine, monkeypatch):
    def interrupt(root, command):
        problem = machine(root, command)
        if interrupted in " ".join(command):
            raise KeyboardInterrupt
        return problem

    monkeypatch.setattr(course, "failure", interrupt)
    with pytest.raises(KeyboardInterrupt):
        course.set_up(root)
    monkeypatch.setattr(course, "failure", machine)
    assert not course.is_ready(root)
    course.set_up(root)
    assert course.is_ready(root)
    assert machine.setups() == setups


@pytest.mark.parametrize("part", ["requirements-uv", "-m uv"])
def test_pip_takes_over_where_uv_fails(part, root, machine, capsys):
    machine.says[part] = "no wheel for this machine"
    course.set_up(root)
    assert f"-m pip install --no-deps --require-hashes -r {root / 'requirements.txt'}" in machine.commands[-3]
    assert course.is_ready(root)
    assert "no wheel for this machine\nuv does not get the packages here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "says", "advice"),
    [
        ("-m pip", "WARNING: Retrying after connection broken by 'NewConnectionError'", "check the network"),
        ("-m venv", "Error: [Errno 13] Permission denied: '.venv'", "folder cannot be written"),
        ("-m venv", "PermissionError: [WinError 5] Zugriff verweigert: 'python.exe'", "close JupyterLab"),
        ("-m ensurepip", "ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("requirements-uv", "ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("-m uv", "cause: failed to copy to /b: No space left on device (os error 28)", "the disk is full"),
        ("-m uv", "cause: There is not enough space on the disk. (os error 112)", "the disk is full"),
        ("font_manager", "OSError: [Errno 122] Disk quota exceeded: '/c'", "the disk is full"),
        ("pip install", "ERROR: something new", "this is in the way"),
    ],
)
def test_a_failed_set_up_says_at_once_what_to_do_and_why(part, says, advice, root, machine):
    machine.says[part] = f"Downloading\n{says}"
    with pytest.raises(SystemExit) as end:
        course.set_up(root)
    assert advice in end.value.code
    assert end.value.code.endswith(f"\n{says}")
    if says != "ERROR: something new":
        assert part in machine.commands[-1], "nothing else is tried"
    assert not course.is_ready(root)


@pytest.fixture
def waiting(monkeypatch):
    """An event that is set once a start waits for another."""
    waiting = threading.Event()
    monkeypatch.setattr(course.time, "sleep", lambda seconds: waiting.set())
    return waiting


def test_of_two_starts_at_once_the_second_waits_and_makes_nothing(
    root, machine, waiting, monkeypatch, capsys
):
    with ThreadPoolExecutor() as pool:
        starts = []

        def hold(root, command):
            if "-m uv" in " ".join(command):
                starts.append(pool.submit(course.set_up, root))
                assert waiting.wait(PATIENCE)
            return machine(root, command)

        monkeypatch.setattr(course, "failure", hold)
        course.set_up(root)
        starts[0].result(PATIENCE)
    assert machine.setups() == 1
    assert capsys.readouterr().out.splitlines() == [
        "Setting up .venv: half a minute or more, only this once.",
        "  making the environment ...",
        "  fetching the installer ...",
        "  installing the packages ...",
        "Another start sets things up: waiting for it.",
        "  writing settings, listing fonts ...",
    ]


def test_where_the_first_of_two_starts_fails_the_second_sets_up(root, machine, waiting, monkeypatch):
    with ThreadPoolExecutor() as pool:
        starts = []

        def fail(root, command):
            if "-m uv" in " ".join(command) and not starts:
                starts.append(pool.submit(course.set_up, root))
                assert waiting.wait(PATIENCE)
                return "No space left on device"
            return machine(root, command)

        monkeypatch.setattr(course, "failure", fail)
        with pytest.raises(SystemExit):
            course.set_up(root)
        starts[0].result(PATIENCE)
    assert machine.setups() == 2
    assert course.is_ready(root)


@pytest.mark.skipif(os.name == "nt", reason="on Windows, what a killed process has started holds no lock")
def test_what_a_killed_start_has_left_running_is_waited_for(root):
    pipe = root / "pipe"
    os.mkfifo(pipe)
    # The installer of the first start prints to a pipe, and goes on until that has a reader.
    code = (
        "import sys, course; from pathlib import Path; root = Path(sys.argv[1])\n"
        "with course.one_at_a_time(root):\n"
        "    print('locked', flush=True)\n"
        "    course.failure(root, ['/bin/sh', '-c', 'echo installing > \"$0\"', str(root / 'pipe')])\n"
    )
    command = [sys.executable, "-c", code, str(root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as first:
        first.stdout.readline()
        assert wait_for(lambda: psutil.Process(first.pid).children(), PATIENCE)
        first.kill()
        first.wait(PATIENCE)
    with (root / ".course.lock").open("a") as file:
        assert not course.lock(file)
        assert pipe.read_text() == "installing\n"
        assert wait_for(lambda: course.lock(file), PATIENCE)


def test_where_the_disk_knows_no_locks_the_set_up_goes_on(root, machine, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    course.set_up(root)
    assert course.is_ready(root)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_that_cannot_make_environments_says_what_to_install(missing, root, machine, monkeypatch):
    monkeypatch.setattr(course, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(SystemExit, match="sudo apt install python3-venv"):
        course.set_up(root)
    assert machine.commands == []


def test_a_command_that_fails_tells_why_and_one_that_works_tells_nothing(root):
    def failure(code):
        return course.failure(root, [sys.executable, "-c", code])

    assert failure("print('all is well')") == ""
    assert failure("import sys; sys.exit('no luck')") == "no luck"
    assert failure("import sys; sys.exit(3)") == "exit status 3"


def test_the_callers_variables_do_not_lead_elsewhere(root, monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "MPLBACKEND"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "a mirror")
    environment = course.environment(root)
    assert "elsewhere" not in environment.values()
    assert environment["PIP_USER"] == "0"
    assert environment["PIP_INDEX_URL"] == "a mirror"


def home_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))


def home_is_a_file(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))


def home_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))


def home_is_empty(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "")


def home_is_unknown(monkeypatch, tmp_path):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(course.Path, "home", home)


def home_is_read_only(monkeypatch, tmp_path):
    """As on a disk that is mounted so: root may write in any other folder."""

    def temporary_file(dir):
        raise OSError(errno.EROFS, "Read-only file system", dir)

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(course, "TemporaryFile", temporary_file)


UNUSABLE = [home_is_a_file, home_is_missing, home_is_empty, home_is_unknown, home_is_read_only]


@pytest.mark.skipif(os.name == "nt", reason="Windows names the user's folder otherwise")
@pytest.mark.parametrize(("home", "kept"), [(home_is_there, True), *[(home, False) for home in UNUSABLE]])
def test_a_home_that_cannot_be_written_is_replaced(home, kept, root, tmp_path, monkeypatch):
    home(monkeypatch, tmp_path)
    wanted = tmp_path if kept else root / ".venv" / "home"
    assert course.environment(root)["HOME"] == str(wanted)
    assert list(tmp_path.glob("tmp*")) == []


# What a cell says of where things are kept: the list of fonts, what IPython and Jupyter note down.
WHERE = """
import matplotlib, IPython
from jupyter_core.paths import jupyter_runtime_dir
print(matplotlib.get_cachedir(), IPython.paths.get_ipython_dir(), jupyter_runtime_dir(), sep="\\n")
"""
KERNEL = """
import sys, nbformat, nbclient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.argv[1])])
(cell,) = nbclient.NotebookClient(notebook, kernel_name="python3").execute().cells
print(*(output["text"] for output in cell.outputs))
"""


@weekly
@pytest.mark.skipif(os.name == "nt", reason="Windows names the user's folder otherwise")
def test_without_a_home_kernels_and_jupyterlab_run_and_keep_their_things_in_venv(root, machine, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(root / "missing"))
    course.set_up(root)
    venv, environment = root / ".venv", course.environment(root)

    command = [sys.executable, "-c", KERNEL, WHERE]
    told = subprocess.check_output(command, env=environment, cwd=root, text=True, timeout=PATIENCE)
    fonts, ipython, runtime = told.split("\n")[:3]
    assert (fonts, Path(ipython).parent) == (str(venv / "matplotlib"), venv / "home")
    assert (venv / "home") in Path(runtime).parents

    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, cwd=root, text=True, **options) as lab:
        try:
            wait_for(lambda: list(Path(runtime).glob("jpserver-*.json")) or lab.poll() is not None, PATIENCE)
            assert lab.poll() is None, lab.stdout.read()
        finally:
            lab.terminate()
            said, _ = lab.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    assert not (root / "missing").exists()


# --- the learner's copies


def test_lessons_are_copied_once(root):
    assert course.copy_lessons(root) == {}
    copies = root / "my_notebooks"
    assert sorted(path.name for path in copies.glob("*.ipynb")) == [
        "0_start_here.ipynb",
        "1_async_execution.ipynb",
    ]
    edit(root, "1_async_execution", "mine")
    assert course.copy_lessons(root) == {}
    assert source_of(copies / "1_async_execution.ipynb") == "mine"


def test_a_deleted_copy_comes_back(root):
    course.copy_lessons(root)
    (root / "my_notebooks" / "0_start_here.ipynb").unlink()
    course.copy_lessons(root)
    assert (root / "my_notebooks" / "0_start_here.ipynb").exists()


def test_an_updated_lesson_replaces_a_copy_that_was_only_run(root):
    course.copy_lessons(root)
    output = {"output_type": "stream", "name": "stdout", "text": ["hello\n"]}
    write_lesson(root, "0_start_here", folder="my_notebooks", outputs=[output])
    write_lesson(root, "0_start_here", "updated")
    assert course.copy_lessons(root) == {}
    assert source_of(root / "my_notebooks" / "0_start_here.ipynb") == "updated"


CHANGES = """# Changelog

## 0.3.0
- Lesson 0: a new player.
- Lesson 1: the second cell is another.
- All lessons: larger letters.

## 0.2.0
- Lesson 1: a step.
- Lesson 10: nothing of lesson 1.

## 0.1.0
- All lessons: the first version.
"""


def test_an_updated_lesson_leaves_a_changed_copy_alone_and_says_so(root, handed, capsys):
    (root / "CHANGELOG.md").write_text(CHANGES[CHANGES.index("## 0.1.0") :])
    course.main(["lab"], root)
    edit(root, "1_async_execution", "mine")
    write_lesson(root, "1_async_execution", "updated")
    (root / "CHANGELOG.md").write_text(CHANGES)
    course.main(["lab"], root)
    assert source_of(root / "my_notebooks" / "1_async_execution.ipynb") == "mine"
    line, *changes = capsys.readouterr().out.splitlines()
    assert changes == [
        "  Lesson 1: the second cell is another.",
        "  All lessons: larger letters.",
        "  Lesson 1: a step.",
    ]
    assert line.startswith("1_async_execution was updated since you changed your copy")
    assert "`python3 course.py reset 1`" in line
    course.main(["reset", "1"], root)
    capsys.readouterr()
    course.main(["lab"], root)
    assert capsys.readouterr().out == ""


def test_a_copy_that_is_no_notebook_any_more_is_the_learners(root):
    course.copy_lessons(root)
    copy = root / "my_notebooks" / "0_start_here.ipynb"
    copy.write_text("<<<<<<< mine")
    write_lesson(root, "0_start_here", "updated")
    assert course.copy_lessons(root) == {"0_start_here": []}
    assert copy.read_text() == "<<<<<<< mine"


def test_a_record_without_versions_is_understood(root):
    course.copy_lessons(root)
    record = root / "my_notebooks" / ".course.json"
    entries = json.loads(record.read_text())
    record.write_text(json.dumps({name: entry["content"] for name, entry in entries.items()}))
    edit(root, "1_async_execution", "mine")
    write_lesson(root, "1_async_execution", "updated")
    write_lesson(root, "0_start_here", "updated")
    (root / "CHANGELOG.md").write_text(CHANGES[: CHANGES.index("## 0.2.0")])
    assert course.copy_lessons(root) == {
        "1_async_execution": ["Lesson 1: the second cell is another.", "All lessons: larger letters."]
    }
    assert source_of(root / "my_notebooks" / "0_start_here.ipynb") == "updated"


def test_without_a_record_nothing_of_the_learners_is_lost(root):
    course.copy_lessons(root)
    edit(root, "1_async_execution", "mine")
    (root / "my_notebooks" / ".course.json").write_text("{ half a rec")
    assert course.copy_lessons(root) == {"1_async_execution": []}
    assert source_of(root / "my_notebooks" / "1_async_execution.ipynb") == "mine"


def test_reset_gives_a_fresh_copy_and_keeps_every_old_one(root, capsys):
    course.copy_lessons(root)
    for version in ("first", "second"):
        edit(root, "1_async_execution", version)
        course.main(["reset", "1"], root)
    copies = root / "my_notebooks"
    assert source_of(copies / "1_async_execution.ipynb") == "print('hello')"
    kept = sorted((copies / "kept").iterdir())
    assert [source_of(path) for path in kept] == ["first", "second"]
    said = capsys.readouterr().out.splitlines()
    for path, line in zip(kept, said, strict=True):
        assert line.startswith("1_async_execution: ")
        assert f"my_notebooks/kept/{path.name}" in line


def test_reset_of_all_keeps_only_what_differs(root):
    course.copy_lessons(root)
    edit(root, "0_start_here", "mine")
    course.main(["reset"], root)
    (kept,) = (root / "my_notebooks" / "kept").iterdir()
    assert kept.name.startswith("0_start_here.")
    assert course.copy_lessons(root) == {}


def test_of_two_starts_at_once_the_second_waits_for_the_copies(root, waiting, handed, monkeypatch):
    started, copyfile = [], shutil.copyfile

    def copy(original, copy):
        if not started:
            started.append(pool.submit(course.main, ["lab"], root))
            assert waiting.wait(PATIENCE)
        copyfile(original, copy)

    monkeypatch.setattr(course.shutil, "copyfile", copy)
    with ThreadPoolExecutor() as pool:
        course.main(["lab"], root)
        started[0].result(PATIENCE)
    assert course.copy_lessons(root) == {}
    assert source_of(root / "my_notebooks" / "1_async_execution.ipynb") == "print('hello')"


def test_an_interrupted_copy_is_no_copy(root, monkeypatch):
    def copy_half(original, copy):
        Path(copy).write_text(Path(original).read_text()[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course.shutil, "copyfile", copy_half)
        with pytest.raises(KeyboardInterrupt):
            course.copy_lessons(root)
    assert course.copy_lessons(root) == {}
    assert source_of(root / "my_notebooks" / "0_start_here.ipynb") == "print('hello')"


# --- signatures


def trusted(root):
    """The copies that Jupyter trusts."""
    places = dict(option.removeprefix("--NotebookNotary.").split("=") for option in course.signatures(root))
    notary = NotebookNotary(**places)
    paths = sorted((root / "my_notebooks").glob("*.ipynb"))
    found = [path.stem for path in paths if notary.check_signature(nbformat.read(path, as_version=4))]
    notary.store.close()
    return found


def test_copies_that_are_as_they_were_made_are_signed(root, handed, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(course, "venv_python", lambda root: sys.executable)
    course.copy_lessons(root)
    edit(root, "1_async_execution", "mine")
    (root / ".venv").mkdir()
    course.sign(root, course.LEARNERS)
    assert trusted(root) == ["0_start_here"]


def test_where_copies_cannot_be_signed_a_sentence_says_what_that_means(root, monkeypatch, capsys):
    monkeypatch.setattr(course, "failure", lambda root, command: "Traceback\nDiskError: full")
    course.copy_lessons(root)
    (root / ".venv").mkdir()
    course.sign(root, course.LEARNERS)
    assert capsys.readouterr().out == (
        "The copies could not be signed, so figures that move may stand still at first: DiskError: full\n"
    )


def test_the_newest_version_in_the_changelog_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert course.newest_version(ROOT) == project["version"]


def test_every_change_is_about_something():
    about = [lesson.name.split("_")[0] for lesson in find_lessons(ROOT)]
    allowed = [f"Lesson {name}" if name[0].isdigit() else name.capitalize() for name in about]
    for _, said in course.changelog(ROOT):
        assert said
        assert {change.partition(":")[0] for change in said} <= {*allowed, "All lessons", "Commands"}
