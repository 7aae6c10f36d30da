//! The UTF-8 validator.

use campanile_core::wire::Utf8Validator;

use crate::script::{Script, pieces};

/// Format: a chunk of cuts, then the text.
pub fn utf8(data: &[u8]) {
    let mut script = Script::new(data);
    let cuts = script.chunk();
    let text = script.rest();
    let hopeless = first_hopeless_byte(text);
    for cuts in [&[][..], &[1; 255], cuts] {
        let (failed, complete) = validate(&pieces(text, cuts));
        assert_eq!(failed, hopeless, "cut at {cuts:?}");
        if failed.is_none() {
            assert_eq!(complete, core::str::from_utf8(text).is_ok());
        }
    }
}

/// Where the validator fails, and if it does not, whether the text ends with a character.
fn validate(pieces: &[&[u8]]) -> (Option<usize>, bool) {
    let mut validator = Utf8Validator::new();
    let mut start = 0;
    for piece in pieces {
        if let Err(at) = validator.push(piece) {
            return (Some(start + at), false);
        }
        start += piece.len();
    }
    (None, validator.is_complete())
}

/// The definition: the first byte after which no continuation makes the text valid.
///
/// `from_utf8` calls such bytes an error of known length, unless the text merely ends too early.
fn first_hopeless_byte(text: &[u8]) -> Option<usize> {
    let error = core::str::from_utf8(text).err()?;
    error.error_len()?;
    let start = error.valid_up_to();
    (start..text.len()).find(|at| {
        core::str::from_utf8(&text[start..=*at]).is_err_and(|error| error.error_len().is_some())
    })
}
