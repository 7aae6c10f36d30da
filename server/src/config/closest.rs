//! What somebody may have meant.

/// The one of `known` that is most like `wrong`, if any is like it: by its whole, or by what is behind
/// its last stop, since a key may be in the wrong section.
pub(super) fn closest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let distances = known.map(|name| (distance(wrong, name), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= tolerated(wrong)).then_some(name)
}

fn distance(wrong: &str, name: &str) -> usize {
    let whole = strsim::osa_distance(wrong, name);
    let (wrong, name) = (last(wrong), last(name));
    // One more: a key with the right section is the closer one.
    whole.min(strsim::osa_distance(wrong, name).saturating_add(1))
}

fn last(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

/// One mistake in three characters.
fn tolerated(wrong: &str) -> usize {
    (last(wrong).chars().count() / 3).clamp(1, 4)
}

/// The end of a line on something unknown.
pub(super) fn hint<'k>(wrong: &str, known: impl Iterator<Item = &'k str>, quote: &str) -> String {
    match closest(wrong, known) {
        Some(name) => format!("did you mean {quote}{name}{quote}?"),
        None => "`campanile check --defaults` lists all there are".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["listen", "limits.connections", "limits.values", "log.level"];
        for (wrong, meant) in [
            ("lisen", Some("listen")),
            ("limits.conections", Some("limits.connections")),
            ("limit.connections", Some("limits.connections")),
            ("connections", Some("limits.connections")),
            ("log.values", Some("limits.values")),
            ("log.elvel", Some("log.level")),
            ("colour", None),
            ("limits.everything", None),
            ("", None),
        ] {
            assert_eq!(closest(wrong, known.into_iter()), meant, "{wrong}");
        }
    }
}
