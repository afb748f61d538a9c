//! Normalization forms C, D, KC and KD (UAX #15), with what `tokenizers` says of where each character came from.
//!
//! Decomposing writes each character's parts: the first stands for it ([`change`] 0), the others are new (1). Marks between
//! two starters are then sorted by combining class, each with its change. Composing joins a starter with a later mark, and
//! their changes add up: a composed character stands for all that went into it. Changes are worked off in the order of the
//! result, so that marks that swap places keep their places' spans.
//!
//! Two ASCII characters side by side never change each other, so ASCII is copied whole but for the last before something
//! else. Characters that Unicode 9.0.0 does not assign are left as they are and reorder nothing, as there ([`NORMALIZED`]).
//!
//! [`change`]: Rewriter::change

use unicode_normalization::char::{
    canonical_combining_class, compose, decompose_canonical, decompose_compatible,
};
use unicode_normalization::{
    IsNormalized, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick,
};

use crate::normalizer::char_sets::NORMALIZED;
use crate::progress::Progress;
use crate::traced::{Rewriter, Traced};

/// A normalization form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    C,
    D,
    Kc,
    Kd,
}

impl Form {
    fn is_compatible(self) -> bool {
        matches!(self, Self::Kc | Self::Kd)
    }

    fn composes(self) -> bool {
        matches!(self, Self::C | Self::Kc)
    }

    fn surely_holds(self, text: &str, progress: &Progress) -> bool {
        let chars = progress.char_indices(text).map(|(_, c)| c);
        let quick = match self {
            Self::C => is_nfc_quick(chars),
            Self::D => is_nfd_quick(chars),
            Self::Kc => is_nfkc_quick(chars),
            Self::Kd => is_nfkd_quick(chars),
        };
        quick == IsNormalized::Yes
    }
}

/// Brings `text` into `form`, or when asked to stop leaves it half done.
pub(super) fn normalize(text: &mut Traced<'_>, form: Form, progress: &Progress) {
    if text.text().is_ascii() || form.surely_holds(text.text(), progress) {
        return;
    }
    text.rewrite(|text, out| {
        let mut run = Run { form, parts: Vec::new(), is_settled: true };
        let mut at = 0;
        while at < text.len() && progress.check().is_ok() {
            let ascii = quiet_ascii(text, at);
            if ascii > 0 {
                run.write(out);
                out.keep_next(text, at..at + ascii);
                at += ascii;
            } else if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
                run.add(c, out);
                at += c.len_utf8();
            } else {
                break;
            }
        }
        run.write(out);
    });
}

/// How many bytes from `at` on are ASCII and not the last before something else.
fn quiet_ascii(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    match rest.iter().position(|byte| !byte.is_ascii()) {
        Some(n_ascii) => n_ascii.saturating_sub(1),
        None => rest.len(),
    }
}

/// A character with its combining class and change.
#[derive(Debug, Clone, Copy)]
struct Part {
    class: u8,
    c: char,
    change: isize,
}

/// Characters that may still change each other: from a starter on that nothing before can join.
#[derive(Debug)]
struct Run {
    form: Form,
    parts: Vec<Part>,
    /// Whether the parts are sorted and joined; doing so again could join what a mark between had kept apart.
    is_settled: bool,
}

impl Run {
    /// Takes the next character of the text.
    fn add(&mut self, c: char, out: &mut Rewriter<'_>) {
        if !NORMALIZED.contains(c) {
            self.add_part(Part { class: 0, c, change: 0 }, out);
            return;
        }
        let is_compatible = self.form.is_compatible();
        let mut change = 0;
        let add = |c| {
            self.add_part(Part { class: canonical_combining_class(c), c, change }, out);
            change = 1;
        };
        if is_compatible {
            decompose_compatible(c, add);
        } else {
            decompose_canonical(c, add);
        }
    }

    fn add_part(&mut self, part: Part, out: &mut Rewriter<'_>) {
        if part.class == 0 {
            self.settle();
            // A starter with nothing between may still join the one before: Hangul, and the vowel signs of India.
            if let [first] = self.parts.as_slice()
                && first.class == 0
                && self.form.composes()
                && let Some(joined) = join(*first, part)
            {
                self.parts[0] = joined;
                return;
            }
            self.write(out);
        }
        self.is_settled &= part.class == 0;
        self.parts.push(part);
    }

    /// Sorts the marks, and joins those that can be with their starter.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let n_starters = usize::from(self.parts.first().is_some_and(|part| part.class == 0));
        let Some(marks) = self.parts.get_mut(n_starters..) else { return };
        // Stable, as it must be.
        marks.sort_by_key(|part| part.class);
        if n_starters == 0 || !self.form.composes() || marks.is_empty() {
            return;
        }
        let mut starter = self.parts[0];
        let mut kept = 1;
        for i in 1..self.parts.len() {
            let part = self.parts[i];
            // A mark is blocked by one of its class, or above, that stayed.
            let is_blocked = kept > 1 && self.parts[kept - 1].class >= part.class;
            if let Some(joined) = join(starter, part).filter(|_| !is_blocked) {
                starter = joined;
            } else {
                self.parts[kept] = part;
                kept += 1;
            }
        }
        self.parts[0] = starter;
        self.parts.truncate(kept);
    }

    /// Writes all of it.
    fn write(&mut self, out: &mut Rewriter<'_>) {
        self.settle();
        for part in self.parts.drain(..) {
            out.change(part.c, part.change);
        }
    }
}

/// The composed character, if there is one.
fn join(first: Part, second: Part) -> Option<Part> {
    let c = compose(first.c, second.c).filter(|&c| NORMALIZED.contains(c))?;
    Some(Part { class: 0, c, change: first.change + second.change - 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn normalized(text: &str, form: Form) -> Traced<'_> {
        let mut traced = Traced::raw(text, 0, &Progress::default()).unwrap();
        normalize(&mut traced, form, &Progress::default());
        traced
    }

    #[track_caller]
    fn check_spans(form: Form, text: &str, expected: &[(char, usize, usize)]) {
        let traced = normalized(text, form);
        let found: Vec<_> = traced
            .text()
            .char_indices()
            .filter_map(|(at, c)| {
                traced.span(at..at + c.len_utf8()).map(|(start, end)| (c, start, end))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn composed_character_has_the_span_of_its_first() {
        check_spans(Form::C, "ae\u{301}b", &[('a', 0, 1), ('é', 1, 2), ('b', 4, 5)]);
        check_spans(Form::D, "é", &[('e', 0, 2), ('\u{301}', 0, 2)]);
        check_spans(Form::Kc, "ﬁx", &[('f', 0, 3), ('i', 0, 3), ('x', 3, 4)]);
    }

    #[test]
    fn reordered_marks_keep_the_spans_of_their_places() {
        let dots = [('q', 0, 1), ('\u{323}', 1, 3), ('\u{307}', 3, 5)];
        check_spans(Form::D, "q\u{307}\u{323}", &dots);
        // The acute joins over the dot below, which takes the next place's span.
        check_spans(Form::C, "e\u{316}\u{301}", &[('é', 0, 1), ('\u{316}', 3, 5)]);
    }

    #[test]
    fn characters_after_unicode_9_are_left_alone() {
        // U+32FF came with 12.1, U+1AC1 (class 220) with 14.0.
        for text in ["\u{32FF}", "a\u{301}\u{1AC1}"] {
            let expected: String = text.nfc().collect();
            assert_eq!(normalized(text, Form::Kc).text(), expected);
        }
    }

    proptest! {
        #[test]
        fn forms_match_naive_on_characters_of_unicode_9(text in "[aeßéÅﬁ각\u{1100}-\u{1112}\u{1161}-\u{1175}\u{11A8}-\u{11C2}\u{300}-\u{345}\u{9BE}\u{9C7}\u{9D7}\u{F71}-\u{F81}\u{2FA1D}\u{FDFA}]{0,12}") {
            let pairs: [(Form, String); 4] = [
                (Form::C, text.nfc().collect()),
                (Form::D, text.nfd().collect()),
                (Form::Kc, text.nfkc().collect()),
                (Form::Kd, text.nfkd().collect()),
            ];
            for (form, expected) in pairs {
                let traced = normalized(&text, form);
                prop_assert_eq!(traced.text(), &expected);
                let mut untraced = Traced::untraced(&text);
                normalize(&mut untraced, form, &Progress::default());
                prop_assert_eq!(untraced.text(), &expected);
            }
        }
    }
}
