//! What a program should say, as the pages show it: `…` stands for anything within a line, and on a line of
//! its own for any lines.

/// How many of the `lines` are what is `expected`, from the first of them on; `None` when they are not.
pub(crate) fn at_start(expected: &[&str], lines: &[&str]) -> Option<usize> {
    matching(expected, lines, false)
}

/// Whether the `lines` are what is `expected`, and nothing is behind them.
pub(crate) fn is_all(expected: &[&str], lines: &[&str]) -> bool {
    matching(expected, lines, true).is_some()
}

fn matching(expected: &[&str], lines: &[&str], to_the_end: bool) -> Option<usize> {
    let Some((first, rest)) = expected.split_first() else {
        return (!to_the_end || lines.is_empty()).then_some(0);
    };
    if *first == "…" {
        let mut counts = 0..=lines.len();
        return counts
            .find_map(|skipped| Some(skipped + matching(rest, &lines[skipped..], to_the_end)?));
    }
    let (line, behind) = lines.split_first()?;
    is_like(first.trim_end(), line.trim_end()).then_some(())?;
    Some(1 + matching(rest, behind, to_the_end)?)
}

fn is_like(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else {
        return expected == line;
    };
    let Some(behind) = line.strip_prefix(start) else {
        return false;
    };
    let places = behind.char_indices().map(|(place, _)| place);
    places
        .chain([behind.len()])
        .any(|place| is_like(rest, &behind[place..]))
}

/// That what this module accepts is what it should: a check of the checks, run before any of them.
pub(crate) fn assert_sound() {
    let lines = ["one", "two and a half", "three"];
    for (expected, is_right) in [
        (&["one", "two and a half", "three"][..], true),
        (&["one", "two…", "three"], true),
        (&["…", "three"], true),
        (&["one", "…"], true),
        (&["…e", "two … half", "th…"], true),
        (&["one", "two and a half"], false),
        (&["one", "two", "three"], false),
        (&["…", "two"], false),
        (&["one", "two … third", "three"], false),
        (&[], false),
    ] {
        assert_eq!(is_all(expected, &lines), is_right, "{expected:?}");
    }
    assert!(is_all(&["…", "one"], &["one", "two", "one"]));
    assert_eq!(at_start(&["one"], &lines), Some(1));
    assert_eq!(at_start(&["…", "two…"], &lines), Some(2));
}
