"""The names of published weights: one table a family, ours on the left.

``{}`` stands for the number of a block, ``*`` for ``weight`` and ``bias``. Linear layers are (d_in, d_out) here and
(d_out, d_in) there; ``_T`` marks the rows that are turned over. GPT-2's are stored as ours are.
"""

from __future__ import annotations

import dataclasses
import re

from merganser.errors import InternalError


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table."""

    ours: str
    theirs: str
    is_transposed: bool = False


def _row(ours: str, theirs: str) -> Row:
    return Row(ours, theirs)


def _T(ours: str, theirs: str) -> Row:  # noqa: N802
    return Row(ours, theirs, is_transposed=True)


GPT2 = (
    _row("token_embedding.*", "transformer.wte.*"),
    _row("position_embedding.*", "transformer.wpe.*"),
    _row("blocks.{}.attention_norm.*", "transformer.h.{}.ln_1.*"),
    _row("blocks.{}.attention.qkv.*", "transformer.h.{}.attn.c_attn.*"),
    _row("blocks.{}.attention.out.*", "transformer.h.{}.attn.c_proj.*"),
    _row("blocks.{}.feed_forward_norm.*", "transformer.h.{}.ln_2.*"),
    _row("blocks.{}.feed_forward.up.*", "transformer.h.{}.mlp.c_fc.*"),
    _row("blocks.{}.feed_forward.down.*", "transformer.h.{}.mlp.c_proj.*"),
    _row("final_norm.*", "transformer.ln_f.*"),
)

BERT = (
    _row("token_embedding.*", "bert.embeddings.word_embeddings.*"),
    _row("position_embedding.*", "bert.embeddings.position_embeddings.*"),
    _row("type_embedding.*", "bert.embeddings.token_type_embeddings.*"),
    _row("embedding_norm.*", "bert.embeddings.LayerNorm.*"),
    _T("blocks.{}.attention.query.*", "bert.encoder.layer.{}.attention.self.query.*"),
    _T("blocks.{}.attention.key.*", "bert.encoder.layer.{}.attention.self.key.*"),
    _T("blocks.{}.attention.value.*", "bert.encoder.layer.{}.attention.self.value.*"),
    _T("blocks.{}.attention.out.*", "bert.encoder.layer.{}.attention.output.dense.*"),
    _row("blocks.{}.attention_norm.*", "bert.encoder.layer.{}.attention.output.LayerNorm.*"),
    _T("blocks.{}.feed_forward.up.*", "bert.encoder.layer.{}.intermediate.dense.*"),
    _T("blocks.{}.feed_forward.down.*", "bert.encoder.layer.{}.output.dense.*"),
    _row("blocks.{}.feed_forward_norm.*", "bert.encoder.layer.{}.output.LayerNorm.*"),
    _T("pooler.*", "bert.pooler.dense.*"),
    _T("masked_lm.transform.*", "cls.predictions.transform.dense.*"),
    _row("masked_lm.norm.*", "cls.predictions.transform.LayerNorm.*"),
    _row("masked_lm.bias", "cls.predictions.bias"),
    _T("next_sentence.*", "cls.seq_relationship.*"),
    _T("classification.*", "classifier.*"),
    _T("span.*", "qa_outputs.*"),
)

T5 = (
    _row("token_embedding.*", "shared.*"),
    _row("encoder.relative_bias.*", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.*"),
    _row("encoder.blocks.{}.attention_norm.*", "encoder.block.{}.layer.0.layer_norm.*"),
    _T("encoder.blocks.{}.attention.query.*", "encoder.block.{}.layer.0.SelfAttention.q.*"),
    _T("encoder.blocks.{}.attention.key.*", "encoder.block.{}.layer.0.SelfAttention.k.*"),
    _T("encoder.blocks.{}.attention.value.*", "encoder.block.{}.layer.0.SelfAttention.v.*"),
    _T("encoder.blocks.{}.attention.out.*", "encoder.block.{}.layer.0.SelfAttention.o.*"),
    _row("encoder.blocks.{}.feed_forward_norm.*", "encoder.block.{}.layer.1.layer_norm.*"),
    _T("encoder.blocks.{}.feed_forward.gate.*", "encoder.block.{}.layer.1.DenseReluDense.wi_0.*"),
    _T("encoder.blocks.{}.feed_forward.up.*", "encoder.block.{}.layer.1.DenseReluDense.wi.*"),
    _T("encoder.blocks.{}.feed_forward.down.*", "encoder.block.{}.layer.1.DenseReluDense.wo.*"),
    _row("encoder.final_norm.*", "encoder.final_layer_norm.*"),
    _row("decoder.relative_bias.*", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.*"),
    _row("decoder.blocks.{}.attention_norm.*", "decoder.block.{}.layer.0.layer_norm.*"),
    _T("decoder.blocks.{}.attention.query.*", "decoder.block.{}.layer.0.SelfAttention.q.*"),
    _T("decoder.blocks.{}.attention.key.*", "decoder.block.{}.layer.0.SelfAttention.k.*"),
    _T("decoder.blocks.{}.attention.value.*", "decoder.block.{}.layer.0.SelfAttention.v.*"),
    _T("decoder.blocks.{}.attention.out.*", "decoder.block.{}.layer.0.SelfAttention.o.*"),
    _row("decoder.blocks.{}.cross_attention_norm.*", "decoder.block.{}.layer.1.layer_norm.*"),
    _T("decoder.blocks.{}.cross_attention.query.*", "decoder.block.{}.layer.1.EncDecAttention.q.*"),
    _T("decoder.blocks.{}.cross_attention.key.*", "decoder.block.{}.layer.1.EncDecAttention.k.*"),
    _T("decoder.blocks.{}.cross_attention.value.*", "decoder.block.{}.layer.1.EncDecAttention.v.*"),
    _T("decoder.blocks.{}.cross_attention.out.*", "decoder.block.{}.layer.1.EncDecAttention.o.*"),
    _row("decoder.blocks.{}.feed_forward_norm.*", "decoder.block.{}.layer.2.layer_norm.*"),
    _T("decoder.blocks.{}.feed_forward.gate.*", "decoder.block.{}.layer.2.DenseReluDense.wi_0.*"),
    _T("decoder.blocks.{}.feed_forward.up.*", "decoder.block.{}.layer.2.DenseReluDense.wi.*"),
    _T("decoder.blocks.{}.feed_forward.down.*", "decoder.block.{}.layer.2.DenseReluDense.wo.*"),
    _row("decoder.final_norm.*", "decoder.final_layer_norm.*"),
    _row("output.*", "lm_head.*"),
)

# A gated feed-forward sublayer has wi_0 for the gate and wi_1 for what passes it.
T5_GATED = tuple(dataclasses.replace(row, theirs=row.theirs.replace(".wi.", ".wi_1.")) for row in T5)

MARIAN = (
    _row("token_embedding.*", "model.shared.*"),
    _T("encoder.blocks.{}.attention.query.*", "model.encoder.layers.{}.self_attn.q_proj.*"),
    _T("encoder.blocks.{}.attention.key.*", "model.encoder.layers.{}.self_attn.k_proj.*"),
    _T("encoder.blocks.{}.attention.value.*", "model.encoder.layers.{}.self_attn.v_proj.*"),
    _T("encoder.blocks.{}.attention.out.*", "model.encoder.layers.{}.self_attn.out_proj.*"),
    _row("encoder.blocks.{}.attention_norm.*", "model.encoder.layers.{}.self_attn_layer_norm.*"),
    _T("encoder.blocks.{}.feed_forward.up.*", "model.encoder.layers.{}.fc1.*"),
    _T("encoder.blocks.{}.feed_forward.down.*", "model.encoder.layers.{}.fc2.*"),
    _row("encoder.blocks.{}.feed_forward_norm.*", "model.encoder.layers.{}.final_layer_norm.*"),
    _T("decoder.blocks.{}.attention.query.*", "model.decoder.layers.{}.self_attn.q_proj.*"),
    _T("decoder.blocks.{}.attention.key.*", "model.decoder.layers.{}.self_attn.k_proj.*"),
    _T("decoder.blocks.{}.attention.value.*", "model.decoder.layers.{}.self_attn.v_proj.*"),
    _T("decoder.blocks.{}.attention.out.*", "model.decoder.layers.{}.self_attn.out_proj.*"),
    _row("decoder.blocks.{}.attention_norm.*", "model.decoder.layers.{}.self_attn_layer_norm.*"),
    _T("decoder.blocks.{}.cross_attention.query.*", "model.decoder.layers.{}.encoder_attn.q_proj.*"),
    _T("decoder.blocks.{}.cross_attention.key.*", "model.decoder.layers.{}.encoder_attn.k_proj.*"),
    _T("decoder.blocks.{}.cross_attention.value.*", "model.decoder.layers.{}.encoder_attn.v_proj.*"),
    _T("decoder.blocks.{}.cross_attention.out.*", "model.decoder.layers.{}.encoder_attn.out_proj.*"),
    _row("decoder.blocks.{}.cross_attention_norm.*", "model.decoder.layers.{}.encoder_attn_layer_norm.*"),
    _T("decoder.blocks.{}.feed_forward.up.*", "model.decoder.layers.{}.fc1.*"),
    _T("decoder.blocks.{}.feed_forward.down.*", "model.decoder.layers.{}.fc2.*"),
    _row("decoder.blocks.{}.feed_forward_norm.*", "model.decoder.layers.{}.final_layer_norm.*"),
    _row("output.bias", "final_logits_bias"),
)

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def their_names(table: tuple[Row, ...], ours: list[str]) -> dict[str, tuple[str, bool]]:
    """Return for each of our names the published one, and whether the array is turned over.

    Parameters
    ----------
    table : tuple of Row
    ours : list of str

    Returns
    -------
    dict of str to (str, bool)
    """
    rows: dict[str, Row] = {}
    for row in table:
        for part in ("weight", "bias") if row.ours.endswith("*") else ("",):
            full = Row(row.ours.replace("*", part), row.theirs.replace("*", part))
            rows[full.ours] = dataclasses.replace(full, is_transposed=row.is_transposed and part == "weight")
    names: dict[str, tuple[str, bool]] = {}
    for name in ours:
        number = _NUMBER.search(name)
        pattern = _NUMBER.sub("{}", name, count=1)
        if pattern not in rows:
            raise InternalError(f"the table of names has no row for {name!r}")
        row = rows[pattern]
        names[name] = (row.theirs.replace("{}", number[0] if number else "{}"), row.is_transposed)
    return names
