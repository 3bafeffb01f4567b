"""docs/architecture.md shows the code as it is: its folders, and walks whose steps call each other downwards."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
#: Lowest first: the number of a folder's layer.
LAYERS = {
    name: number for number, layer in enumerate(reversed(CONTRACT["layers"])) for name in re.findall(r"\w+", layer)
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a walk."""

    depth: int
    path: Path
    #: A function, a class, or a method with its class.
    function: str
    #: The caller has it as a value, so its name does not stand there.
    is_passed_in: bool

    @property
    def name(self) -> str:
        return self.function.rpartition(".")[2]

    @property
    def room(self) -> str:
        """The folder; of adapters and domain, the folder in it."""
        folders = self.path.parts[:-1]
        return "/".join(folders[1:3]) if folders[1:2] in (("adapters",), ("domain",)) else folders[-1]

    @property
    def height(self) -> float:
        """The number of its layer. In the domain, comparison and breaks stand above the model."""
        if self.path.parts[0] != "reconciliation":
            return len(LAYERS)
        return LAYERS[self.path.parts[1]] - (0.5 if self.room == "domain/model" else 0)


def parts() -> list[list[Step]]:
    """Return the parts of all walks, each with its steps in order."""
    found: list[list[Step]] = []
    for line in PAGE.splitlines():
        match = re.match(r"^( *)\d+\. `([\w/.]+)` · `([\w.]+)`: (passed in)?", line)
        if match:
            depth, path, function, passed = match.groups()
            step = Step(depth=len(depth) // 3, path=Path(path), function=function, is_passed_in=passed is not None)
            if step.depth == 0:
                found.append([])
            found[-1].append(step)
    return found


def calls(part: list[Step]) -> Iterator[tuple[Step, Step]]:
    """Yield each step with the one that calls it."""
    above: list[Step] = []
    for step in part:
        del above[step.depth :]
        if above:
            yield above[-1], step
        above.append(step)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports."""
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) and node.module]
    return {str(node.module) for node in found} | {
        f"{node.module}.{name.name}" for node in found for name in node.names
    }


def module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def file_of(name: str) -> Path | None:
    path = Path(*name.split(".")).with_suffix(".py")
    return path if (ROOT / path).is_file() else None


def defined(path: Path) -> set[str]:
    """Return the functions and classes of a file, methods with their class."""
    if path.suffix == ".lua":
        text = (ROOT / path).read_text(encoding="utf-8")
        return set(re.findall(r"function (?:operations\.)?(\w+)", text))
    names: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            names.update(f"{node.name}.{one.name}" for one in inner)
    return names


def mentions(path: Path, name: str) -> bool:
    nodes = ast.walk(tree(path))
    return any(getattr(node, "attr", None) == name or getattr(node, "id", None) == name for node in nodes)


def knows(caller: Step, called: Step) -> bool:
    """Whether the caller's module reaches the called one: by an import, through a port, or from the bootstrap."""
    imports = imported(caller.path)
    if module(called.path) in imports:
        return True
    ports = [file_of(name) for name in imports if name.startswith("reconciliation.ports.")]
    methods = {method.rpartition(".")[2] for path in ports if path for method in defined(path)}
    if called.path.parts[1] == "adapters" and called.name in methods:
        return True
    wiring = (ROOT / "reconciliation" / "bootstrap").glob("*.py")
    is_entry = caller.path.parts[0] == "tasks" or caller.path.parts[1] == "cli"
    return is_entry and any(module(called.path) in imported(path.relative_to(ROOT)) for path in wiring)


ALL = [(f"{part[0].path.stem}-{number}", part) for number, part in enumerate(parts())]


@pytest.mark.parametrize("part", [part for _, part in ALL], ids=[name for name, _ in ALL])
def test_every_step_of_a_walk_exists_and_calls_the_next(part: list[Step]) -> None:
    for step in part:
        assert step.function in defined(step.path), f"{step.path} has no {step.function}"
    for caller, called in calls(part):
        if called.path.suffix == ".lua":
            assert called.path.stem == caller.path.stem
            continue
        named_in = called.path if called.is_passed_in else caller.path
        assert mentions(named_in, called.name), f"{caller.path} does not call {called.name}"
        if caller.room != called.room:
            assert knows(caller, called), f"{caller.path} does not know {called.path}"


@pytest.mark.parametrize("part", [part for _, part in ALL], ids=[name for name, _ in ALL])
def test_a_part_of_a_walk_goes_down_and_enters_each_room_once(part: list[Step]) -> None:
    visits = {(part[0], part[0].room): None}
    for caller, called in calls(part):
        if caller.room == called.room:
            continue
        by_port = called.path.parts[1] == "adapters" and caller.path.parts[1] == "usecases"
        assert by_port or called.height < caller.height, f"{caller} to {called}"
        visits[caller, called.room] = None
    entered = [room for _, room in visits]
    assert len(entered) == len(set(entered)), entered


def test_the_walks_are_all_there() -> None:
    assert re.findall(r"^### (A .+?):", PAGE, re.MULTILINE) == [
        "A fill",
        "A due account",
        "A broker's row",
        "A person's acknowledgement",
    ]
    assert all(len(part) > 1 for part in parts())
    assert len(re.findall(r"^ *\d+\. ", PAGE, re.MULTILINE)) == sum(len(part) for part in parts())


def test_the_table_of_folders_is_the_tree() -> None:
    shown = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE))
    folders = {f"reconciliation/{path.name}" for path in (ROOT / "reconciliation").iterdir() if path.is_dir()}
    assert shown == {"tasks", *folders} - {"reconciliation/__pycache__"}
    for layer in ("adapters", "domain"):
        row = re.search(rf"^\| `reconciliation/{layer}/` \| (.+) \|$", PAGE, re.MULTILINE)
        rooms = {path.name for path in (ROOT / "reconciliation" / layer).iterdir() if path.is_dir()}
        assert row
        assert set(re.findall(r"`(\w+)`", row[1])) == rooms - {"__pycache__"}
