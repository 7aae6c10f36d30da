//! What a subscriber has, told again; that it means the same is asked of every set by the [`twins`](super::twins).

use super::*;

/// What is said of somebody with these subscriptions.
fn told(limits: IndexLimits, set: &[&str]) -> String {
    let mut index = index_with(limits, u64::MAX);
    let set: Vec<String> = set.iter().map(|values| target(values)).collect();
    assert!(try_replace(&mut index, 3, &set));
    let (text, is_all) = describe(&index, 3, usize::MAX);
    assert!(is_all);
    text
}

#[test]
fn a_subscription_is_told_as_it_was_written_but_for_numbers_and_the_order_of_values() {
    for (limits, written) in [
        (IndexLimits::default(), r#"{"a":"x","b":["y"]}"#),
        (IndexLimits::default(), r#"{"a":true}"#),
        (IndexLimits::default(), r#"{"a":[true]}"#),
        (IndexLimits::default(), r#"[null]"#),
        (
            IndexLimits::default(),
            r#"{"a":["x"],"":true,"\u0022\u000a":[false]}"#,
        ),
        (all_limits()[2], r#"{"a":"x"}"#),
        (all_limits()[2], r#"{"a":"x","b":true}"#),
        (all_limits()[3], r#"{"a":"x"}"#),
        (all_limits()[3], r#""x""#),
    ] {
        let text = told(limits, &[written]);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let expected = target(
            &written
                .replace(r#"["y"]"#, r#""y""#)
                .replace(r#"["x"]"#, r#""x""#),
        );
        assert_eq!(read(&text), read(&format!("[{expected}]")), "{written}");
    }
    assert_eq!(
        told(IndexLimits::default(), &[r#"{"a":20.0}"#]),
        format!("[{}]", target(r#"{"a":"20"}"#))
    );
    let zeros = "0".repeat(50);
    assert_eq!(
        told(IndexLimits::default(), &[r#"{"a":1e50}"#]),
        format!("[{}]", target(&format!(r#"{{"a":"1{zeros}"}}"#)))
    );
}

#[test]
fn lists_that_multiplied_are_lists_again() {
    let text = told(
        IndexLimits::default(),
        &[r#"{"a":["1","2","3"],"b":["4","5"],"c":["6","7"]}"#],
    );
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let values = &told[0]["filters"]["values"];
    assert_eq!(told.as_array().expect("a list").len(), 1, "{text}");
    for (key, count) in [("a", 3), ("b", 2), ("c", 2)] {
        assert_eq!(
            values[key].as_array().expect("a list").len(),
            count,
            "{text}"
        );
    }
}

#[test]
fn what_is_too_long_is_left_out_subscription_by_subscription() {
    let mut index = index_with(IndexLimits::default(), u64::MAX);
    let set: Vec<String> = (0..9)
        .map(|n| target(&format!(r#"{{"k{n}":"v"}}"#)))
        .collect();
    assert!(try_replace(&mut index, 0, &set));
    let (all, _) = describe(&index, 0, usize::MAX);
    let mut seen = 0;
    for limit in 2..=all.len() {
        let (text, is_all) = describe(&index, 0, limit);
        assert!(text.len() <= limit);
        assert_eq!(is_all, limit == all.len());
        let list = Subscriptions::parse_array(text.as_bytes(), &NO_LIMITS).expect("subscriptions");
        assert!(list.len() >= seen, "it grows");
        seen = list.len();
    }
    assert_eq!(seen, 9);
    assert_eq!(index.subscriptions_of(0), 9);
    assert_eq!(describe(&index, 7, 2), ("[]".to_string(), true), "nobody");
}
