//! [`Stages`] as text: the name of a stage, or the stage as `tokenizer.json` has it.
//!
//! A stage that has a name is always written as its name, so that equal stages have equal texts.

use crate::error::{Error, Result};
use crate::format::{hf_json, quote};
use crate::normalizer::{BertNormalizer, Normalizer};
use crate::pre_tokenizer::metaspace::METASPACE;
use crate::pre_tokenizer::{Metaspace, PreTokenizer, PrependScheme, known};
use crate::train::Stages;

/// Names of pre-tokenizers: those of the patterns, then those of the stages of models that work on text.
pub const PRE_TOKENIZER_NAMES: [&str; 10] = [
    "gpt2",
    "cl100k",
    "o200k",
    "qwen2",
    "lines",
    "bert",
    "whitespace",
    "whitespace-split",
    "metaspace",
    "none",
];

/// Names of normalizers.
pub const NORMALIZER_NAMES: [&str; 8] =
    ["nfc", "nfd", "nfkc", "nfkd", "lowercase", "strip-accents", "bert", "bert-cased"];

impl Stages {
    /// The stages that two texts mean: a name ([`NORMALIZER_NAMES`], [`PRE_TOKENIZER_NAMES`]) or an object as in
    /// `tokenizer.json`.
    ///
    /// ```
    /// use merganser_core::train::Stages;
    /// let stages = Stages::parse(Some("nfc"), Some(r#"{"type": "WhitespaceSplit"}"#))?;
    /// assert_eq!(stages, Stages::parse(Some("nfc"), Some("whitespace-split"))?);
    /// assert_eq!(stages.pre_tokenizer_text(), "whitespace-split");
    /// # Ok::<(), merganser_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] for a text that is neither; those of [`hf_json::read`] for an object that is no stage.
    pub fn parse(normalizer: Option<&str>, pre_tokenizer: Option<&str>) -> Result<Self> {
        let normalizer = match normalizer {
            None => None,
            Some(text) if is_object(text) => Some(hf_json::read_normalizer(text)?),
            Some(name) => Some(
                normalizer_named(name)
                    .ok_or_else(|| unknown("normalizer", &NORMALIZER_NAMES, name))?,
            ),
        };
        let pre_tokenizer = match pre_tokenizer {
            None | Some("none") => None,
            Some(text) if is_object(text) => Some(hf_json::read_pre_tokenizer(text)?),
            Some(name) => Some(
                pre_tokenizer_named(name)
                    .ok_or_else(|| unknown("pre_tokenizer", &PRE_TOKENIZER_NAMES, name))?,
            ),
        };
        Ok(Self { normalizer, pre_tokenizer })
    }

    /// The text of the normalizer, its name if it has one; `None`: there is no normalizer.
    pub fn normalizer_text(&self) -> Option<String> {
        let normalizer = self.normalizer.as_ref()?;
        let named = |name: &&&str| normalizer_named(name).as_ref() == Some(normalizer);
        let name = NORMALIZER_NAMES.iter().find(named).map(|&name| name.to_owned());
        Some(name.unwrap_or_else(|| hf_json::write_normalizer(normalizer)))
    }

    /// The text of the pre-tokenizer, its name if it has one.
    pub fn pre_tokenizer_text(&self) -> String {
        let Some(pre_tokenizer) = &self.pre_tokenizer else {
            return "none".to_owned();
        };
        let named = |name: &&&str| pre_tokenizer_named(name).as_ref() == Some(pre_tokenizer);
        let name = PRE_TOKENIZER_NAMES.iter().find(named).map(|&name| name.to_owned());
        name.unwrap_or_else(|| hf_json::write_pre_tokenizer(pre_tokenizer))
    }
}

/// Whether a text means an object rather than a name.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn unknown(what: &str, names: &[&str], got: &str) -> Error {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    Error::Config(format!(
        "{what} must be {}, or a mapping as in tokenizer.json, got {}",
        names.join(", "),
        quote(got)
    ))
}

fn pre_tokenizer_named(name: &str) -> Option<PreTokenizer> {
    match name {
        "qwen2" => Some(known::split_then_bytes(known::QWEN2_PATTERN)),
        "bert" => Some(PreTokenizer::Bert),
        "whitespace" => Some(PreTokenizer::Whitespace),
        "whitespace-split" => Some(PreTokenizer::WhitespaceSplit),
        "metaspace" => Some(PreTokenizer::Metaspace(Metaspace {
            replacement: METASPACE,
            prepend_scheme: PrependScheme::Always,
            split: true,
        })),
        _ => known::by_name(name),
    }
}

fn normalizer_named(name: &str) -> Option<Normalizer> {
    let bert = |lowercase| {
        Normalizer::Bert(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents: None,
            lowercase,
        })
    };
    match name {
        "nfc" => Some(Normalizer::Nfc),
        "nfd" => Some(Normalizer::Nfd),
        "nfkc" => Some(Normalizer::Nfkc),
        "nfkd" => Some(Normalizer::Nfkd),
        "lowercase" => Some(Normalizer::Lowercase),
        "strip-accents" => Some(Normalizer::StripAccents),
        "bert" => Some(bert(true)),
        "bert-cased" => Some(bert(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_the_text_of_its_stage() {
        for name in PRE_TOKENIZER_NAMES {
            let stages = Stages::parse(None, Some(name)).unwrap();
            assert_eq!(stages.pre_tokenizer_text(), name);
            assert_eq!(stages.normalizer_text(), None);
        }
        for name in NORMALIZER_NAMES {
            let stages = Stages::parse(Some(name), None).unwrap();
            assert_eq!(stages.normalizer_text().as_deref(), Some(name));
        }
    }

    #[test]
    fn a_stage_without_a_name_is_an_object() {
        let normalizer =
            r#"{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]}"#;
        let pre_tokenizer = r#" {"type": "Digits", "individual_digits": true}"#;
        let stages = Stages::parse(Some(normalizer), Some(pre_tokenizer)).unwrap();
        assert_eq!(stages.pre_tokenizer, Some(PreTokenizer::Digits { individual_digits: true }));
        let (first, second) = (stages.normalizer_text().unwrap(), stages.pre_tokenizer_text());
        assert_eq!(Stages::parse(Some(&first), Some(&second)).unwrap(), stages);
        let plain = Stages::parse(None, Some(r#"{"type":"BertPreTokenizer"}"#)).unwrap();
        assert_eq!(plain.pre_tokenizer_text(), "bert");
    }

    #[test]
    fn what_is_no_stage_is_refused_by_name() {
        let message = |normalizer, pre_tokenizer| {
            Stages::parse(normalizer, pre_tokenizer).unwrap_err().to_string()
        };
        assert!(message(None, Some("gpt5")).starts_with("pre_tokenizer must be \"gpt2\", "));
        assert!(message(Some("none"), None).ends_with("as in tokenizer.json, got \"none\""));
        assert!(message(Some(r#"{"type": "NFX"}"#), None).contains("normalizer.type"));
        assert!(message(None, Some("{")).contains("line 1 column 1"));
        assert!(message(None, Some(r#"{"type": "Digits"}"#)).contains("individual_digits"));
        let deep = r#"{"type": "Sequence", "pretokenizers": ["#.repeat(1000);
        assert!(message(None, Some(&deep)).contains("recursion"));
    }
}
