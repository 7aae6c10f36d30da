//! The members of an object that count, found in about linear time (feature `fast`).

use super::{raw::Value, text::Text};

/// Gives `visit` each member that no later one of the same name overrides, in the order of the text,
/// like its naive twin [`EffectiveMembers`](super::filter::EffectiveMembers). The later ones are walked over once for every [`BLOCK`]
/// members, and not once for each.
pub(super) fn try_each_effective<'a, E>(
    object: Value<'a>,
    mut visit: impl FnMut(Text<'a>, Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut members = object.members();
    loop {
        let start = members.clone();
        let mut names = Names::default();
        while names.list.len() < BLOCK
            && let Some((name, _)) = members.next()
        {
            names.push(Text::trusted(name));
        }
        if names.list.is_empty() {
            return Ok(());
        }
        for (later, _) in members.clone() {
            names.override_by(Text::trusted(later));
        }
        for (name, (key, value)) in names.list.iter().zip(start) {
            if !name.is_overridden {
                visit(Text::trusted(key), value)?;
            }
        }
    }
}

/// As few as a microcontroller has stack for, a kilobyte; and a subscription of the most keys that are
/// allowed is walked over three times.
const BLOCK: usize = 32;

/// The names of some members.
#[derive(Default)]
struct Names<'a> {
    list: heapless::Vec<Name<'a>, BLOCK>,
}

struct Name<'a> {
    /// Peers may choose names of equal hashes. These only take longer.
    hash: u32,
    text: Text<'a>,
    is_overridden: bool,
}

impl<'a> Names<'a> {
    /// Adds a name, of which there must be fewer than [`BLOCK`], and which overrides the earlier ones.
    fn push(&mut self, text: Text<'a>) {
        let hash = self.override_by(text);
        // That there is room has been said.
        let _ = self.list.push(Name {
            hash,
            text,
            is_overridden: false,
        });
    }

    /// Marks those that are called so, and gives the hash of that.
    fn override_by(&mut self, later: Text<'_>) -> u32 {
        let hash = hash_of(later);
        for name in &mut self.list {
            if name.hash == hash && name.text == later {
                name.is_overridden = true;
            }
        }
        hash
    }
}

/// FNV-1a.
fn hash_of(text: Text<'_>) -> u32 {
    let add = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    match text.as_unescaped() {
        Some(bytes) => bytes.iter().copied().fold(0x811C_9DC5, add),
        None => text.bytes().fold(0x811C_9DC5, add),
    }
}
