"""course.py, as far as it needs no network: its messages, the state of .venv, the learner's copies."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import course

ROOT = Path(__file__).parents[1]


@pytest.fixture
def root(tmp_path):
    """A course in a folder with a space in its name: two lessons and one pin."""
    root = tmp_path / "my courses"
    (root / "notebooks").mkdir(parents=True)
    write_lesson(root, "0_start_here")
    write_lesson(root, "1_async_execution")
    (root / "requirements.txt").write_text("aiohttp==3.14.5\n")
    return root


def write_lesson(root, name, source="print('hello')", folder="notebooks", outputs=()):
    cell = {"cell_type": "code", "source": [source], "outputs": list(outputs), "execution_count": 1}
    path = root / folder / f"{name}.ipynb"
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


@pytest.mark.parametrize("version", [(3, 6, 0), (3, 10, 14)])
def test_an_older_python_gets_one_sentence(version):
    code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path({str(ROOT / 'course.py')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"needs Python 3.11 or newer and this is Python {version[0]}.{version[1]};" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_leaves_one_sentence(root, monkeypatch, capsys):
    def interrupt(root):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "copy_lessons", interrupt)
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
    monkeypatch.setattr(course, "set_up", lambda root: handed.append("set up"))
    monkeypatch.setattr(course, "hand_over", lambda root, *command: handed.append(command))
    course.main(["test", "-k", "a and b", "tests/test_course.py", "--help"], root)
    course.main(["build", "1", "--force"], root)
    assert handed == [
        "set up",
        ("pytest", "-k", "a and b", "tests/test_course.py", "--help"),
        "set up",
        ("helpers.builder", "1", "--force"),
    ]


def test_lab_opens_the_lesson_from_the_working_copies(root, monkeypatch):
    handed = []
    monkeypatch.setattr(course, "set_up", lambda root: None)
    monkeypatch.setattr(course, "hand_over", lambda root, *command: handed.append(command))
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


# --- the environment


class Machine:
    """Stands in for the commands that make .venv: notes them, makes what they would, fails as told."""

    def __init__(self, root):
        self.root, self.commands, self.says = root, [], {}

    def __call__(self, command):
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


@pytest.fixture
def machine(root, monkeypatch):
    machine = Machine(root)
    monkeypatch.setattr(course, "failure", machine)
    return machine


def test_the_second_run_installs_nothing(root, machine):
    course.set_up(root)
    assert len(machine.commands) == 3
    assert machine.commands[0].endswith(f"-m venv --clear {root / '.venv'}")
    assert machine.commands[1].endswith(f"-m pip install {course.UV}")
    assert f"-m uv pip install --require-hashes -r {root / 'requirements.txt'}" in machine.commands[2]
    course.set_up(root)
    assert len(machine.commands) == 3


def test_the_root_folder_is_on_the_path_of_the_environment(root, machine):
    course.set_up(root)
    (path_file,) = (root / ".venv").glob("**/course.pth")
    assert (path_file.parent / path_file.read_text().strip()).resolve() == root.resolve()


def change_the_pins(root):
    (root / "requirements.txt").write_text("aiohttp==3.14.6\n")


def delete_the_python(root):
    Path(course.venv_python(root)).unlink()


def forget_how_it_was_made(root):
    course.stamp_file(root).unlink()


def garble_the_stamp(root):
    course.stamp_file(root).write_bytes(b"\xff\x00")


@pytest.mark.parametrize(
    "change", [change_the_pins, delete_the_python, forget_how_it_was_made, garble_the_stamp]
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


@pytest.mark.parametrize("interrupted", ["-m venv", "-m pip", "-m uv"])
def test_an_interrupted_set_up_is_started_again(interrupted, root, machine, monkeypatch):
    def interrupt(command):
        problem = machine(command)
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
    assert machine.setups() == 2


@pytest.mark.parametrize("part", ["-m pip install uv", "-m uv"])
def test_pip_takes_over_where_uv_fails(part, root, machine):
    machine.says[part] = "no wheel for this machine"
    course.set_up(root)
    assert f"-m pip install --require-hashes -r {root / 'requirements.txt'}" in machine.commands[-1]
    assert course.is_ready(root)


@pytest.mark.parametrize(
    ("part", "says", "advice"),
    [
        ("-m pip", "WARNING: Retrying after connection broken by 'NewConnectionError'", "check the network"),
        ("-m venv", "Error: [Errno 13] Permission denied: '.venv'", "folder cannot be written"),
        ("pip install", "ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("pip install", "ERROR: something new", "this is in the way:\nERROR: something new"),
    ],
)
def test_a_failed_set_up_says_what_to_do(part, says, advice, root, machine):
    machine.says[part] = says
    with pytest.raises(SystemExit, match=advice):
        course.set_up(root)
    assert not course.is_ready(root)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_that_cannot_make_environments_says_what_to_install(missing, root, machine, monkeypatch):
    monkeypatch.setattr(course, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(SystemExit, match="sudo apt install python3-venv"):
        course.set_up(root)
    assert machine.commands == []


def test_a_command_that_fails_tells_why_and_one_that_works_tells_nothing():
    assert course.failure([sys.executable, "-c", "print('all is well')"]) == ""
    assert course.failure([sys.executable, "-c", "import sys; sys.exit('no luck')"]) == "no luck"
    assert course.failure([sys.executable, "-c", "import sys; sys.exit(3)"]) == "exit status 3"


def test_the_callers_variables_do_not_lead_elsewhere(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "MPLBACKEND"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "a mirror")
    assert "elsewhere" not in course.environment().values()
    assert course.environment()["PIP_USER"] == "0"
    assert course.environment()["PIP_INDEX_URL"] == "a mirror"


# --- the learner's copies


def test_lessons_are_copied_once(root):
    assert course.copy_lessons(root) == []
    copies = root / "my_notebooks"
    assert sorted(path.name for path in copies.glob("*.ipynb")) == [
        "0_start_here.ipynb",
        "1_async_execution.ipynb",
    ]
    edit(root, "1_async_execution", "mine")
    assert course.copy_lessons(root) == []
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
    assert course.copy_lessons(root) == []
    assert source_of(root / "my_notebooks" / "0_start_here.ipynb") == "updated"


def test_an_updated_lesson_leaves_a_changed_copy_alone_and_says_so(root, monkeypatch, capsys):
    monkeypatch.setattr(course, "set_up", lambda root: None)
    monkeypatch.setattr(course, "hand_over", lambda root, *command: None)
    course.main(["lab"], root)
    edit(root, "1_async_execution", "mine")
    write_lesson(root, "1_async_execution", "updated")
    course.main(["lab"], root)
    assert source_of(root / "my_notebooks" / "1_async_execution.ipynb") == "mine"
    (line,) = capsys.readouterr().out.splitlines()
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
    assert course.copy_lessons(root) == ["0_start_here"]
    assert copy.read_text() == "<<<<<<< mine"


def test_without_a_record_nothing_of_the_learners_is_lost(root):
    course.copy_lessons(root)
    edit(root, "1_async_execution", "mine")
    (root / "my_notebooks" / ".course.json").write_text("{ half a rec")
    assert course.copy_lessons(root) == ["1_async_execution"]
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
    assert course.copy_lessons(root) == []


def test_an_interrupted_copy_is_no_copy(root, monkeypatch):
    def copy_half(original, copy):
        Path(copy).write_text(Path(original).read_text()[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course.shutil, "copyfile", copy_half)
        with pytest.raises(KeyboardInterrupt):
            course.copy_lessons(root)
    assert course.copy_lessons(root) == []
    assert source_of(root / "my_notebooks" / "0_start_here.ipynb") == "print('hello')"
