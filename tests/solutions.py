"""The stubs and the solutions of a lesson's exercises, as its notebook makes them."""

import ast
import importlib
from dataclasses import dataclass
from functools import cache

from builder import build as builder

DEFINES = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Checked:
    """What a cell hands to `check`. exercise: its name in exercises.py."""

    exercise: str
    answer: object
    is_solution: bool


def exercises_of(folder):
    """Name to exercise, in the order of exercises.py."""
    module = importlib.import_module(f"lessons.{folder.name}.exercises")
    return {
        name: value for name, value in vars(module).items() if isinstance(value, dict) and "cases" in value
    }


@cache
def checked_in(folder):
    """Every answer that the cells of lesson.md hand to `check`, in order: a list of Checked.

    Nothing else of the notebook runs: of the cells before the exercises only imports, classes and
    functions are made, so that an answer finds the notebook's own.
    """
    names = {exercise["title"]: name for name, exercise in exercises_of(folder).items()}
    found, namespace, in_exercises = [], {"__name__": folder.name}, False
    for cell in builder.read_cells(builder.Lesson(folder)):
        if cell.cell_type != "code":
            in_exercises = in_exercises or cell.source.startswith("## Exercises")
            continue
        is_solution = "solution" in cell.metadata.get("tags", [])

        def check(exercise, answer, is_solution=is_solution):
            found.append(Checked(names[exercise["title"]], answer, is_solution))

        for node in ast.parse(cell.source).body:
            if isinstance(node, DEFINES) or (
                in_exercises and (is_check(node) or isinstance(node, ast.Assign))
            ):
                code = compile(ast.Module([node], []), str(folder / "lesson.md"), "exec")
                exec(code, namespace | {"check": check} if is_check(node) else namespace)
    return found


def is_check(node):
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="check"))):
            return True
    return False
