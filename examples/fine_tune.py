"""Fine-tune a pretrained model: the one that `train_a_language_model.py` saved, on Python sources instead of prose.

What to expect: on sources kept from training, bits per byte of the pretrained model start high, for it has seen prose,
and end below those of a fresh model that was trained for as long: what it knew of words and layout helps.
"""

from __future__ import annotations

import sys
from itertools import islice

import numpy as np
from train_a_language_model import END, LENGTH, held_out_bits_per_byte

import merganser as mg
from merganser.demo import standard_library
from merganser.transformer import AdamW, ArraySource, Blocks, Linear, Trainer, load_pretrained


def main(folder: str = "gpt-small", *, n_steps: int = 300, n_documents: int = 40) -> dict[str, float]:
    """Train on, and return bits per byte: pretrained, fine-tuned, and fresh after as many steps."""
    model, pretrained = load_pretrained(folder)
    tokenizer = mg.Tokenizer.load(folder)
    sources = (text for text in standard_library() if b"\nimport " in text and b"\ndef " in text)
    texts = list(islice(sources, n_documents))
    held_out, training = texts[::8], [text for place, text in enumerate(texts) if place % 8]
    end = tokenizer.special_tokens[END]
    ids = np.concatenate([np.append(ids, end) for ids in tokenizer.encode_batch(training, on_special="text")])
    trainer = Trainer(
        model=model,
        batches=Blocks(ArraySource(ids), n_rows=16, length=LENGTH, separator_id=end),
        schedule=Linear(1e-3, n_steps=n_steps, n_warmup=n_steps // 10),
        n_steps=n_steps,
        optimizer=AdamW(weight_decay=0.1, beta2=0.98),
        n_threads=2,
    )
    params = {
        "pretrained": pretrained,
        "fine-tuned": trainer.run(trainer.start(pretrained), progress=sys.stderr.isatty()).params,
        "fresh": trainer.run(progress=sys.stderr.isatty()).params,
    }
    result = {name: held_out_bits_per_byte(model, array, tokenizer, held_out) for name, array in params.items()}
    for name, figure in result.items():
        print(f"{name:<12} {figure:.2f} bits per byte of Python sources")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:2])
