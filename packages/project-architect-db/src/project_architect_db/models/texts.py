"""What is counted of a text when it is stored."""

from __future__ import annotations

import hashlib

__all__ = ["count_words", "digest_of", "size_of"]


def count_words(text: object) -> int:
    """Return how many words a text has, between blanks.

    >>> count_words("one  two three ")
    3
    """
    return len(text.split()) if isinstance(text, str) else 0


def size_of(text: object) -> int:
    """Return the bytes of a text in UTF-8."""
    return len(_bytes(text))


def digest_of(text: object) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(_bytes(text)).hexdigest()


def _bytes(text: object) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
