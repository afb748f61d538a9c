//! [`Cuts`]: places inside a pre-token that no token spans, so that both sides merge alone as they merge together.
//!
//! A merge makes a token that lies across the place where its two parts meet. Where the two characters at a place occur side
//! by side in no token that a merge makes, no merge ever joins across it, and the pre-token may be cut there. Chinese,
//! Japanese and Korean pre-tokens are long and rarely repeat as a whole; their parts are short and repeat like words.
//!
//! A token may begin or end inside a character, so a side is told by at most two bytes: the last two of the character before
//! and the first two of the character after, or the one byte of an ASCII character. A token that shows fewer bytes of a
//! character stands for every way to complete them. The set is hashed to bits: a collision only forgoes a cut.

/// Sides of places that some token spans, hashed to bits.
#[derive(Debug)]
pub(crate) struct Cuts {
    bits: Vec<u64>,
}

const N_BITS_LOG2: u32 = 20;

const fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

impl Cuts {
    /// From the bytes of every token that a merge makes.
    pub(crate) fn new<'a>(products: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut cuts = Self { bits: vec![0; 1 << (N_BITS_LOG2 - 6)] };
        for token in products {
            for place in 1..token.len() {
                if !is_continuation(token[place]) {
                    let (left, right) = token.split_at(place);
                    let mut set = |before, after| {
                        let bit = bit_of(before, after);
                        cuts.bits[bit / 64] |= 1 << (bit % 64);
                    };
                    let (before, after) = (sides_before(left), sides_after(right));
                    before.for_each(|before| after.clone().for_each(|after| set(before, after)));
                }
            }
        }
        cuts
    }

    /// The first cut in `text` after `from`, or its end; `text` must be UTF-8.
    pub(crate) fn next(&self, text: &[u8], from: usize) -> usize {
        for place in from + 1..text.len() {
            if is_continuation(text[place]) {
                continue;
            }
            let before = match text[place - 1] {
                ascii if ascii < 0x80 => u16::from(ascii),
                last => u16::from_be_bytes([text[place - 2], last]),
            };
            let after = match text[place] {
                ascii if ascii < 0x80 => u16::from(ascii),
                first => u16::from_be_bytes([first, text[place + 1]]),
            };
            let bit = bit_of(before, after);
            if self.bits[bit / 64] >> (bit % 64) & 1 == 0 {
                return place;
            }
        }
        text.len()
    }
}

fn bit_of(before: u16, after: u16) -> usize {
    let sides = u32::from(before) << 16 | u32::from(after);
    (sides.wrapping_mul(0x9E37_79B1) >> (32 - N_BITS_LOG2)) as usize
}

/// What may end the character before a place, given the bytes that a token has there.
fn sides_before(left: &[u8]) -> impl Iterator<Item = u16> {
    let (first_bytes, last) = match *left {
        [.., last] if last < 0x80 => (0..=0, last),
        [.., before, last] => (before..=before, last),
        // The byte before is a lead byte or another continuation.
        [last] => (0x80..=0xF4, last),
        #[expect(clippy::reversed_empty_ranges, reason = "nothing is before")]
        [] => (1..=0, 0),
    };
    first_bytes.map(move |before| u16::from_be_bytes([before, last]))
}

/// What may begin the character after a place, given the bytes that a token has there.
fn sides_after(right: &[u8]) -> impl Iterator<Item = u16> + Clone {
    let (first, second_bytes) = match *right {
        [first, ..] if first < 0x80 => (0, first..=first),
        [first, second, ..] => (first, second..=second),
        [first] => (first, 0x80..=0xBF),
        #[expect(clippy::reversed_empty_ranges, reason = "nothing is after")]
        [] => (0, 1..=0),
    };
    second_bytes.map(move |second| u16::from_be_bytes([first, second]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_where_no_token_spans() {
        let token = |text: &'static str| text.as_bytes();
        let partial = &"界人".as_bytes()[2..5];
        let cuts = Cuts::new([token("世界"), token("ab"), partial].into_iter());
        let pieces = |text: &str| {
            let mut pieces = Vec::new();
            let mut from = 0;
            while from < text.len() {
                let to = cuts.next(text.as_bytes(), from);
                pieces.push(text.get(from..to).unwrap().to_owned());
                from = to;
            }
            pieces
        };
        assert_eq!(pieces("世界世界"), ["世界", "世界"]);
        assert_eq!(pieces("abba"), ["ab", "b", "a"]);
        // The partial token ends inside 人 and begins inside 界: every character that they may be completed to.
        assert_eq!(pieces("世界人a"), ["世界人", "a"]);
        assert_eq!(pieces(""), Vec::<String>::new());
    }
}
