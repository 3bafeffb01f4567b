"""Taking credentials out of text that others wrote: the last line of defence, in logs and in messages."""

import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

#: The user and password of any URL, wherever it stands: in a message, an argument or a traceback.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@'\"]*:[^\s@'\"]*@", re.IGNORECASE)
_NAMES = "password|passwd|secret|token|api[_-]?key"
_NAMED_SECRET = re.compile(rf"(?P<name>\b(?:{_NAMES})\b['\"]?\s*[=:]\s*)['\"]?[^\s,;'\"&]+", re.IGNORECASE)
MASK = "***"
#: A shorter secret is not hidden: hiding "1" would garble every number of a message.
MIN_HIDDEN_CHARACTERS = 6
#: This much of a secret's start is redacted also by itself: a quoted page may be cut in the middle.
HEAD_CHARACTERS = 12

#: All forms of the secrets that this process has looked up, the longest first. Replaced, never changed in place.
_known: tuple[str, ...] = ()


def register_secret(secrets: Iterable[str]) -> None:
    """Let no redacted text of this process show these secrets, plain, URL-encoded or in base64.

    A foreign broker may write its key into any log line or error. Only the code that looked it up can recognise it.
    """
    global _known  # noqa: PLW0603 - a process has one log, and one set of secrets to keep out of it
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= MIN_HIDDEN_CHARACTERS}
    _known = tuple(sorted(forms.union(_known), key=len, reverse=True))


def redact_known_secrets(text: str) -> str:
    """Return `text` with the secrets that this process has looked up written as `***`, cut-off ones too."""
    known = _known
    # The longest first, and whole ones before cut-off ones: one secret may be the beginning of another.
    for form in known:
        text = text.replace(form, MASK)
    for form in known:
        if len(form) > HEAD_CHARACTERS:
            text = _without_cut_off(text, form)
    return text


def redact_secrets(text: str) -> str:
    """Return `text` with known secrets, the credentials of URLs, and what is named like a secret, written as `***`."""
    redacted = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", redact_known_secrets(text))
    return _NAMED_SECRET.sub(rf"\g<name>{MASK}", redacted)


def _forms(secret: str) -> set[str]:
    if len(secret) < MIN_HIDDEN_CHARACTERS:
        return set()
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    for before in range(3):
        # Basic authentication encodes more than the secret, so it may begin at any of three places in a group.
        encoded = b64encode(bytes(before) + secret.encode()).decode()
        certain = encoded[-(-before * 8 // 6) : (before + len(secret.encode())) * 8 // 6]
        forms |= {certain, certain.replace("+", "-").replace("/", "_")}
    return forms


def _without_cut_off(text: str, form: str) -> str:
    start = text.find(form[:HEAD_CHARACTERS])
    while start >= 0:
        length = HEAD_CHARACTERS
        while length < len(form) and text.startswith(form[length], start + length):
            length += 1
        text = text[:start] + MASK + text[start + length :]
        start = text.find(form[:HEAD_CHARACTERS], start + len(MASK))
    return text
