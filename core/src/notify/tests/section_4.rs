//! Each row of the protocol's table in section 4, each sentence after it, and where it is silent.

use super::{
    client_text, matches, members_match, notification, parse_default, prelude::*, publisher_text,
    subscriptions, values_match,
};

/// Ways of saying that a filter has no values, as members of a subscription or notification.
const NO_VALUES: [&str; 9] = [
    "",
    r#","filters":null"#,
    r#","filters":[]"#,
    r#","filters":{}"#,
    r#","filters":{"other":1}"#,
    r#","filters":{"values":null}"#,
    r#","filters":{"values":{}}"#,
    r#","filters":{"values":[]}"#,
    r#","filters":{"values":[ ]}"#,
];

fn publication(package: &str, page: &str) -> String {
    format!(r#"{{"sender":"server","notification":{{"package":{package},"page":{page}}}}}"#)
}

#[test]
fn package_and_page_must_be_equal() {
    let client = client_text("");
    let meets = |package, page| {
        matches(
            &subscriptions(&client),
            &notification(&publication(package, page)),
        )
    };
    assert!(meets(r#""p""#, r#""q""#));
    assert!(!meets(r#""P""#, r#""q""#));
    assert!(!meets(r#""p""#, r#""Q""#));
    assert!(!meets(r#""q""#, r#""p""#));
    assert!(!meets(r#""p ""#, r#""q""#));
    assert!(!meets(r#""""#, r#""q""#));
}

#[test]
fn package_and_page_are_compared_by_their_unescaped_bytes_without_normalisation() {
    let client = r#"{"sender":"client","subscriptions":[{"package":"caf\u00e9","page":"q"}]}"#;
    let meets = |package| {
        matches(
            &subscriptions(client),
            &notification(&publication(package, r#""q""#)),
        )
    };
    assert!(meets(r#""café""#));
    assert!(meets(r#""c\u0061f\u00E9""#));
    assert!(!meets(r#""cafe\u0301""#));
}

#[test]
fn a_subscription_without_values_matches_every_notification_of_its_page() {
    let published = [
        "2",
        r#""2""#,
        "false",
        r#"["2"]"#,
        r#"{"a":1}"#,
        r#"{"a":[]}"#,
        "true",
    ]
    .map(|values| format!(r#","filters":{{"values":{values}}}"#));
    for subscribed in NO_VALUES
        .into_iter()
        .chain([r#","filters":{"values":true}"#])
    {
        for values in &published {
            assert!(members_match(subscribed, values), "{subscribed} {values}");
        }
        for none in NO_VALUES {
            assert!(members_match(subscribed, none), "{subscribed} {none}");
        }
    }
}

#[test]
fn a_member_that_is_true_accepts_any_value() {
    for value in ["85.5", r#""x""#, "true", "false", "null", "[1]"] {
        assert!(
            values_match(r#"{"oee":true}"#, &format!(r#"{{"oee":{value}}}"#)),
            "{value}"
        );
    }
    assert!(!values_match(r#"{"oee":true}"#, r#"{"other":85.5}"#));
}

#[test]
fn a_member_that_is_an_array_accepts_each_of_its_scalars() {
    let subscribed = r#"{"a":["x",2,false,null]}"#;
    for value in [r#""x""#, "2", "false", "null"] {
        assert!(
            values_match(subscribed, &format!(r#"{{"a":{value}}}"#)),
            "{value}"
        );
    }
    for value in [r#""y""#, "3", "true", r#""null""#, "[]"] {
        assert!(
            !values_match(subscribed, &format!(r#"{{"a":{value}}}"#)),
            "{value}"
        );
    }
}

#[test]
fn a_member_that_is_an_empty_array_accepts_nothing() {
    for published in [
        r#"{"a":1}"#,
        r#"{"a":[]}"#,
        r#"{"a":[1]}"#,
        "1",
        r#"["1"]"#,
        "null",
        r#"{"b":1}"#,
    ] {
        assert!(!values_match(r#"{"a":[]}"#, published), "{published}");
    }
}

#[test]
fn a_member_that_is_a_scalar_accepts_an_equal_value() {
    for scalar in [r#""x""#, "2", "false", "null"] {
        let filter = format!(r#"{{"a":{scalar}}}"#);
        assert!(values_match(&filter, &filter));
        assert!(!values_match(&filter, r#"{"a":"other"}"#));
        assert!(!values_match(&filter, r#"{"a":true}"#));
    }
}

#[test]
fn true_inside_an_array_is_a_scalar_and_not_a_wildcard() {
    for subscribed in [r#"{"a":[true]}"#, "[true]"] {
        assert!(values_match(subscribed, r#"{"a":true}"#));
        assert!(values_match(subscribed, "true"));
        assert!(!values_match(subscribed, r#"{"a":1}"#));
        assert!(!values_match(subscribed, r#""true""#));
    }
}

#[test]
fn values_without_keys_in_a_subscription_are_one_constraint_without_a_key() {
    for subscribed in [r#""2""#, r#"["1","2"]"#, "2"] {
        assert!(values_match(subscribed, "2"), "{subscribed}");
        assert!(values_match(subscribed, r#"{"any":2}"#), "{subscribed}");
        assert!(
            values_match(subscribed, r#"{"other":"9","any":["8","2"]}"#),
            "{subscribed}"
        );
        assert!(!values_match(subscribed, r#"{"any":3}"#), "{subscribed}");
        assert!(!values_match(subscribed, r#"{"2":3}"#), "{subscribed}");
        assert!(!values_match(subscribed, "[3]"), "{subscribed}");
    }
    assert!(values_match("false", "false"));
    assert!(!values_match("false", "true"));
}

#[test]
fn values_by_key_must_have_every_constrained_key_with_an_accepted_value() {
    let subscribed = r#"{"a":"x","b":["y","z"],"c":true}"#;
    assert!(values_match(subscribed, r#"{"a":"x","b":"z","c":0}"#));
    assert!(!values_match(subscribed, r#"{"a":"x","b":"z"}"#));
    assert!(!values_match(subscribed, r#"{"a":"x","b":"x","c":0}"#));
    assert!(!values_match(subscribed, r#"{"a":"z","b":"x","c":"y"}"#));
}

#[test]
fn keys_that_no_constraint_names_do_not_matter() {
    assert!(values_match(
        r#"{"a":"x"}"#,
        r#"{"z":1,"a":"x","b":[],"c":null}"#
    ));
}

#[test]
fn keys_are_compared_by_their_unescaped_text() {
    assert!(values_match(r#"{"\u0061":"x"}"#, r#"{"a":"x"}"#));
    assert!(!values_match(r#"{"A":"x"}"#, r#"{"a":"x"}"#));
}

#[test]
fn a_scalar_in_a_notification_is_accepted_by_any_constraint_whatever_its_key() {
    assert!(values_match(r#"{"a":"x","b":"y"}"#, r#""x""#));
    assert!(values_match(r#"{"a":"x","b":"y"}"#, r#""y""#));
    assert!(!values_match(r#"{"a":"x","b":"y"}"#, r#""a""#));
    assert!(values_match(r#"{"a":"x","b":true}"#, r#""anything""#));
    assert!(values_match(r#"{"a":true}"#, "true"));
}

#[test]
fn values_without_keys_in_a_notification_are_met_when_one_of_them_is() {
    assert!(values_match(r#"{"a":"x","b":"y"}"#, r#"["n","y"]"#));
    assert!(values_match(r#"["x"]"#, r#"["n","x"]"#));
    assert!(!values_match(r#"{"a":"x","b":"y"}"#, r#"["n","m"]"#));
    assert!(values_match(r#"{"a":true}"#, "[null]"));
}

#[test]
fn an_array_in_a_notification_is_accepted_when_one_of_its_elements_is() {
    assert!(values_match(r#"{"a":["x","y"]}"#, r#"{"a":["n","y"]}"#));
    assert!(!values_match(r#"{"a":["x","y"]}"#, r#"{"a":["n","m"]}"#));
}

#[test]
fn an_empty_array_in_a_notification_has_no_element_that_even_a_wildcard_accepts() {
    assert!(!values_match(r#"{"a":true}"#, r#"{"a":[]}"#));
    assert!(!values_match(r#"["x"]"#, r#"{"a":[]}"#));
}

#[test]
fn a_notification_without_values_matches_only_subscriptions_without_constraints() {
    for published in NO_VALUES {
        for subscribed in [
            "2",
            r#"["2"]"#,
            "false",
            r#"{"a":true}"#,
            r#"{"a":null}"#,
            r#"{"a":[]}"#,
            "[null]",
        ] {
            let filters = format!(r#","filters":{{"values":{subscribed}}}"#);
            assert!(
                !members_match(&filters, published),
                "{subscribed} {published}"
            );
        }
    }
}

#[test]
fn strings_are_equal_by_their_unescaped_text() {
    assert!(values_match(r#""a\/b\u00e9\n""#, r#""a/b\u00E9\u000a""#));
    assert!(values_match(r#""\ud83d\ude00""#, r#""😀""#));
    assert!(!values_match(r#""x""#, r#""X""#));
    assert!(!values_match(r#""""#, r#"" ""#));
}

#[test]
fn numbers_are_equal_by_exact_decimal_value() {
    for number in [
        "2",
        "2.0",
        "2e0",
        "0.2e1",
        "20E-1",
        "200e-2",
        "2.000",
        "0.0002e+4",
    ] {
        assert!(
            values_match("2", number) && values_match(number, "2.0"),
            "{number}"
        );
    }
    for zero in [
        "0",
        "-0",
        "0.0",
        "-0.00e5",
        "0e99999999999999999999",
        "0e-99999999999999999999",
    ] {
        assert!(values_match("0", zero), "{zero}");
    }
    assert!(!values_match("9007199254740993", "9007199254740992"));
    assert!(!values_match("0.1", "0.1000000000000000055"));
    assert!(!values_match("2", "-2"));
}

#[test]
fn a_number_equals_the_string_that_is_its_plain_decimal_text() {
    for (string, number) in [
        (r#""2""#, "2"),
        (r#""2""#, "2.0"),
        (r#""85.5""#, "85.50"),
        (r#""1000""#, "1e3"),
        (r#""0.01""#, "1e-2"),
        (r#""-0.5""#, "-5e-1"),
        (r#""0""#, "-0"),
        (r#""\u0032""#, "2"),
    ] {
        assert!(
            values_match(string, number) && values_match(number, string),
            "{string} {number}"
        );
    }
    for (string, number) in [
        (r#""2.0""#, "2"),
        (r#""2.0""#, "2.0"),
        (r#"" 2""#, "2"),
        (r#""1e3""#, "1e3"),
        (r#"".01""#, "0.01"),
        (r#""-0""#, "0"),
    ] {
        assert!(
            !values_match(string, number) && !values_match(number, string),
            "{string} {number}"
        );
    }
}

#[test]
fn false_null_and_true_equal_only_themselves() {
    let scalars = [
        "false",
        "null",
        "true",
        r#""false""#,
        r#""null""#,
        r#""true""#,
        r#""""#,
        "0",
        "1",
    ];
    for (i, subscribed) in scalars.iter().enumerate() {
        for (j, published) in scalars.iter().enumerate() {
            let (subscribed, published) = (format!("[{subscribed}]"), format!("[{published}]"));
            assert_eq!(
                values_match(&subscribed, &published),
                i == j,
                "{subscribed} {published}"
            );
        }
    }
}

#[test]
fn a_nested_container_where_a_scalar_is_due_is_an_error_and_not_a_mismatch() {
    for values in [
        "[[]]",
        "[{}]",
        r#"{"a":{}}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a":1,"b":[{"c":1}]}"#,
    ] {
        let filters = format!(r#","filters":{{"values":{values}}}"#);
        for text in [client_text(&filters), publisher_text(&filters)] {
            assert!(parse_default(text.as_bytes()).is_err(), "{text}");
        }
    }
}

#[test]
fn example_a_list_of_channels_is_met_by_a_string_a_number_and_a_key() {
    let subscribed = r#"{"channel":["2","3","5"]}"#;
    assert!(values_match(subscribed, r#""2""#));
    assert!(values_match(subscribed, "2"));
    assert!(values_match(subscribed, r#"{"channel":"2"}"#));
    assert!(!values_match(subscribed, r#""4""#));
}

#[test]
fn example_a_wildcard_is_met_by_a_number() {
    assert!(values_match(r#"{"oee":true}"#, r#"{"oee":85.5}"#));
}

#[test]
fn example_two_constraints_need_both_keys() {
    let subscribed = r#"{"alertType":["fire"],"severity":["high","critical"]}"#;
    assert!(values_match(
        subscribed,
        r#"{"alertType":"fire","severity":"high"}"#
    ));
    assert!(!values_match(subscribed, r#"{"alertType":"fire"}"#));
}

#[test]
fn the_messages_of_sections_2_and_3_match() {
    let client = r#"{"sender":"client","subscriptions":[
  {"package":"amaiia_msg_srv","page":"messages",
   "filters":{"values":{"channel":["2","3","5"]}}}]}"#;
    let publisher = r#"{"sender":"server","notification":{
  "package":"amaiia_msg_srv","page":"messages",
  "filters":{"values":"2"},
  "data":{"messageId":"12345","channelId":"2"},
  "message":"Nouveau message reçu"}}"#;
    assert!(matches(&subscriptions(client), &notification(publisher)));
}

#[test]
fn of_duplicate_members_the_last_one_counts_at_every_level() {
    assert!(values_match(
        r#"{"a":"x","b":"n","\u0061":"y"}"#,
        r#"{"a":"y","b":"n"}"#
    ));
    assert!(!values_match(r#"{"a":"x","a":"y"}"#, r#"{"a":"x"}"#));
    assert!(values_match(r#"{"a":"y"}"#, r#"{"a":"x","a":"y"}"#));
    assert!(!values_match(r#"{"a":"x"}"#, r#"{"a":"x","a":"y"}"#));
    assert!(
        !values_match(r#"["x"]"#, r#"{"a":"x","\u0061":"y"}"#),
        "an overridden value is none"
    );
    let twice = r#","filters":{"values":"x","values":"y"}"#;
    assert!(members_match(twice, r#","filters":{"values":"y"}"#));
    assert!(!members_match(twice, r#","filters":{"values":"x"}"#));
    assert!(members_match(
        r#","filters":5,"filters":{"values":"y"}"#,
        r#","filters":{"values":"y"}"#
    ));
    assert!(!members_match(r#","page":"other""#, ""));
    assert!(members_match(
        r#","page":"other","package":7,"page":"q","package":"\u0070""#,
        ""
    ));
    let publisher = r#"{"sender":"client","notification":{},"notification":{"package":"p","page":"q"},"sender":"server"}"#;
    assert!(matches(
        &subscriptions(&client_text("")),
        &notification(publisher)
    ));
}

#[test]
fn equal_keys_may_be_repeated_in_both_filters_up_to_the_last_one() {
    let publisher = publisher_text(r#","filters":{"values":{"a":{},"a":[[]],"a":1e9999,"a":"x"}}"#);
    let client = client_text(r#","filters":{"values":{"a":{},"a":[[]],"a":1e9999,"a":"x"}}"#);
    assert!(matches(&subscriptions(&client), &notification(&publisher)));
}
