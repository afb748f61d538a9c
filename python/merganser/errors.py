"""Every exception that merganser raises on its own account.

Each is also the built-in exception one would expect, so ``except ValueError`` works too. The Rust core has one error
enum; ``rust/bindings/src/errors.rs`` maps each variant to one class here.
"""


class MerganserError(Exception):
    """Base of every exception that merganser raises."""


class ConfigError(MerganserError, ValueError):
    """An argument is outside its documented range."""


class VocabError(MerganserError, ValueError):
    """Tokens, merges or scores contradict each other."""


class FormatError(MerganserError, ValueError):
    """A file cannot be read as the format it claims to be; the message says where."""


class UnsupportedError(FormatError):
    """A component, option or pattern is not reproduced exactly, and so refused; the message names it."""


class UnknownTokenError(MerganserError, LookupError):
    """An id or a token is not in the vocabulary."""


class DisallowedSpecialError(MerganserError, ValueError):
    """Ordinary text contains the text of a special token; the message gives the byte offset."""


class TextError(MerganserError, ValueError):
    """Text is not valid Unicode: invalid UTF-8 (byte offset given) or a lone surrogate (position given)."""


class PatternLimitError(MerganserError, ValueError):
    """A regular expression needed more steps than allowed on this text."""


class ShardError(MerganserError, ValueError):
    """Token shards are incomplete, damaged, or made by another tokenizer."""


class NonFiniteError(MerganserError, ArithmeticError):
    """A loss is NaN or infinite; the message names the layer where that first appeared."""


class MissingDependencyError(MerganserError, ImportError):
    """An optional dependency is missing; the message names the extra to install."""


class InternalError(MerganserError, RuntimeError):
    """A bug in merganser. Please report it."""
