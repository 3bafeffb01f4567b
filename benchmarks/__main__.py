"""`python -m benchmarks [SECTION ...] [--write]`: run sections, print their tables, write docs/performance.md."""

import argparse
from importlib import import_module

from benchmarks.figures import write

#: Section name to "module:function"; the function returns a `Section`.
SECTIONS = {
    "fills": "benchmarks.bench_fills:measure",
    "comparator": "benchmarks.bench_comparator:measure",
    "dispatch": "benchmarks.bench_dispatch:measure",
    "sweeps": "benchmarks.bench_sweeps:measure",
    "limits": "benchmarks.bench_limits:measure",
    "whole-books": "benchmarks.bench_whole_books:measure",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    given = parser.parse_args()
    unknown = set(given.sections) - SECTIONS.keys()
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    for name in given.sections or SECTIONS:
        module, _, function = SECTIONS[name].partition(":")
        section = getattr(import_module(module), function)()
        print(section.markdown())
        if given.write:
            write(section)


if __name__ == "__main__":
    main()
