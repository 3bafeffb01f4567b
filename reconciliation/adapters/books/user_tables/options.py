"""How the users' own tables become a local book: the options, checked before anything is read."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from reconciliation.adapters.books.sides import LONG_WORDS, SHORT_WORDS
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import ConfigurationError

Mode = Literal["table", "query"]

POSITION_NAMES = (
    "account_id", "symbol", "quantity", "avg_cost", "asset_type", "currency", "multiplier", "side", *STRONG_IDENTIFIERS,
)  # fmt: skip
FILL_NAMES = (*(name for name in POSITION_NAMES if name != "avg_cost"), "price")
BALANCE_NAMES = ("account_id", "cash", "equity", "currency")
ACCOUNT_NAMES = ("account_id",)

_ARRAY = re.compile(r"\bany\s*\(\s*:account_ids", re.IGNORECASE)


def _exact(value: Any) -> Any:
    """Let a float of JSON or TOML in by its shortest text."""
    return str(value) if isinstance(value, float) else value


Number = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Source(_Part):
    """Where one kind of row comes from: a table with a map of columns, or a query with documented names."""

    #: `name` or `schema.name`; a view will do.
    table: str | None = None
    #: Our name to the name of the column, or to `column->key` where the column holds JSON.
    columns: dict[str, str] = {}
    #: A condition in SQL, beside the one on the accounts.
    where: str | None = None
    #: Columns in whose order fills are to be added up.
    order_by: tuple[str, ...] = ()
    #: A SELECT that gives our names, with `:account_id` or `IN :account_ids`.
    query: str | None = None
    #: Our name to a value that every row has.
    constants: dict[str, str] = {}
    #: Our name to what its number is multiplied with: 0.000001 for integers in millionths.
    scale: dict[str, Number] = {}
    #: Words of the side column that mean long (bought) and short (sold).
    long: tuple[str, ...] = LONG_WORDS
    short: tuple[str, ...] = SHORT_WORDS
    #: Words of the asset type column and what they mean.
    asset_types: dict[str, AssetType] = {}
    #: Rows are fills: they are added up in their order, and the cost is that of what is left.
    fills: bool = False
    #: What an account id is in the database; a table's column says it itself.
    account_type: Literal["text", "integer", "uuid"] | None = None

    @property
    def takes(self) -> Literal["all", "one", "none"]:
        """Say which accounts a query takes as bound values: all that are asked, one at a time, or none."""
        if self.query is None:
            return "all" if "account_id" in self.columns else "none"
        if re.search(r":account_ids\b", self.query):
            return "all"
        return "one" if re.search(r":account_id\b", self.query) else "none"

    def column(self, name: str) -> str:
        """Return the column that holds our `name`."""
        return self.columns[name].partition("->")[0].strip()

    def json_path(self, name: str) -> tuple[str, ...]:
        """Return the keys that lead to our `name` within its column; none where the column is the value."""
        return tuple(key.strip() for key in self.columns.get(name, "").split("->")[1:])

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "Source":
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        if self.query is not None:
            if self.columns or self.where or self.order_by:
                raise ValueError("`columns`, `where` and `order_by` belong to a `table`; a query says that itself")
            if _ARRAY.search(self.query):
                raise ValueError("write `IN :account_ids` instead of `= ANY(:account_ids)`")
        for name in self.columns.keys() & self.constants.keys():
            raise ValueError(f"{name!r} is both a column and a constant")
        for name in self.constants.keys() & self.scale.keys():
            raise ValueError(f"{name!r} is a constant: write it as it is meant, without a scale")
        if self.fills and self.table is not None and not self.order_by:
            raise ValueError("`fills` need `order_by`, the column of their time or number")
        return self

    def check_names(self, part: str, known: tuple[str, ...], required: tuple[str, ...]) -> None:
        """Raise ConfigurationError for a name that this part has not, or lacks."""
        given: dict[str, Iterable[str]] = {"columns": self.columns, "constants": self.constants, "scale": self.scale}
        for option, names in given.items():
            for name in names:
                if name not in known:
                    raise ConfigurationError(
                        f"local_options: {part}.{option}: {name!r} is not one of {', '.join(known)}"
                    )
        if self.table is None:  # what a query gives is seen when it runs
            if self.takes == "none" and "account_id" not in self.constants:
                raise ConfigurationError(
                    f"local_options: {part}.query takes no account: bind it, as in `WHERE account IN :account_ids` "
                    "or `WHERE account = :account_id`, or give a constant 'account_id'"
                )
            return
        for name in required:
            if name not in self.columns and name not in self.constants:
                raise ConfigurationError(
                    f"local_options: {part}: {name!r} is missing: map it in `columns` or give it in `constants`"
                )


class UserTables(_Part):
    """All options of `local = "table"` and `local = "query"`."""

    positions: Source
    balances: Source | None = None
    #: Which accounts are known, if neither positions nor balances show it.
    accounts: Source | None = None
    #: What an account without any row is: an error, or flat.
    no_rows: Literal["unknown", "flat"] = "unknown"
    #: The balances name every currency that is not zero.
    cash_split_is_whole: bool = False
    max_rows_per_account: int = Field(50_000, gt=0)
    statement_timeout_seconds: float = Field(10.0, gt=0)

    @property
    def position_names(self) -> tuple[str, ...]:
        return FILL_NAMES if self.positions.fills else POSITION_NAMES


def parse_options(mode: Mode, options: Mapping[str, Any]) -> UserTables:
    """Return the checked options; `{"file": PATH}` takes them from a TOML file.

    Raises:
        ConfigurationError: an option is unknown, missing or of the wrong kind; the message names it.
    """
    given = _from_file(options["file"]) if set(options) == {"file"} else options
    try:
        parsed = UserTables.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"local_options: {place or 'options'}: {why}") from None
    for part, source in (("positions", parsed.positions), ("balances", parsed.balances), ("accounts", parsed.accounts)):
        if source is not None and getattr(source, mode) is None:
            raise ConfigurationError(f'local_options: {part}: local = "{mode}" needs a `{mode}`')
    parsed.positions.check_names("positions", parsed.position_names, ("account_id", "symbol", "quantity", "asset_type"))
    if parsed.balances is not None:
        parsed.balances.check_names("balances", BALANCE_NAMES, ("account_id",))
    if parsed.accounts is not None:
        parsed.accounts.check_names("accounts", ACCOUNT_NAMES, ("account_id",))
    return parsed


def _from_file(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"local_options: the file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # also TOMLDecodeError and UnicodeDecodeError
        raise ConfigurationError(f"local_options: the file {path} is not TOML: {error}") from None
