"""Training vocabularies: `WordCounts` and the trainers, a module each."""

from merganser.training.bpe import train_bpe
from merganser.training.stages import PreTokenizer
from merganser.training.word_counts import WordCounts

__all__ = ["PreTokenizer", "WordCounts", "train_bpe"]
