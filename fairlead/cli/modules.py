"""`--tools MODULE[:ATTR]`: the tools of a module on the import path, or of a .py file."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from fairlead.errors import FairleadError, InputError

LIST = "TOOLS"
"""A module's own list of its tools; without it, every decorated function and LangChain tool."""


def load_tools(names: Sequence[str] | None) -> list[object]:
    """The tools that the modules hold, each once. This runs the modules' code.

    Raises `InputError` for a module that is not there, fails while it is imported, or has no tools.
    """
    found: dict[int, object] = {}
    for name in names or ():
        for tool in _tools(name):
            found[id(tool)] = tool
    return list(found.values())


def _tools(name: str) -> Sequence[object]:
    place, attribute = _split(name)
    module = _module(place)
    if attribute:
        if not hasattr(module, attribute):
            raise InputError(
                f"{place!r} has no {attribute!r}", hint=f"It has: {', '.join(_public(module))}."
            )
        return _several(getattr(module, attribute))
    if hasattr(module, LIST):
        return _several(getattr(module, LIST))
    from fairlead.tools import Tool
    from fairlead.tools.langchain import is_langchain

    tools = [v for v in vars(module).values() if isinstance(v, Tool) or is_langchain(v)]
    if not tools:
        raise InputError(
            f"{place!r} has no tools",
            hint=f"Decorate a function with @tool, or list them in {LIST}.",
        )
    return tools


def _split(name: str) -> tuple[str, str]:
    place, colon, attribute = name.rpartition(":")
    return (place, attribute) if colon and attribute.isidentifier() else (name, "")


def _several(value: object) -> Sequence[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _public(module: ModuleType) -> list[str]:
    return sorted(name for name in vars(module) if not name.startswith("_"))


def _module(place: str) -> ModuleType:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise InputError(f"no file {place!r}", hint="Name a module or an existing .py file.")
    try:
        with _importing_from(Path(place).resolve().parent if is_file else Path.cwd()):
            return _file_module(Path(place)) if is_file else importlib.import_module(place)
    except FairleadError:
        raise  # a tool that cannot be declared says so itself
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            hint = "Name a module on the import path, or a file: tools.py."
            raise InputError(f"no module {place!r}", hint=hint) from error
        raise _broken(place, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(place, error) from error


def _broken(place: str, error: BaseException) -> InputError:
    return InputError(
        f"{place!r} cannot be imported: {type(error).__name__}: {error}",
        hint="Run with --debug for the traceback.",
    )


def _file_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    held = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # types of the module are looked up there while it is run
    try:
        spec.loader.exec_module(module)
    finally:
        if held is not None:
            sys.modules[path.stem] = held
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """The folder comes first while the tools are imported, and last when they run."""
    held = str(folder)
    sys.path.insert(0, held)
    try:
        yield
    finally:
        sys.path.remove(held)
        if held not in sys.path:
            sys.path.append(held)
