//! placeholder
use crate::definition::Definition;
use crate::error::{Error, Result};
/// x
///
/// # Errors
/// x
pub fn to_hugging_face(_: &Definition) -> Result<Definition> { Err(Error::Interrupted) }
