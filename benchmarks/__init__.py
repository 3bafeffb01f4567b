"""Measurements. `make bench` runs all of them and writes docs/performance.md; `python -m benchmarks fills` runs one."""
