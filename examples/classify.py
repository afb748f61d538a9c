"""Classify with BERT: tell English prose from Python code.

The encoder first learns without labels, by restoring masked tokens, and then with 400 labelled pieces and a
classification head on the token that stands before each piece.

What to expect: nine in ten held-out pieces are told right; some consist of lines that could be either.
"""

from __future__ import annotations

import dataclasses
import re
import sys

import numpy as np

import merganser as mg
from merganser.demo import standard_library
from merganser.transformer import AdamW, Bert, BertConfig, LabelBatch, Linear, MlmBatch, Trainer, mask_tokens
from merganser.transformer.randomness import generator

LENGTH = 32
SPECIAL = ["[PAD]", "[CLS]", "[MASK]"]


def pieces(n_bytes: int) -> tuple[list[bytes], list[int]]:
    """Return pieces of a few lines each, of prose (0) and of code (1), as many of each, in random order."""
    texts: tuple[list[bytes], list[bytes]] = ([], [])
    for document in standard_library(max_bytes=n_bytes):
        is_code = b"\nimport " in document or b"\ndef " in document
        # What a source says in prose would be labelled code.
        text = re.sub(rb'#[^\n]*|"""[^"]*"""', b"", document) if is_code else document
        lines = [line for line in text.split(b"\n") if len(line) > 30]
        for start in range(0, len(lines) - 1, 2):
            texts[is_code].append(b"\n".join(lines[start : start + 2]))
    n = min(len(texts[0]), len(texts[1]))
    order = np.random.default_rng(0).permutation(2 * n).tolist()
    both, labels = texts[0][:n] + texts[1][:n], [0] * n + [1] * n
    return [both[place] for place in order], [labels[place] for place in order]


def main(
    *, n_bytes: int = 1_500_000, n_pretraining: int = 400, n_steps: int = 150, n_labelled: int = 400, width: int = 64
) -> dict[str, float]:
    """Pretrain, train, and return the accuracy on held-out pieces."""
    texts, labels = pieces(n_bytes)
    tokenizer = mg.train_bpe(texts, vocab_size=1024, special_tokens=SPECIAL)
    pad_id, cls_id, mask_id = (tokenizer.special_tokens[text] for text in SPECIAL)
    encoded = [[cls_id, *tokenizer.encode(text, on_special="text")[: LENGTH - 1]] for text in texts]
    inputs = np.full((len(encoded), LENGTH), pad_id)
    for row, ids in zip(inputs, encoded, strict=True):
        row[: len(ids)] = ids
    mask, classes = inputs != pad_id, np.array(labels)
    n_test = min(500, len(texts) // 4)
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        max_positions=LENGTH,
        d_model=width,
        d_ff=2 * width,
        n_layers=2,
        n_heads=4,
        heads=("masked_lm",),
    )

    def masked(number: int) -> MlmBatch:
        rng = generator(1, number)
        rows = n_test + rng.integers(0, len(inputs) - n_test, size=32)
        hidden, targets = mask_tokens(
            inputs[rows],
            rng=rng,
            mask_id=mask_id,
            vocab_size=tokenizer.vocab_size,
            special_ids=[pad_id, cls_id],
            mask=mask[rows],
        )
        return MlmBatch(inputs=hidden, targets=targets, mask=mask[rows])

    def labelled(number: int) -> LabelBatch:
        rows = n_test + generator(2, number).integers(0, min(n_labelled, len(inputs) - n_test), size=32)
        return LabelBatch(inputs=inputs[rows], labels=classes[rows], mask=mask[rows])

    def train(config, start, batches, n, rate):
        model = Bert(config)
        trainer = Trainer(
            model=model,
            batches=batches,
            schedule=Linear(rate, n_steps=n, n_warmup=n // 10),
            n_steps=n,
            optimizer=AdamW(),
            n_threads=2,
        )
        params = {**trainer.start().params, **start}
        params = {name: params[name] for name in model.shapes()}
        return model, trainer.run(trainer.start(params), progress=sys.stderr.isatty()).params

    _, params = train(config, {}, masked, n_pretraining, 2e-3)
    # The encoder goes on with what it knows; pooler and head begin fresh.
    config = dataclasses.replace(config, heads=("pooler", "classification"), n_labels=2)
    model, params = train(config, params, labelled, n_steps, 2e-3)
    test = LabelBatch(inputs=inputs[:n_test], labels=classes[:n_test], mask=mask[:n_test])
    accuracy = float(np.mean(model.logits(params, test).argmax(axis=-1) == classes[:n_test]))
    print(f"{accuracy:.1%} of {n_test} pieces told right, from {min(n_labelled, len(inputs) - n_test)} labelled ones")
    return {"accuracy": accuracy}


if __name__ == "__main__":
    main()
