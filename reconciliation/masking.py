"""Taking credentials out of text that others wrote: the last line of defence, in logs and in messages."""

import re

#: The user and password of any URL, wherever it stands: in a message, an argument or a traceback.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@'\"]*:[^\s@'\"]*@", re.IGNORECASE)
_NAMES = "password|passwd|secret|token|api[_-]?key"
_NAMED_SECRET = re.compile(rf"(?P<name>\b(?:{_NAMES})\b['\"]?\s*[=:]\s*)['\"]?[^\s,;'\"&]+", re.IGNORECASE)
MASK = "***"


def mask_secrets(text: str) -> str:
    """Return `text` with the credentials of URLs, and what is named like a secret, written as `***`."""
    masked = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
    return _NAMED_SECRET.sub(rf"\g<name>{MASK}", masked)
