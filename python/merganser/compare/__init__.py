"""Comparing tokenizers: what each makes of the same text.

`comparison.py` runs the tokenizers, `metrics.py` says what is measured and what it means, `table.py` shows it.
"""

from merganser.compare.comparison import compare
from merganser.compare.metrics import METRICS, Comparison, Metric, Row, TextTotals

__all__ = ["METRICS", "Comparison", "Metric", "Row", "TextTotals", "compare"]
