//! [`CharacterBpe`]: byte-pair encoding over characters, with the options of `tokenizers`.
//!
//! A pre-token starts as one symbol a character: the token whose text is the character, with the continuing-subword prefix
//! before it unless it is the first, and the end-of-word suffix after it if it is the last. A character without such a token
//! becomes, under byte fallback, the tokens of the bytes of that text, if there is one for each; otherwise the unk token,
//! which `fuse_unk` joins to the unk token before it. Without any of these the text cannot be encoded.
//!
//! The order of symbols is the library's, which puts an unk token out only when the next character with a token or the next
//! unk token that is not fused comes, or the end: the tokens of bytes in between stand before it. Spans are those of symbols
//! of such lengths laid end to end.

mod alphabet;

use rustc_hash::FxHashSet;

use super::cuts::Cuts;
use super::dropout::merge_at_random;
use super::long::{LongScratch, merge_long};
use super::pairs::PairTable;
use super::short::merge_short;
use super::{NONE, POLL_BYTES, SHORT, products};
use crate::definition::BpeDefinition;
use crate::error::{Error, Result};
use crate::model::{Random, Sampling, Token, Tokenize};
use crate::progress::Progress;
use crate::vocab::{BytesIndex, Vocab};

use alphabet::Alphabet;

/// A BPE model over characters, ready to run.
#[derive(Debug)]
pub struct CharacterBpe {
    alphabet: Alphabet,
    pairs: PairTable,
    /// The product of the merge of each rank.
    product_of_rank: Vec<u32>,
    /// Whether a merge may leave the length of the text that a symbol stands for as it was: then a candidate may hold for a
    /// pair of another rank, which only the heap tells.
    needs_heap: bool,
    /// Where tokens do not span, if places can be told by the characters beside them.
    cuts: Option<Cuts>,
    /// Finds pre-tokens that become a token without any merging, if that is wanted.
    whole: Option<(Vocab, BytesIndex)>,
    unk_id: Option<u32>,
    fuse_unk: bool,
    /// The definition's own.
    dropout: Option<f64>,
}

/// A pre-token before merging: the id of each symbol, and where it starts.
#[derive(Default)]
struct Symbols {
    ids: Vec<u32>,
    starts: Vec<usize>,
    end: usize,
}

impl Symbols {
    fn push(&mut self, id: u32, n_bytes: usize) {
        self.ids.push(id);
        self.starts.push(self.end);
        self.end += n_bytes;
    }
}

impl CharacterBpe {
    /// Builds the tables. The model never makes one of `special_ids` from text, as if the vocabulary did not hold them, but
    /// for unk; only a special token that is one character keeps standing for it, which would have no token otherwise.
    ///
    /// # Errors
    /// [`Error::Vocab`] when the definition contradicts itself.
    pub fn new(definition: &BpeDefinition, special_ids: &FxHashSet<u32>) -> Result<Self> {
        let alphabet = Alphabet::new(definition, special_ids);
        let products = products(definition, special_ids)?;
        let mut product_of_rank = vec![NONE; definition.merges.len()];
        for &(rank, product) in products.values() {
            product_of_rank[rank as usize] = product;
        }
        let mut vocab = Vocab::default();
        let mut ordinary = Vec::new();
        for (text, id) in &definition.vocab {
            vocab.insert(*id, text.as_bytes())?;
            if !special_ids.contains(id) {
                ordinary.push(*id);
            }
        }
        let prefix_len = definition.continuing_subword_prefix.as_ref().map_or(0, String::len);
        let len_of = |id: u32| vocab.bytes(id).map_or(0, <[u8]>::len);
        let needs_heap = products.keys().any(|&(_, right)| len_of(right) == prefix_len);
        let unk_token = definition.unk_token.as_ref();
        let unk_id = unk_token.and_then(|unk| alphabet::id_of(&definition.vocab, unk));
        // A token of a byte, or unk, does not stand for its own text: what is merged with it tells nothing of characters.
        let foreign: FxHashSet<u32> = alphabet.byte_tokens().chain(unk_id).collect();
        let is_plain = prefix_len == 0
            && definition.end_of_word_suffix.as_ref().is_none_or(String::is_empty)
            && !products
                .keys()
                .any(|(left, right)| foreign.contains(left) || foreign.contains(right));
        let texts = products.values().filter_map(|&(_, id)| vocab.bytes(id));
        let cuts = is_plain.then(|| Cuts::new(texts));
        let pairs = PairTable::new(&products);
        let whole = definition.ignore_merges.then(|| {
            let index = BytesIndex::new(&vocab, ordinary.into_iter());
            (vocab, index)
        });
        Ok(Self {
            alphabet,
            pairs,
            product_of_rank,
            needs_heap,
            cuts,
            whole,
            unk_id,
            fuse_unk: definition.fuse_unk,
            dropout: definition.dropout.map(f64::from),
        })
    }

    /// The symbols that a pre-token starts as.
    fn symbols(&self, pre_token: &str, progress: &Progress) -> Result<Symbols> {
        let mut symbols = Symbols::default();
        // Length of the text that became the unk token not yet put out.
        let mut pending = None;
        let mut next_poll = 0;
        for (place, character) in pre_token.char_indices() {
            if place >= next_poll {
                progress.check()?;
                next_poll = place + POLL_BYTES;
            }
            let n_bytes = character.len_utf8();
            let is_first = place == 0;
            let is_last = place + n_bytes == pre_token.len();
            if let Some(id) = self.alphabet.get(character, is_first, is_last) {
                self.put_unk(&mut pending, &mut symbols);
                symbols.push(id, n_bytes);
            } else if !self.alphabet.push_bytes(character, is_first, is_last, |id, n_bytes| {
                symbols.push(id, n_bytes);
            }) {
                if self.unk_id.is_none() {
                    return Err(Error::Unencodable { byte_offset: place });
                }
                if !self.fuse_unk {
                    self.put_unk(&mut pending, &mut symbols);
                }
                pending = Some(pending.unwrap_or(0) + n_bytes);
            }
        }
        self.put_unk(&mut pending, &mut symbols);
        Ok(symbols)
    }

    fn put_unk(&self, pending: &mut Option<usize>, symbols: &mut Symbols) {
        if let (Some(n_bytes), Some(id)) = (pending.take(), self.unk_id) {
            symbols.push(id, n_bytes);
        }
    }

    /// Merges symbols in place; an id that was merged into its left neighbour becomes [`NONE`].
    fn merge(&self, symbols: &mut Symbols, progress: &Progress) -> Result<()> {
        let Symbols { ids, starts, .. } = symbols;
        if ids.len() <= SHORT && !self.needs_heap {
            let first = ids.clone();
            let first_pair = |i: usize| self.pairs.get(first[i], first[i + 1]);
            let kept = merge_short(&self.pairs, ids, first_pair, |i, n| {
                starts.copy_within(i + 2..n, i + 1);
            });
            ids.truncate(kept);
            starts.truncate(kept);
            return Ok(());
        }
        let n = super::n_symbols(ids.len())?;
        let is_current = |rank, pair| self.is_current(rank, pair);
        let scratch = &mut LongScratch::default();
        merge_long(&self.pairs, is_current, progress, scratch, ids, n)
    }

    /// Whether a candidate of this rank holds for a pair of that rank and product.
    fn is_current(&self, rank: u32, (_, product): (u32, u32)) -> bool {
        self.product_of_rank[rank as usize] == product
    }

    /// The token that a pre-token becomes without any merging.
    fn whole_token(&self, pre_token: &str) -> Option<u32> {
        let (vocab, index) = self.whole.as_ref()?;
        index.get(vocab, pre_token.as_bytes())
    }

    /// Appends the tokens of a part, all merges made.
    fn merge_all(&self, part: &str, progress: &Progress, tokens: &mut Vec<Token>) -> Result<()> {
        let mut symbols = self.symbols(part, progress)?;
        self.merge(&mut symbols, progress)?;
        put_tokens(&symbols, tokens);
        Ok(())
    }
}

/// Appends the symbols that are left after merging.
fn put_tokens(symbols: &Symbols, tokens: &mut Vec<Token>) {
    let first = tokens.len();
    for (&id, &start) in symbols.ids.iter().zip(&symbols.starts) {
        if id != NONE {
            if let Some(before) = tokens.get_mut(first..).and_then(<[Token]>::last_mut) {
                before.end = start;
            }
            tokens.push(Token { id, start, end: symbols.end });
        }
    }
}

impl Tokenize for CharacterBpe {
    fn kind(&self) -> &'static str {
        "BPE"
    }

    fn tokenize(
        &self,
        pre_token: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        match self.whole(pre_token) {
            Some(id) => {
                tokens.push(Token { id, start: 0, end: pre_token.len() });
                Ok(())
            }
            None => self.tokenize_part(pre_token, progress, tokens),
        }
    }

    fn whole(&self, pre_token: &str) -> Option<u32> {
        if self.dropout.is_some_and(|dropout| dropout > 0.0) {
            return None;
        }
        self.whole_token(pre_token)
    }

    fn next_cut(&self, pre_token: &str, from: usize) -> usize {
        let Some(cuts) = &self.cuts else { return pre_token.len() };
        let mut place = from;
        loop {
            place = cuts.next(pre_token.as_bytes(), place);
            let before = pre_token.get(..place).and_then(|text| text.chars().next_back());
            // Behind an unknown character an unk token may still wait to be put out.
            if place == pre_token.len()
                || before.is_some_and(|before| self.alphabet.is_known(before))
            {
                return place;
            }
        }
    }

    fn tokenize_part(
        &self,
        part: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        if let Some(dropout) = self.dropout.filter(|&dropout| dropout > 0.0) {
            return Err(Error::Config(format!(
                "the model leaves out merges at random (dropout {dropout:.3}): sample with a seed"
            )));
        }
        self.merge_all(part, progress, tokens)
    }

    fn sample(
        &self,
        pre_token: &str,
        sampling: Sampling,
        random: &mut Random,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        let dropout = sampling.of_bpe(self.dropout)?;
        if dropout <= 0.0 {
            if let Some(id) = self.whole_token(pre_token) {
                tokens.push(Token { id, start: 0, end: pre_token.len() });
                return Ok(());
            }
            return self.merge_all(pre_token, progress, tokens);
        }
        let mut symbols = self.symbols(pre_token, progress)?;
        let is_current = |rank, pair| self.is_current(rank, pair);
        merge_at_random(&self.pairs, is_current, (dropout, random), progress, &mut symbols.ids)?;
        put_tokens(&symbols, tokens);
        Ok(())
    }
}
