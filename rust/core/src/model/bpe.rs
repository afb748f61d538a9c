//! Byte-pair encoding (Sennrich, Haddow, Birch 2016, section 3.2; Radford et al. 2019, section 2.2).
//!
//! A pre-token starts as its bytes ([`Bpe`]) or its characters ([`CharacterBpe`]). The adjacent pair whose merge has the best (lowest) rank is replaced by its product, the
//! leftmost first where ranks are equal, until no adjacent pair has a merge.
//!
//! Two ways to the same result: short pre-tokens rescan a few symbols for the best rank; long ones keep the candidate
//! merges in a heap ordered by (rank, place), so that n bytes cost O(n log n) whatever the vocabulary.

mod characters;
pub(crate) mod cuts;
mod dropout;
mod levels;
mod long;
pub(crate) mod pairs;
mod short;

use rustc_hash::FxHashSet;

use crate::definition::BpeDefinition;
use crate::error::{Error, Result};
use crate::model::Random;
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;
use crate::vocab::{BytesIndex, SeededMap, Vocab};

use cuts::Cuts;
use dropout::merge_at_random;
use levels::Levels;
use long::merge_long;
use pairs::PairTable;
use short::merge_short;

pub use characters::CharacterBpe;
pub use long::LongScratch;

/// Up to this many symbols a pre-token is merged by rescanning.
const SHORT: usize = 48;
/// Bytes between two looks at whether to stop.
const POLL_BYTES: usize = 1 << 20;
/// No id.
const NONE: u32 = u32::MAX;

/// A BPE model ready to run.
#[derive(Debug)]
pub struct Bpe {
    vocab: Vocab,
    index: BytesIndex,
    pairs: PairTable,
    cuts: Cuts,
    levels: Option<Box<Levels>>,
    byte_ids: Box<[u32; 256]>,
    ignore_merges: bool,
}

impl Bpe {
    /// Builds the tables. The model never makes one of `special_ids`, as if the vocabulary did not hold them; only a special
    /// token that is one byte of the alphabet keeps standing for that byte, which would have no token otherwise.
    ///
    /// # Errors
    /// [`Error::Vocab`] when a merge names an id that is not in the vocabulary or makes a token that is not in it.
    pub fn new(definition: &BpeDefinition, special_ids: &FxHashSet<u32>) -> Result<Self> {
        let mut vocab = Vocab::default();
        let mut spelled = Vec::with_capacity(definition.vocab.len());
        let mut byte_ids = Box::new([NONE; 256]);
        for (text, id) in &definition.vocab {
            let is_special = special_ids.contains(id);
            match byte_level::bytes_of(text) {
                Some(bytes) if !is_special || bytes.len() == 1 => {
                    vocab.insert(*id, &bytes)?;
                    if let [byte] = bytes[..] {
                        byte_ids[usize::from(byte)] = *id;
                    }
                    if !is_special {
                        spelled.push(*id);
                    }
                }
                // It cannot, or must not, come out of merging, and stands for its own text.
                _ => vocab.insert(*id, text.as_bytes())?,
            }
        }
        let index = BytesIndex::new(&vocab, spelled.into_iter());
        let products = products(definition, special_ids)?;
        let pairs = PairTable::with_bytes(&products, &byte_ids);
        let cuts = Cuts::new(products.values().filter_map(|&(_, id)| vocab.bytes(id)));
        let levels = Levels::new(&products, &vocab, &byte_ids).map(Box::new);
        let ignore_merges = definition.ignore_merges;
        Ok(Self { vocab, index, pairs, cuts, levels, byte_ids, ignore_merges })
    }

    /// The bytes of the model's own tokens (added tokens are not among them).
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The token that `bytes` as a whole are, whether or not merging produces it.
    pub fn token_id(&self, bytes: &[u8]) -> Option<u32> {
        self.index.get(&self.vocab, bytes)
    }

    /// Whether a pre-token that is itself a token becomes that token without any merging.
    pub fn ignores_merges(&self) -> bool {
        self.ignore_merges
    }

    /// The token that a pre-token becomes without any merging.
    pub fn whole(&self, pre_token: &[u8]) -> Option<u32> {
        if self.ignore_merges { self.token_id(pre_token) } else { None }
    }

    /// The first place after `from` at which a pre-token that goes to the end of `text`, which is UTF-8, may be cut without
    /// a change of what [`Bpe::merge`] makes of it; the end if there is none.
    pub fn next_cut(&self, text: &[u8], from: usize) -> usize {
        self.cuts.next(text, from)
    }

    /// Appends the ids that merging makes of a pre-token, or of a stretch of one between cuts.
    ///
    /// # Errors
    /// [`Error::Unencodable`] with the offset, in the pre-token, of the first byte that the vocabulary has no token
    /// for; [`Error::Config`] for a pre-token of 4 GiB or more; [`Error::Interrupted`].
    pub fn merge(
        &self,
        pre_token: &[u8],
        progress: &Progress,
        scratch: &mut LongScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        self.merge_bytes(&self.pairs, pre_token, progress, scratch, ids)
    }

    /// Whether it takes both [`Bpe::merge_lower`] and [`Bpe::merge_upper`] to do what [`Bpe::merge`] does. Otherwise all merges
    /// are of the lower level.
    pub fn has_levels(&self) -> bool {
        self.levels.is_some()
    }

    /// As [`Bpe::next_cut`], for [`Bpe::merge_lower`].
    pub fn next_lower_cut(&self, text: &[u8], from: usize) -> usize {
        self.levels.as_ref().map_or(&self.cuts, |levels| &levels.cuts).next(text, from)
    }

    /// Appends the ids that the lower level of merges makes of a stretch of a pre-token between its cuts.
    ///
    /// # Errors
    /// As [`Bpe::merge`].
    pub fn merge_lower(
        &self,
        part: &[u8],
        progress: &Progress,
        scratch: &mut LongScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let pairs = self.levels.as_ref().map_or(&self.pairs, |levels| &levels.pairs);
        self.merge_bytes(pairs, part, progress, scratch, ids)
    }

    /// Merges the ids from `first` on, what the lower level made of a pre-token, by the upper level.
    ///
    /// # Errors
    /// [`Error::Config`] for a pre-token of 4 GiB or more; [`Error::Interrupted`].
    pub fn merge_upper(
        &self,
        first: usize,
        progress: &Progress,
        scratch: &mut LongScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let Some(levels) = &self.levels else { return Ok(()) };
        let (mut from, mut kept) = (first, first);
        while from < ids.len() {
            let mut to = from + 1;
            while to < ids.len() && levels.may_join(ids[to - 1], ids[to]) {
                to += 1;
            }
            let n_kept = match to - from {
                1 => 1,
                n => {
                    let mut first = [NONE; SHORT];
                    let n_first = n.min(SHORT);
                    first[..n_first].copy_from_slice(&ids[from..from + n_first]);
                    let first_pair = |i: usize| self.pairs.get(first[i], first[i + 1]);
                    let symbols = &mut ids[from..to];
                    merge_symbols(&self.pairs, symbols, first_pair, progress, scratch)?
                }
            };
            ids.copy_within(from..from + n_kept, kept);
            kept += n_kept;
            from = to;
        }
        ids.truncate(kept);
        Ok(())
    }

    fn merge_bytes(
        &self,
        pairs: &PairTable,
        pre_token: &[u8],
        progress: &Progress,
        scratch: &mut LongScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let first = ids.len();
        self.start(pre_token, progress, ids)?;
        let first_pair = |i: usize| pairs.of_bytes(pre_token[i], pre_token[i + 1]);
        let kept = merge_symbols(pairs, &mut ids[first..], first_pair, progress, scratch)?;
        ids.truncate(first + kept);
        Ok(())
    }

    /// Appends the ids of a pre-token with each merge left out with a probability of `dropout`; without dropout, those that
    /// encoding gives.
    ///
    /// # Errors
    /// As [`Bpe::merge`].
    pub fn merge_some(
        &self,
        pre_token: &[u8],
        dropout: f64,
        random: &mut Random,
        progress: &Progress,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        if dropout <= 0.0 {
            if let Some(id) = self.whole(pre_token) {
                ids.push(id);
                return Ok(());
            }
            return self.merge(pre_token, progress, &mut LongScratch::default(), ids);
        }
        let first = ids.len();
        self.start(pre_token, progress, ids)?;
        let symbols = &mut ids[first..];
        merge_at_random(&self.pairs, is_current, (dropout, random), progress, symbols)?;
        let kept = keep_merged(symbols);
        ids.truncate(first + kept);
        Ok(())
    }

    /// Appends the ids of the bytes of a pre-token.
    fn start(&self, pre_token: &[u8], progress: &Progress, ids: &mut Vec<u32>) -> Result<()> {
        let first = ids.len();
        for bytes in pre_token.chunks(POLL_BYTES) {
            progress.check()?;
            ids.extend(bytes.iter().map(|&byte| self.byte_ids[usize::from(byte)]));
        }
        if let Some(byte_offset) = ids[first..].iter().position(|&id| id == NONE) {
            ids.truncate(first);
            return Err(Error::Unencodable { byte_offset });
        }
        Ok(())
    }
}

/// Whether a candidate of this rank holds for a pair of that rank: a rank belongs to one pair.
fn is_current(rank: u32, (current, _): (u32, u32)) -> bool {
    rank == current
}

/// Merges symbols in place; returns how many are left. `first_pair` is as in [`merge_short`].
#[inline]
fn merge_symbols(
    pairs: &PairTable,
    symbols: &mut [u32],
    first_pair: impl Fn(usize) -> (u32, u32),
    progress: &Progress,
    scratch: &mut LongScratch,
) -> Result<usize> {
    if symbols.len() <= SHORT {
        return Ok(merge_short(pairs, symbols, first_pair, |_, _| {}));
    }
    let n = n_symbols(symbols.len())?;
    merge_long(pairs, is_current, progress, scratch, symbols, n)?;
    Ok(keep_merged(symbols))
}

fn n_symbols(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::Config("a pre-token must be shorter than 4 GiB".to_owned()))
}

/// Takes out the ids that were merged into their left neighbours; returns how many are left.
fn keep_merged(ids: &mut [u32]) -> usize {
    let mut kept = 0;
    for place in 0..ids.len() {
        if ids[place] != NONE {
            ids[kept] = ids[place];
            kept += 1;
        }
    }
    kept
}

/// Rank and product of every pair that has a merge, but for those that make a special token. A pair given twice keeps the
/// later rank, as in `tokenizers`.
fn products(
    definition: &BpeDefinition,
    special_ids: &FxHashSet<u32>,
) -> Result<SeededMap<(u32, u32), (u32, u32)>> {
    let mut text_of: SeededMap<u32, &str> = SeededMap::with_capacity(definition.vocab.len());
    let mut id_of: SeededMap<&str, u32> = SeededMap::with_capacity(definition.vocab.len());
    for (text, id) in &definition.vocab {
        text_of.insert(*id, text);
        id_of.insert(text, *id);
    }
    let prefix_len = definition.continuing_subword_prefix.as_ref().map_or(0, String::len);
    let mut products = SeededMap::with_capacity(definition.merges.len());
    let mut product = String::new();
    for (rank, &(left, right)) in (0_u32..).zip(&definition.merges) {
        let text = |id: u32| {
            text_of.get(&id).copied().ok_or_else(|| {
                Error::Vocab(format!("merge {rank} names id {id}, which is not in the vocabulary"))
            })
        };
        product.clear();
        product.push_str(text(left)?);
        product.push_str(text(right)?.get(prefix_len..).ok_or_else(|| {
            Error::Vocab(format!(
                "merge {rank} joins a token shorter than the continuing-subword prefix"
            ))
        })?);
        let Some(&id) = id_of.get(product.as_str()) else {
            return Err(Error::Vocab(format!(
                "merge {rank} makes {product:?}, which is not in the vocabulary"
            )));
        };
        if !special_ids.contains(&id) {
            products.insert((left, right), (rank, id));
        }
    }
    Ok(products)
}
