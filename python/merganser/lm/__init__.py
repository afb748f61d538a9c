"""Comparing tokenizers by the number that decides: bits per byte of the same language model on each one's tokens.

- `experiment.py`: what is trained on what, and `compare_bits_per_byte`, which does it;
- `streams.py`: documents as tokens with the byte at which each starts, and the audit of those bytes;
- `result.py`: what came out, with intervals; `statistics.py`: the bootstrap behind them.
"""

from merganser.lm.experiment import LmSettings, compare_bits_per_byte
from merganser.lm.result import LmComparison, LmRow

__all__ = ["LmComparison", "LmRow", "LmSettings", "compare_bits_per_byte"]
