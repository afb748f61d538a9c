"""`Tokenizer`: the documented face of the core's tokenizer; owns every default.

`facade` holds the class; what it can do with text, ids and its vocabulary is in a module each.
"""

from merganser.tokenizer.facade import Tokenizer

__all__ = ["Tokenizer"]
