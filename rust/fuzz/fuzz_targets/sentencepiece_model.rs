//! Any bytes as a SentencePiece model: refused, or read, written and read again with the same meaning, as `.model` and as
//! JSON; and what is built from it encodes and decodes without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merganser_core::Tokenizer;
use merganser_core::added_tokens::OnSpecial;
use merganser_core::format::{hf_json, sentencepiece};
use merganser_core::progress::Progress;
use merganser_core::tokenizer::EncodeOptions;

const TEXTS: [&str; 3] = ["", " The quick  brown fox, 1234! ", " a\u{301}\u{2581}\n\u{1F642}<s>"];

fuzz_target!(|data: &[u8]| {
    let Ok(definition) = sentencepiece::read(data) else { return };
    if let Ok(written) = sentencepiece::write(&definition) {
        assert_eq!(sentencepiece::read(&written).as_ref(), Ok(&definition));
    }
    let written = hf_json::write(&definition);
    assert_eq!(hf_json::read(written.as_bytes()).as_ref(), Ok(&definition));
    let Ok(tokenizer) = Tokenizer::new(definition) else { return };
    let options = EncodeOptions { add_special_tokens: true, on_special: OnSpecial::Text };
    for text in TEXTS {
        if let Ok(ids) = tokenizer.encode(text, options, &Progress::default()) {
            assert!(tokenizer.decode(&ids, false, &Progress::default()).is_ok());
        }
    }
});
