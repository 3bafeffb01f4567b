"""docs/settings.md lists every setting, in its section, as the class says it."""

import re

from reconciliation.cli.settings import described
from reconciliation.settings import SECTIONS, Settings, variable
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def row(name: str) -> str:
    default, meaning = described(name)
    return f"| `{variable(name)}` | {'' if default is None else f'`{default}`'} | {meaning} |"


def test_the_page_has_each_setting_in_its_section_and_no_other() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    found = {text.partition("\n")[0]: re.findall(r"^\| `.*", text, re.MULTILINE) for text in sections}
    expected = {
        (section.__doc__ or "").rstrip("."): [row(name) for name in section.model_fields] for section in SECTIONS
    }
    assert found == expected


def test_each_setting_is_in_one_section() -> None:
    names = [name for section in SECTIONS for name in section.model_fields]
    assert sorted(names) == sorted(Settings.model_fields)
