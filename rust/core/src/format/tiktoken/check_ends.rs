//! Whether white space at the end of a text gets the same ids, be it one pre-token or cut after its
//! last newline.
//!
//! Let the white space be `A B`, `A` ending in its last newline and `B` holding none. Joined as one
//! pre-token, it gives the ids of `A` and `B` unless (1) in some token the last newline is followed
//! by the start of other white space, so that it could reach across, or (2) `A` or `B` as a whole
//! is a token without a merge, which the look-up finds only when it is a pre-token. Both are
//! refused, for any `A` and `B`.

use crate::error::{Error, Result};
use crate::format::quote;

/// Refuses a vocabulary for which tiktoken's cl100k pattern and the published one could give other
/// ids.
pub(super) fn check_ends(tokens: &[(Vec<u8>, u32)], merges: &[Option<(u32, u32)>]) -> Result<()> {
    let spaces = other_white_space();
    for ((bytes, id), merge) in tokens.iter().zip(merges) {
        let last_newline = bytes.iter().rposition(|byte| matches!(byte, b'\r' | b'\n'));
        let crosses = last_newline
            .is_some_and(|i| starts_white_space(bytes.get(i + 1..).unwrap_or_default(), &spaces));
        let is_only_looked_up = merge.is_none()
            && bytes.len() > 1
            && std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(char::is_whitespace));
        if crosses || is_only_looked_up {
            let token = quote(&String::from_utf8_lossy(bytes));
            return Err(Error::unsupported(
                super::FORMAT,
                format!("token {id}"),
                format!(
                    "{token} could get other ids at the end of a text than in tiktoken, \
                     whose own cl100k pattern treats white space there in its own way; pass the \
                     regular expression itself to have it meant literally"
                ),
            ));
        }
    }
    Ok(())
}

/// The UTF-8 of each white-space character other than the two newlines.
fn other_white_space() -> Vec<Vec<u8>> {
    ('\0'..='\u{3000}')
        .filter(|&c| c.is_whitespace() && !matches!(c, '\r' | '\n'))
        .map(|c| c.to_string().into_bytes())
        .collect()
}

/// Whether `rest` starts with a character of `spaces`, or is the start of one.
fn starts_white_space(rest: &[u8], spaces: &[Vec<u8>]) -> bool {
    !rest.is_empty()
        && spaces.iter().any(|space| rest.starts_with(space) || space.starts_with(rest))
}
