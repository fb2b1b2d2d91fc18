"""The stubs and the solutions of a lesson's exercises and building steps, as its notebook makes them."""

import ast
import importlib
from dataclasses import dataclass
from functools import cache

from builder import build as builder
from builder.definitions import stub

DEFINES = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Checked:
    """What a cell hands to `check` or `check_step`. exercise: its name in exercises.py."""

    exercise: str
    answer: object
    is_solution: bool


def exercises_of(folder):
    """Name to exercise or step, in the order of exercises.py."""
    module = importlib.import_module(f"lessons.{folder.name}.exercises")
    return {
        name: value for name, value in vars(module).items() if isinstance(value, dict) and "cases" in value
    }


@cache
def checked_in(folder):
    """Every answer that the cells of a lesson's notebooks hand to a check, in order: a list of Checked.

    Of a step that is the stub of the learner's edition and the code of the complete one. Nothing else of the
    notebook runs: of the cells before the exercises only imports, classes and functions are made, so that an
    answer finds the notebook's own.
    """
    names = {exercise["title"]: name for name, exercise in exercises_of(folder).items()}
    lessons = [lesson for lesson in builder.find_lessons(folder.parents[1]) if lesson.folder == folder]
    return [checked for lesson in lessons for checked in _checked_in_notebook(lesson, names)]


def _checked_in_notebook(lesson, names):
    found, namespace, in_exercises, steps = [], {"__name__": lesson.name}, False, []
    for cell in builder.read_cells(lesson):
        if cell.cell_type != "code":
            in_exercises = in_exercises or cell.source.startswith("## Exercises")
            continue
        tags = cell.metadata.get("tags", [])
        is_solution = "solution" in tags
        if "step" in tags:
            steps.append(cell.source)

        def check(exercise, answer, is_solution=is_solution):
            found.append(Checked(names[exercise["title"]], answer, is_solution))

        def check_step(step, answer, timeout=None):
            if step["title"] not in names:  # one that needs more than the lessons; it has tests of its own
                return answer
            for is_solution, code in ((False, stub(steps[-1])), (True, steps[-1])):
                exec(code, namespace)
                found.append(Checked(names[step["title"]], namespace[answer.__name__], is_solution))
            return answer

        for node in ast.parse(cell.source).body:
            if isinstance(node, DEFINES) or is_check(node) or is_answer(node, in_exercises):
                code = compile(ast.Module([node], []), str(lesson.source), "exec")
                checks = {"check": check, "check_step": check_step}
                exec(code, namespace | checks if is_check(node) else namespace)
    return found


def is_answer(node, in_exercises):
    """Whether a statement makes an answer: any value among the exercises, a constant in a section.

    Or a step is put into its class: `EventLoop.suspend = suspend`.
    """
    match node:
        case ast.Assign(value=ast.Constant()):
            return True
        case ast.Assign([ast.Attribute(ast.Name(), name)], ast.Name(value)) if name == value:
            return True
    return in_exercises and isinstance(node, ast.Assign)


def is_check(node):
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="check"))):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="check_step"))):
            return True
    return False
