//! Grants: the protocol, section 7.

use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    naive::{array_of, object_of},
    prelude::*,
};
use crate::notify::{
    ErrorCode, Grants, Limits, MAX_DEPTH, Notification, Refusal, Subscription, Values, covers,
    covers_keyed, matches,
};

/// What a subscription, grant or notification looks like with this package and these `values`.
fn target(package: &str, values: &str) -> String {
    format!(r#"{{"package":"{package}","page":"q","filters":{{"values":{values}}}}}"#)
}

fn grants(text: &str) -> Result<Grants<'_>, Refusal> {
    Grants::parse(text.as_bytes(), "subscribe", &Limits::default())
}

fn one_grant(grant: &str) -> String {
    format!("[{grant}]")
}

fn subscription(text: &str) -> Subscription<'_> {
    Subscription::parse(text.as_bytes(), &Limits::default()).expect("a subscription")
}

fn notification(text: &str) -> Notification<'_> {
    Notification::parse(text.as_bytes(), &Limits::default()).expect("a notification")
}

/// Whether a grant covers a subscription, both as whole objects.
fn covered(grant: &str, wanted: &str) -> bool {
    let list = one_grant(grant);
    let grants = grants(&list).expect("a grant");
    let grant = grants.iter().next().expect("as many as promised");
    let answer = covers(&grant, &subscription(wanted));
    assert_eq!(grants.cover(&subscription(wanted)), answer);
    answer
}

/// Whether a grant covers a subscription but for bare values, both as whole objects.
fn covered_keyed(grant: &str, wanted: &str) -> bool {
    let list = one_grant(grant);
    let grants = grants(&list).expect("a grant");
    let grant = grants.iter().next().expect("as many as promised");
    let answer = covers_keyed(&grant, &subscription(wanted));
    assert_eq!(grants.cover_keyed(&subscription(wanted)), answer);
    answer
}

/// Whether a grant covers a subscription that has these `values` where it has those.
fn values_covered(granted: &str, wanted: &str) -> bool {
    covered(&target("p", granted), &target("p", wanted))
}

fn admitted(grant: &str, published: &str) -> bool {
    let list = one_grant(grant);
    let grants = grants(&list).expect("a grant");
    let grant = grants.iter().next().expect("as many as promised");
    let answer = grant.admits(&notification(published));
    assert_eq!(grants.admit(&notification(published)), answer);
    answer
}

#[test]
fn a_star_grants_every_package_or_page() {
    let plant = r#"{"package":"plant","page":"alerts"}"#;
    for (grant, is_granted) in [
        (plant, true),
        (r#"{"package":"*","page":"alerts"}"#, true),
        (r#"{"package":"plant","page":"*"}"#, true),
        (r#"{"package":"*","page":"*"}"#, true),
        (r#"{"package":"\u002a","page":"*"}"#, true),
        (r#"{"package":"plant","page":"other"}"#, false),
        (r#"{"package":"other","page":"*"}"#, false),
        (r#"{"package":"*","page":"other"}"#, false),
        (r#"{"package":"pl*","page":"*"}"#, false),
        (r#"{"package":"**","page":"*"}"#, false),
        (r#"{"package":"","page":"*"}"#, false),
    ] {
        assert_eq!(covered(grant, plant), is_granted, "{grant}");
        assert_eq!(admitted(grant, plant), is_granted, "{grant}");
    }
}

#[test]
fn a_star_in_a_subscription_or_notification_is_a_name_like_others() {
    let star = r#"{"package":"*","page":"*"}"#;
    assert!(!covered(r#"{"package":"plant","page":"alerts"}"#, star));
    assert!(!admitted(r#"{"package":"plant","page":"alerts"}"#, star));
    assert!(covered(star, star));
    assert!(admitted(star, star));
}

#[test]
fn a_grant_without_constraints_covers_everything_of_its_page() {
    for granted in ["null", "{}", "[]", "true"] {
        for wanted in [
            "null",
            "true",
            "1",
            r#"["1"]"#,
            r#"{"a":true}"#,
            r#"{"a":[]}"#,
        ] {
            assert!(values_covered(granted, wanted), "{granted} {wanted}");
        }
    }
}

#[test]
fn a_subscription_without_constraints_is_covered_only_by_a_grant_without() {
    for granted in ["1", r#"{"a":true}"#, r#"{"a":[]}"#, "[true]"] {
        for wanted in ["null", "{}", "[]", "true"] {
            assert!(!values_covered(granted, wanted), "{granted} {wanted}");
        }
    }
}

#[test]
fn a_grant_with_values_covers_the_subscriptions_to_some_of_them() {
    let granted = r#"{"site":["north","east",3]}"#;
    for (wanted, is_granted) in [
        (r#"{"site":"north"}"#, true),
        (r#"{"site":["east","3.0",3.0]}"#, false),
        (r#"{"site":["east","3",3.0]}"#, true),
        (r#"{"site":["east","west"]}"#, false),
        (r#"{"site":true}"#, false),
        (r#"{"other":"north"}"#, false),
        (r#""north""#, false),
    ] {
        assert_eq!(values_covered(granted, wanted), is_granted, "{wanted}");
    }
    assert!(values_covered(r#"{"site":true}"#, r#"{"site":"west"}"#));
    assert!(values_covered(r#"{"site":true}"#, r#"{"site":true}"#));
}

#[test]
fn a_further_key_is_covered_only_where_its_values_alone_would_be() {
    let granted = r#"{"site":"north"}"#;
    // The notification `"high"` meets the subscription, and not the grant.
    assert!(!values_covered(
        granted,
        r#"{"site":"north","severity":"high"}"#
    ));
    assert!(values_covered(
        granted,
        r#"{"site":"north","other":"north"}"#
    ));
    assert!(values_covered(granted, r#"{"site":"north","other":[]}"#));
    let granted = r#"{"site":"north","severity":true}"#;
    assert!(values_covered(
        granted,
        r#"{"site":"north","severity":"high"}"#
    ));
    assert!(!values_covered(granted, r#"{"site":"north"}"#));
}

#[test]
fn but_for_bare_values_a_further_key_narrows_a_grant() {
    for (granted, wanted, is_granted) in [
        (
            r#"{"site":"north"}"#,
            r#"{"site":"north","severity":"high"}"#,
            true,
        ),
        (
            r#"{"site":"north"}"#,
            r#"{"site":"south","severity":"high"}"#,
            false,
        ),
        (r#"{"site":"north"}"#, r#"{"severity":"high"}"#, false),
        (r#"{"site":"north"}"#, "\"north\"", false),
        (r#"{"site":"north"}"#, "null", false),
        ("null", "null", true),
        // The notification has an "x" in any case, whatever else it has.
        (r#"["x","y"]"#, r#"{"a":"x","b":"z"}"#, true),
        (r#"["x","y"]"#, r#"{"a":"x","b":true}"#, true),
        (r#"["x","y"]"#, r#"{"a":["x","z"],"b":["y","z"]}"#, false),
        (r#"["x","y"]"#, r#"["x","z"]"#, false),
        // Only bare values meet these.
        (r#"{"b":"y"}"#, r#"{"a":[],"b":"x"}"#, true),
    ] {
        let [grant, wanted] = [granted, wanted].map(|values| target("p", values));
        assert_eq!(
            covered_keyed(&grant, &wanted),
            is_granted,
            "{grant} {wanted}"
        );
    }
}

#[test]
fn a_grant_without_keys_covers_what_accepts_no_other_values() {
    for (wanted, is_granted) in [
        (r#""x""#, true),
        (r#"["x","y"]"#, true),
        (r#"["x","z"]"#, false),
        (r#"{"a":"x"}"#, true),
        (r#"{"a":"x","b":"y"}"#, true),
        // A bare "z" meets it, though no notification with keys does that has no "x".
        (r#"{"a":"x","b":"z"}"#, false),
        (r#"{"a":"x","b":true}"#, false),
        (r#"{"a":"x","b":[]}"#, true),
    ] {
        assert_eq!(
            values_covered(r#"["x","y"]"#, wanted),
            is_granted,
            "{wanted}"
        );
    }
}

#[test]
fn a_subscription_without_keys_is_never_covered_by_a_grant_with_some() {
    for granted in [r#"{"a":"x"}"#, r#"{"a":true}"#, r#"{"a":true,"b":true}"#] {
        assert!(!values_covered(granted, r#""x""#), "{granted}");
    }
}

#[test]
fn true_is_within_no_list_of_values_and_a_listed_true_is_one_value() {
    assert!(!values_covered(r#"{"a":["x",true]}"#, r#"{"a":true}"#));
    assert!(!values_covered(
        r#"{"a":"x","b":true}"#,
        r#"{"a":true,"b":true}"#
    ));
    assert!(values_covered(r#"{"a":["x",true]}"#, r#"{"a":[true]}"#));
    assert!(values_covered(r#"{"a":true}"#, r#"{"a":[true]}"#));
    assert!(values_covered("[true]", r#"{"a":[true]}"#));
}

#[test]
fn a_subscription_that_nothing_can_meet_is_covered_by_every_grant() {
    for wanted in [r#"{"a":[]}"#, r#"{"a":[],"b":[]}"#] {
        for grant in [
            target("p", "1"),
            target("other", "null"),
            target("p", wanted),
        ] {
            assert!(covered(&grant, &target("p", wanted)), "{grant}");
        }
    }
    // A bare "x" meets this one.
    assert!(!values_covered(r#"{"b":"y"}"#, r#"{"a":[],"b":"x"}"#));
    assert!(values_covered(r#"{"c":"x"}"#, r#"{"a":[],"b":"x"}"#));
}

#[test]
fn of_duplicate_keys_the_last_one_counts_on_both_sides() {
    assert!(values_covered(r#"{"a":"x","a":"y"}"#, r#"{"a":"y"}"#));
    assert!(!values_covered(r#"{"a":"x","\u0061":"y"}"#, r#"{"a":"x"}"#));
    assert!(values_covered(r#"{"a":"y"}"#, r#"{"a":"x","a":"y"}"#));
    assert!(!values_covered(r#"{"a":"x"}"#, r#"{"a":"x","a":"y"}"#));
    assert!(!values_covered(
        r#"{"a":true,"a":"y"}"#,
        r#"{"a":"y","b":"z"}"#
    ));
    assert!(!values_covered(
        r#"{"a":true,"b":"z","a":"y"}"#,
        r#"{"a":"y","b":true}"#
    ));
}

#[test]
fn a_notification_may_be_published_when_it_meets_a_grant() {
    let grant = target("p", r#"{"site":["north","east"]}"#);
    assert!(admitted(
        &grant,
        &target("p", r#"{"site":"east","other":1}"#)
    ));
    assert!(admitted(&grant, &target("p", r#""east""#)));
    assert!(!admitted(&grant, &target("p", r#"{"site":"west"}"#)));
    assert!(!admitted(&grant, &target("p", "null")));
    assert!(!admitted(&grant, &target("other", r#"{"site":"east"}"#)));
}

#[test]
fn each_grant_allows_on_its_own() {
    let list = format!(
        "[ {} , {} ]\n",
        target("p", r#"{"a":"x"}"#),
        target("*", r#"{"a":"y"}"#)
    );
    let grants = grants(&list).expect("two grants");
    assert_eq!((grants.len(), grants.is_empty()), (2, false));
    assert_eq!(grants.iter().len(), 2);
    let covers = |wanted| grants.cover(&subscription(&target("p", wanted)));
    assert!(covers(r#"{"a":"x"}"#));
    assert!(covers(r#"{"a":"y"}"#));
    assert!(!covers(r#"{"a":["x","y"]}"#));
    let packages: Vec<String> = (&grants)
        .into_iter()
        .map(|grant| grant.package().to_string())
        .collect();
    assert_eq!(packages, ["p", "*"]);
}

#[test]
fn no_grants_allow_nothing() {
    for none in [Grants::default(), grants(" [ ] ").expect("none")] {
        assert!(none.is_empty());
        assert!(!none.cover(&subscription(&target("p", r#"{"a":[]}"#))));
        assert!(!none.admit(&notification(&target("p", "1"))));
    }
}

#[test]
fn a_bad_claim_is_refused_by_its_name_as_a_bad_token() {
    for (text, path, message) in [
        (
            "",
            "publish",
            "publish is no strict RFC 8259 array (byte 0: expected an array); correct it",
        ),
        (
            "{}",
            "publish",
            "publish is no strict RFC 8259 array (byte 0: expected an array); correct it",
        ),
        (
            "null",
            "publish",
            "publish is no strict RFC 8259 array (byte 0: expected an array); correct it",
        ),
        (
            "\u{FEFF}[]",
            "publish",
            "publish is no strict RFC 8259 array (byte 0: a byte order mark is not allowed); correct it",
        ),
        (
            "[1,]",
            "publish",
            "publish is no strict RFC 8259 array (byte 3: expected a value); correct it",
        ),
        (
            "[] []",
            "publish",
            "publish is no strict RFC 8259 array (byte 3: expected the end of the text); correct it",
        ),
        (
            "[5]",
            "publish[0]",
            "publish[0] has the wrong type; it must be an object",
        ),
        (
            r#"[{"package":"*"}]"#,
            "publish[0].page",
            "publish[0].page is missing; it must be a string",
        ),
        (
            r#"[{"package":"*","page":"*"},{"package":"*","page":true}]"#,
            "publish[1].page",
            "publish[1].page has the wrong type; it must be a string",
        ),
        (
            r#"[{"package":"*","page":"*","filters":{"values":{"a":[{}]}}}]"#,
            "publish[0].filters.values.a[0]",
            "publish[0].filters.values.a[0] has the wrong type; it must be a string, number, boolean or null",
        ),
    ] {
        let refusal = Grants::parse(text.as_bytes(), "publish", &Limits::default());
        let refusal = refusal.expect_err("a bad claim");
        assert_eq!(refusal.code(), ErrorCode::Unauthorized, "{text}");
        assert_eq!(refusal.path(), path, "{text}");
        assert_eq!(refusal.to_string(), message, "{text}");
        assert!(!refusal.from_publisher());
    }
}

#[test]
fn a_claim_may_be_nested_as_deeply_as_a_message() {
    let max = MAX_DEPTH as usize;
    // The claim's array and the grant's object are two levels.
    for (levels, is_too_deep) in [(max - 2, false), (max - 1, true)] {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let text = format!(r#"[{{"package":"p","page":"q","ignored":{open}{close}}}]"#);
        let refusal = grants(&text).err().map(|refusal| refusal.to_string());
        let says_so = |text: String| text.contains("more than 128 nested");
        assert_eq!(refusal.is_some_and(says_so), is_too_deep, "{levels}");
    }
}

#[test]
fn claims_have_the_limits_of_subscriptions() {
    let limits = Limits {
        subscriptions: 2,
        constraints: 2,
        keys: 1,
        values: 3,
    };
    for (text, path) in [
        (vec![target("p", "1"); 2], None),
        (vec![target("p", "1"); 3], Some("subscribe")),
        (vec![target("p", r#"{"a":1,"b":2}"#)], None),
        (
            vec![target("p", r#"{"a":1,"b":2,"c":3}"#)],
            Some("subscribe[0].filters.values"),
        ),
        (vec![target("p", "[1,2,3]")], None),
        (
            vec![target("p", "[1,2,3,4]")],
            Some("subscribe[0].filters.values"),
        ),
    ] {
        let text = format!("[{}]", text.join(","));
        let refusal = Grants::parse(text.as_bytes(), "subscribe", &limits).err();
        assert_eq!(refusal.as_ref().map(Refusal::path), path, "{text}");
        assert!(refusal.is_none_or(|refusal| refusal.code() == ErrorCode::Unauthorized));
    }
}

#[test]
fn a_lone_subscription_or_notification_is_read_as_in_a_message_and_its_paths_begin_with_it() {
    let limits = Limits {
        constraints: 1,
        keys: 2,
        ..Limits::default()
    };
    for (text, subscribing, publishing) in [
        (" {\"package\":\"p\",\"page\":\"q\"}\r\n", "", ""),
        ("[]", "byte 0", "byte 0"),
        ("{} {}", "byte 3", "byte 3"),
        ("{}", "package is missing", "package is missing"),
        (r#"{"package":"p","page":7}"#, "page has", "page has"),
        (
            &target("p", r#"{"a":1,"b":2}"#),
            "filters.values has more than 1 keys",
            "",
        ),
        (&target("p", "[true]"), "", ""),
        (
            &target("p", "[[1]]"),
            "filters.values[0] has",
            "filters.values[0] has",
        ),
    ] {
        let subscribed = Subscription::parse(text.as_bytes(), &limits).map(|_| ());
        let published = Notification::parse(text.as_bytes(), &limits).map(|_| ());
        for (verdict, expected) in [(subscribed, subscribing), (published, publishing)] {
            let said = verdict
                .err()
                .map_or_else(String::new, |refusal| refusal.to_string());
            assert!(said.starts_with(expected), "{text}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said}");
        }
    }
    let everything = target("p", "true");
    assert_eq!(subscription(&everything).constraints().count(), 0);
    let bare = target("p", "true");
    assert!(matches(&subscription(&everything), &notification(&bare)));
    assert!(!matches(
        &subscription(&target("p", "false")),
        &notification(&bare)
    ));
}

/// Scalars of three values.
fn scalar_token() -> impl Strategy<Value = String> {
    select(&["1", r#""1""#, "2", "20e-1", "true"][..]).prop_map(str::to_owned)
}

/// `values` of any form, with those scalars and the keys `a` and `b`.
fn values_token() -> impl Strategy<Value = String> {
    let key = || select(&[r#""a""#, r#""\u0061""#, r#""b""#][..]).prop_map(str::to_owned);
    let by_key = prop_oneof![
        4 => scalar_token(),
        4 => array_of(scalar_token(), 4),
        3 => Just("true".to_owned()),
        1 => Just("[]".to_owned()),
    ];
    prop_oneof![
        1 => select(&["null", "{}", "true"][..]).prop_map(str::to_owned),
        3 => scalar_token(),
        3 => array_of(scalar_token(), 4),
        12 => object_of((key(), by_key), 3),
    ]
}

/// Subscriptions to one of two packages.
fn wanted_token() -> impl Strategy<Value = String> {
    (select(&["p", "p", "p", "*"][..]), values_token())
        .prop_map(|(package, values)| target(package, &values))
}

fn granted_token() -> impl Strategy<Value = String> {
    (select(&["p", "p", "p", "*", "o"][..]), values_token())
        .prop_map(|(package, values)| target(package, &values))
}

/// Notifications among which there is one that meets the subscription and not the grant, if there
/// is one at all, for subscriptions and grants with keys `a` and `b` and the values of
/// [`scalar_token`].
///
/// That is so because of what [`covers`] says is needed: no values; one bare value, accepted or not
/// named by either; at most one value for each key of the subscription; a value under a key that
/// neither names.
fn universe(package: &str) -> Vec<String> {
    let scalars = ["1", "2", "true", r#""x""#];
    let by_key = |key: &str| -> Vec<String> {
        let members = scalars.iter().map(|scalar| format!("{key}:{scalar},"));
        members.chain([String::new()]).collect()
    };
    let mut all: Vec<String> = scalars.iter().map(|scalar| format!("[{scalar}]")).collect();
    for a in by_key(r#""a""#) {
        for b in by_key(r#""b""#) {
            for c in by_key(r#""c""#) {
                let members = format!("{a}{b}{c}");
                all.push(format!("{{{}}}", members.trim_end_matches(',')));
            }
        }
    }
    all.iter().map(|values| target(package, values)).collect()
}

/// The definition in section 7, over all of the universe, or those in it without bare values.
fn naive_covers(grant: &str, wanted: &str, with_bare: bool) -> bool {
    let (list, wanted) = (one_grant(grant), subscription(wanted));
    let grants = grants(&list).expect("a grant");
    universe(&wanted.package().to_string()).iter().all(|text| {
        let notification = notification(text);
        let is_bare = matches!(notification.values(), Values::Unkeyed(_));
        !matches(&wanted, &notification) || grants.admit(&notification) || (is_bare && !with_bare)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_grant_covers_exactly_what_has_no_counter_example(grant in granted_token(), wanted in wanted_token()) {
        prop_assert_eq!(covered(&grant, &wanted), naive_covers(&grant, &wanted, true));
        prop_assert_eq!(covered_keyed(&grant, &wanted), naive_covers(&grant, &wanted, false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_meets_a_covered_subscription_meets_the_grant(
        grant in granted_token(),
        wanted in wanted_token(),
        published in wanted_token(),
    ) {
        let meets = matches(&subscription(&wanted), &notification(&published));
        if meets && covered(&grant, &wanted) {
            prop_assert!(admitted(&grant, &published));
        }
        let news = notification(&published);
        let is_bare = matches!(news.values(), Values::Unkeyed(_));
        if meets && !is_bare && covered_keyed(&grant, &wanted) {
            prop_assert!(admitted(&grant, &published));
        }
    }

    #[test]
    fn a_grant_admits_what_a_subscription_of_its_form_matches(
        granted in values_token(),
        published in values_token(),
    ) {
        let (grant, published) = (target("p", &granted), target("p", &published));
        prop_assert_eq!(
            admitted(&grant, &published),
            matches(&subscription(&grant), &notification(&published))
        );
    }
}

#[test]
fn the_generated_grants_often_cover_and_often_do_not() {
    let mut runner = TestRunner::deterministic();
    let strategy = (granted_token(), wanted_token());
    let (mut count, mut narrower) = (0, 0);
    for _ in 0..1000 {
        let (grant, wanted) = strategy.new_tree(&mut runner).expect("a case").current();
        let is_covered = covered(&grant, &wanted);
        count += usize::from(is_covered);
        narrower += usize::from(!is_covered && covered_keyed(&grant, &wanted));
    }
    assert!((100..900).contains(&count), "{count} of 1000 are covered");
    assert!(narrower > 20, "{narrower} of 1000 are narrower");
}
