"""A task that does nothing: what a worker of ours can do at most, told to it by `celery worker -I`."""

from tasks.celery import app

NAME = "benchmarks.nothing"


@app.task(name=NAME)  # type: ignore[untyped-decorator]  # celery has no types
def nothing() -> None:
    pass
