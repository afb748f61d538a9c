"""The transformer in NumPy."""

from merganser.transformer.batch import (
    IGNORED,
    Batch,
    LabelBatch,
    LmBatch,
    MlmBatch,
    Seq2SeqBatch,
    SpanBatch,
)
from merganser.transformer.loss import Loss

__all__ = ["IGNORED", "Batch", "LabelBatch", "LmBatch", "Loss", "MlmBatch", "Seq2SeqBatch", "SpanBatch"]
