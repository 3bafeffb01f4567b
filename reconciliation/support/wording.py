"""How sentences for people are put together."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: 1 position, 8 positions, 2 discrepancies (whose plural is given)."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
