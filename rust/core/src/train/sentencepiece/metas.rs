//! The pieces that are not learned, and their ids: unknown, begin, end and padding where the options say; then control symbols,
//! user-defined symbols and bytes, each the smallest id that is free.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::{Meta, SentencePieceOptions};
use crate::definition::{PieceKind, SentencePieceAlgorithm, SentencePieceEntry};
use crate::error::{Error, Result};
use crate::model::byte_token;
use crate::pre_tokenizer::metaspace::METASPACE;

/// The longest piece, as normalizers look for user-defined ones.
const MAX_BYTES: usize = 256;

/// Pieces by id.
pub(super) type Metas = BTreeMap<usize, SentencePieceEntry>;

/// # Errors
/// [`Error::Config`] for ids that are not free or beyond the vocabulary, a symbol that is empty or defined twice, and when
/// there is no unknown piece.
pub(super) fn metas(options: &SentencePieceOptions) -> Result<Metas> {
    let mut metas = Metas::new();
    let fixed = [
        ("unk", &options.unk, PieceKind::Unknown),
        ("bos", &options.bos, PieceKind::Control),
        ("eos", &options.eos, PieceKind::Control),
        ("pad", &options.pad, PieceKind::Control),
    ];
    for (name, Meta { id, piece }, kind) in fixed {
        if piece.is_empty() || piece.len() > MAX_BYTES {
            let problem = format!("{name}_piece must have from 1 to {MAX_BYTES} bytes");
            return Err(Error::Config(format!("{problem}, got {}", piece.len())));
        }
        let Some(id) = *id else { continue };
        let place = id as usize;
        if place >= options.vocab_size {
            let size = options.vocab_size;
            return Err(Error::Config(format!(
                "{name}_id must be less than vocab_size, {size}, got {id}"
            )));
        }
        if let Some(taken) = metas.insert(place, entry(piece, kind)) {
            return Err(Error::Config(format!(
                "{name}_id is {id}, as is that of {:?}",
                taken.text
            )));
        }
    }
    if options.unk.id.is_none() {
        return Err(Error::Config("unk_id must be an id: a model has an unknown piece".to_owned()));
    }
    add_symbols(options, &mut metas)?;
    Ok(metas)
}

fn entry(text: &str, kind: PieceKind) -> SentencePieceEntry {
    SentencePieceEntry { text: text.into(), score: 0.0, kind }
}

fn add_symbols(options: &SentencePieceOptions, metas: &mut Metas) -> Result<()> {
    let mut seen = FxHashSet::default();
    let mut next = 0;
    let mut add = |text: String, kind| {
        if text.len() > MAX_BYTES {
            let problem =
                format!("a symbol must have at most {MAX_BYTES} bytes, got {}", text.len());
            return Err(Error::Config(problem));
        }
        if text.is_empty() || text == options.unk.piece || !seen.insert(text.clone()) {
            return Err(Error::Config(format!(
                "control and user-defined symbols must be different, not empty and not the unknown piece, got {text:?}"
            )));
        }
        // A symbol that is the text of a fixed piece says what kind that is.
        let fixed = [&options.bos, &options.eos, &options.pad];
        if let Some(id) = fixed.iter().find(|meta| meta.piece == text).and_then(|meta| meta.id) {
            metas.insert(id as usize, entry(&text, kind));
            return Ok(());
        }
        while metas.contains_key(&next) {
            next += 1;
        }
        metas.insert(next, entry(&text, kind));
        Ok(())
    };
    for symbol in &options.control_symbols {
        add(symbol.clone(), PieceKind::Control)?;
    }
    for symbol in &options.user_defined_symbols {
        add(symbol.clone(), PieceKind::UserDefined)?;
        // A word has the metaspace before it.
        if options.algorithm == SentencePieceAlgorithm::Word && !symbol.starts_with(METASPACE) {
            add(format!("{METASPACE}{symbol}"), PieceKind::UserDefined)?;
        }
    }
    if options.byte_fallback {
        for byte in 0..256 {
            add(byte_token(byte), PieceKind::Byte)?;
        }
    }
    Ok(())
}
