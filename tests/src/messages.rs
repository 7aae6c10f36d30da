//! What the tests subscribe to and publish.

/// The subscription of the protocol's section 2, on one line.
pub const SUBSCRIPTION: &str = include_str!("../clients/subscription.json");

/// The notification of the protocol's section 3.
pub const PLAIN: &str = include_str!("../clients/notification.json");

/// A notification for the same subscription with everything in it that a reader or writer on the way
/// could be tempted to tidy up.
pub const PECULIAR: &str = "\r\n\t{ \"sender\" :\"server\" ,\"type\":\"x\",\n \"notification\": \
    {\"page\":\"messages\",\"package\":\"amaiia_msg_srv\" , \"filters\":{\"values\":{\"channel\":[1,5.0]}},\
    \"data\":{\"b\":1.0,\"a\":9007199254740993,\"b\":1e2}, \
    \"message\":\"re\\u00e7u reçu e\u{301} \u{1f514} \u{feff}\u{2028} \\/ \\ud83d\\udd14\" } }  \n";

/// A notification for another channel.
pub const ELSEWHERE: &str = r#"{"sender":"server","notification":{"package":"amaiia_msg_srv","page":"messages","filters":{"values":"4"}}}"#;
