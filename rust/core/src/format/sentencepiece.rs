//! SentencePiece's `.model`: a protocol-buffers message `ModelProto` with the pieces, how they were trained, and how text is
//! normalized.
//!
//! What decides ids is read into the definition. All else (the trainer's settings, tests, extensions) is carried as it
//! stood, so that a file is written back byte for byte; what we know of training stands in a field of its own. Control pieces
//! become special added tokens: their texts in a text raise unless the caller says otherwise; as ordinary text they are
//! segmented like any other, as SentencePiece does.

mod hugging_face;
mod trained;
mod wire;

#[cfg(test)]
mod tests;

use compact_str::CompactString;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{
    Definition, Model, PieceKind, SentencePieceAlgorithm, SentencePieceDefinition,
    SentencePieceEntry,
};
use crate::error::{Error, Result};
use crate::model::sentencepiece::SentencePiece as Runner;
use crate::normalizer::{Normalizer, SentencePiece};
pub use hugging_face::to_hugging_face;
pub use trained::trained;
use wire::{Field, Fields};

/// The format's name in messages.
pub(crate) const FORMAT: &str = "sentencepiece";

/// Pieces must be shorter, as in SentencePiece.
const MAX_PIECE_BYTES: usize = 8000;

/// Says how a tokenizer was trained: a field of ours, among the numbers that the format leaves to extensions.
const TRAINING: u32 = 73_512;

/// What an unknown piece decodes to unless the file says otherwise.
const UNK_SURFACE: &str = " \u{2047} ";

/// The fields of `TrainerSpec` that decide what a model does.
struct TrainerSpec {
    algorithm: SentencePieceAlgorithm,
    treat_whitespace_as_suffix: bool,
    byte_fallback: bool,
    unk_surface: String,
}

/// Reads a `.model`.
///
/// # Errors
/// [`Error::Format`] for a malformed file, [`Error::Unsupported`] for a denormalizer or a field of a piece that is not known,
/// [`Error::Vocab`] when pieces contradict each other. Each names the place.
pub fn read(data: &[u8]) -> Result<Definition> {
    let mut pieces = Vec::new();
    let mut carried = Vec::new();
    let mut training = None;
    let (mut trainer, mut normalizer): (&[u8], &[u8]) = (&[], &[]);
    let mut seen = [false; 6];
    for field in Fields::new(data, "") {
        let field = field?;
        if field.number == TRAINING
            && let Ok(text) = field.text("")
        {
            training = Some(text.to_owned());
            continue;
        }
        if field.number == 1 {
            let data = field.bytes("pieces")?;
            // The place is spelled out for a message alone.
            let piece = read_piece(data, "")
                .or_else(|_| read_piece(data, &format!("pieces[{}]", pieces.len())))?;
            pieces.push(piece);
            continue;
        }
        let name = match field.number {
            2 => "trainer_spec",
            3 => "normalizer_spec",
            4 => "self_test_data",
            5 => "denormalizer_spec",
            _ => "",
        };
        if !name.is_empty() && std::mem::replace(&mut seen[field.number as usize], true) {
            return Err(Error::format(FORMAT, name, "stands twice"));
        }
        match field.number {
            2 => trainer = field.bytes(name)?,
            3 => normalizer = field.bytes(name)?,
            5 => refuse_denormalizer(field.bytes(name)?)?,
            _ => {}
        }
        carried.extend_from_slice(field.raw);
    }
    let trainer = read_trainer(trainer)?;
    let normalizer = read_normalizer(normalizer, &pieces, trainer.treat_whitespace_as_suffix)?;
    let decoder = Decoder::SentencePiece {
        unk_surface: trainer.unk_surface.clone(),
        strips_dummy_prefix: normalizer.add_dummy_prefix || normalizer.remove_extra_whitespaces,
    };
    let control = pieces.iter().zip(0..).filter(|(piece, _)| piece.kind == PieceKind::Control);
    let added_tokens = control.map(|(piece, id)| AddedToken::special(id, &piece.text)).collect();
    let model = SentencePieceDefinition {
        algorithm: trainer.algorithm,
        pieces,
        byte_fallback: trainer.byte_fallback,
        unk_surface: trainer.unk_surface,
        carried,
    };
    Runner::check(&model)?;
    Ok(Definition {
        normalizer: Some(Normalizer::SentencePiece(normalizer)),
        pre_tokenizer: None,
        model: Model::SentencePiece(model),
        post_processor: None,
        decoder: Some(decoder),
        added_tokens,
        truncation: None,
        padding: None,
        training,
    })
}

fn read_piece(data: &[u8], place: &str) -> Result<SentencePieceEntry> {
    let mut piece =
        SentencePieceEntry { text: CompactString::default(), score: 0.0, kind: PieceKind::Normal };
    for field in Fields::new(data, place) {
        let field = field?;
        match field.number {
            1 => piece.text = field.text(place)?.into(),
            2 => piece.score = field.float(place)?,
            3 => piece.kind = read_kind(&field, place)?,
            number => {
                return Err(Error::unsupported(
                    FORMAT,
                    place,
                    format!("field {number} of a piece is not supported"),
                ));
            }
        }
    }
    if piece.text.len() >= MAX_PIECE_BYTES {
        let problem = format!(
            "a piece must be shorter than {MAX_PIECE_BYTES} bytes, got {}",
            piece.text.len()
        );
        return Err(Error::format(FORMAT, place, problem));
    }
    Ok(piece)
}

fn read_kind(field: &Field<'_>, place: &str) -> Result<PieceKind> {
    Ok(match field.number(place)? {
        1 => PieceKind::Normal,
        2 => PieceKind::Unknown,
        3 => PieceKind::Control,
        4 => PieceKind::UserDefined,
        5 => PieceKind::Unused,
        6 => PieceKind::Byte,
        kind => {
            let problem = format!("type must be from 1 to 6, got {kind}");
            return Err(Error::format(FORMAT, place, problem));
        }
    })
}

fn read_trainer(data: &[u8]) -> Result<TrainerSpec> {
    let place = "trainer_spec";
    let mut spec = TrainerSpec {
        algorithm: SentencePieceAlgorithm::Unigram,
        treat_whitespace_as_suffix: false,
        byte_fallback: false,
        unk_surface: UNK_SURFACE.to_owned(),
    };
    for field in Fields::new(data, place) {
        let field = field?;
        match field.number {
            3 => {
                spec.algorithm = match field.number(place)? {
                    1 => SentencePieceAlgorithm::Unigram,
                    2 => SentencePieceAlgorithm::Bpe,
                    3 => SentencePieceAlgorithm::Word,
                    4 => SentencePieceAlgorithm::Char,
                    kind => {
                        let problem = format!("model_type must be from 1 to 4, got {kind}");
                        return Err(Error::format(FORMAT, place, problem));
                    }
                }
            }
            24 => spec.treat_whitespace_as_suffix = field.truth(place)?,
            35 => spec.byte_fallback = field.truth(place)?,
            44 => field.text(place)?.clone_into(&mut spec.unk_surface),
            _ => {}
        }
    }
    Ok(spec)
}

fn read_normalizer(
    data: &[u8],
    pieces: &[SentencePieceEntry],
    treat_whitespace_as_suffix: bool,
) -> Result<SentencePiece> {
    let place = "normalizer_spec";
    let user_defined = pieces.iter().filter(|piece| piece.kind == PieceKind::UserDefined);
    let mut user_defined: Vec<String> = user_defined.map(|piece| piece.text.to_string()).collect();
    user_defined.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut spec = SentencePiece {
        name: String::new(),
        charsmap: Vec::new(),
        add_dummy_prefix: true,
        remove_extra_whitespaces: true,
        escape_whitespaces: true,
        treat_whitespace_as_suffix,
        user_defined,
    };
    for field in Fields::new(data, place) {
        let field = field?;
        match field.number {
            1 => field.text(place)?.clone_into(&mut spec.name),
            2 => field.bytes(place)?.clone_into(&mut spec.charsmap),
            3 => spec.add_dummy_prefix = field.truth(place)?,
            4 => spec.remove_extra_whitespaces = field.truth(place)?,
            5 => spec.escape_whitespaces = field.truth(place)?,
            _ => {}
        }
    }
    Ok(spec)
}

fn refuse_denormalizer(data: &[u8]) -> Result<()> {
    let place = "denormalizer_spec";
    for field in Fields::new(data, place) {
        let field = field?;
        if field.number == 2 && !field.bytes(place)?.is_empty() {
            return Err(Error::unsupported(
                FORMAT,
                place,
                "a character map for decoding is not supported",
            ));
        }
    }
    Ok(())
}

/// Writes a definition as `.model`.
///
/// # Errors
/// [`Error::Unsupported`] for a definition that is not one of SentencePiece, or has been changed in what the file cannot say.
pub fn write(definition: &Definition) -> Result<Vec<u8>> {
    let Model::SentencePiece(model) = &definition.model else {
        let problem = "only a SentencePiece model can be written as one";
        return Err(Error::unsupported("definition", "model", problem));
    };
    let mut data = Vec::with_capacity(model.carried.len() + 24 * model.pieces.len());
    put_pieces(&mut data, &model.pieces);
    data.extend_from_slice(&model.carried);
    if let Some(training) = &definition.training {
        wire::put_bytes(&mut data, TRAINING, training.as_bytes());
    }
    if read(&data)? == *definition {
        Ok(data)
    } else {
        let problem = "holds something that a SentencePiece model cannot say";
        Err(Error::unsupported("definition", "", problem))
    }
}

/// Writes pieces, a field each.
fn put_pieces(data: &mut Vec<u8>, pieces: &[SentencePieceEntry]) {
    let mut message = Vec::new();
    for piece in pieces {
        message.clear();
        wire::put_bytes(&mut message, 1, piece.text.as_bytes());
        wire::put_float(&mut message, 2, piece.score);
        let kind = match piece.kind {
            PieceKind::Normal => None,
            PieceKind::Unknown => Some(2),
            PieceKind::Control => Some(3),
            PieceKind::UserDefined => Some(4),
            PieceKind::Unused => Some(5),
            PieceKind::Byte => Some(6),
        };
        message.extend(kind.into_iter().flat_map(|kind| [3 << 3, kind]));
        wire::put_bytes(data, 1, &message);
    }
}
