use super::super::extensions::{is_valid, parse_list};
use super::*;

fn parsed(list: &str) -> Option<Described> {
    let extensions: Result<Vec<_>, _> = parse_list(list.as_bytes()).collect();
    Some(describe(extensions.ok()?.into_iter()))
}

/// The naive twin: first cut into words, then read the words.
mod naive {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Word {
        Token(String),
        Quoted(String),
        Separator(char),
    }

    fn words(list: &str) -> Option<Vec<Word>> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let mut words = vec![];
        let mut chars = list.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                ' ' | '\t' => {}
                ',' | ';' | '=' => words.push(Word::Separator(c)),
                '"' => {
                    let mut text = String::new();
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => text.push(chars.next()?),
                            other => text.push(other),
                        }
                    }
                    if text.is_empty() || !text.chars().all(is_token) {
                        return None;
                    }
                    words.push(Word::Quoted(text));
                }
                c if is_token(c) => {
                    let mut text = String::from(c);
                    while let Some(c) = chars.next_if(|c| is_token(*c)) {
                        text.push(c);
                    }
                    words.push(Word::Token(text));
                }
                _ => return None,
            }
        }
        Some(words)
    }

    pub(super) fn parse(list: &str) -> Option<Described> {
        let words = words(list)?;
        let mut extensions = vec![];
        for element in words.split(|word| *word == Word::Separator(',')) {
            if element.is_empty() {
                continue;
            }
            let mut parts = element.split(|word| *word == Word::Separator(';'));
            let Some([Word::Token(name)]) = parts.next() else {
                return None;
            };
            let parameters = parts.map(|part| match part {
                [Word::Token(name)] => Some((name.clone(), None)),
                [
                    Word::Token(name),
                    Word::Separator('='),
                    Word::Token(value) | Word::Quoted(value),
                ] => Some((name.clone(), Some(value.clone()))),
                _ => None,
            });
            extensions.push((name.clone(), parameters.collect::<Option<_>>()?));
        }
        Some(extensions)
    }
}

/// A list that follows the grammar, in some spelling, with what it stands for.
fn lists() -> impl Strategy<Value = (String, Described)> {
    let space = "[ \t]{0,2}";
    let value = ("[a-z0-9]{1,3}", 0..4_u8).prop_map(|(value, spelling)| {
        let spelled = match spelling {
            0 => format!("\"{value}\""),
            1 => {
                let escaped: String = value.chars().map(|c| format!("\\{c}")).collect();
                format!("\"{escaped}\"")
            }
            _ => value.clone(),
        };
        (spelled, value)
    });
    let parameter = ("[a-z]{1,4}", prop::option::of(value), space, space).prop_map(
        |(name, value, before, behind)| match value {
            Some((spelled, value)) => {
                let text = format!("{name}{before}={behind}{spelled}");
                (text, (name, Some(value)))
            }
            None => (name.clone(), (name, None)),
        },
    );
    let parameters = prop::collection::vec((parameter, space, space), 0..4);
    let extension = ("[a-z-]{1,6}", parameters).prop_map(|(name, parameters)| {
        let mut text = name.clone();
        let mut described = vec![];
        for ((spelled, parameter), before, behind) in parameters {
            text.push_str(&format!("{before};{behind}{spelled}"));
            described.push(parameter);
        }
        (text, (name, described))
    });
    let separator = prop_oneof![3 => Just(", ".to_string()), 1 => "[ ]?,[ ,]{0,3}"];
    prop::collection::vec((extension, separator), 0..4).prop_map(|extensions| {
        let mut text = String::new();
        let mut described = vec![];
        for ((spelled, extension), separator) in extensions {
            text.push_str(&spelled);
            text.push_str(&separator);
            described.push(extension);
        }
        (text, described)
    })
}

proptest! {
    #[test]
    fn a_list_is_read_as_it_was_meant((text, described) in lists()) {
        prop_assert_eq!(parsed(&text), Some(described));
    }

    #[test]
    fn any_text_is_read_as_the_naive_twin_reads_it(text in "[ab1;;,==\"\"\\\\ \t(é]{0,14}") {
        prop_assert_eq!(parsed(&text), naive::parse(&text));
    }

    #[test]
    fn a_list_with_one_byte_changed_is_read_as_the_naive_twin_reads_it(
        (text, _) in lists(),
        place: Index,
        other in "[ab;,=\"\\\\ @]",
    ) {
        let mut text = text;
        if !text.is_empty() {
            let place = place.index(text.len());
            text.replace_range(place..=place, &other);
        }
        prop_assert_eq!(parsed(&text), naive::parse(&text));
    }
}

#[test]
fn the_offer_of_a_browser_is_read() {
    let offer = parsed("permessage-deflate; client_max_window_bits, x; a=\"1\\0\"").unwrap();
    let (deflate, x) = (&offer[0], &offer[1]);
    assert_eq!(deflate.0, "permessage-deflate");
    assert_eq!(deflate.1, [("client_max_window_bits".to_string(), None)]);
    assert_eq!(x.1, [("a".to_string(), Some("10".to_string()))]);
}

#[test]
fn a_value_equals_what_its_quoted_string_stands_for() {
    let extension = parse_list(b"x; a=\"1\\0\"; b=10").next().unwrap().unwrap();
    for parameter in extension.parameters() {
        assert!(parameter.value().unwrap() == "10");
        assert!(parameter.value().unwrap() != "1");
    }
    assert_eq!(extension.parameters().count(), 2);
}

#[test]
fn nothing_is_no_list_to_send() {
    for nothing in ["", " ", ",", ", ,"] {
        assert!(!is_valid(nothing), "{nothing:?}");
        assert_eq!(parsed(nothing), Some(vec![]));
    }
    assert!(is_valid("x"));
    assert!(!is_valid("x; y=\r\nInjected: 1"));
}
