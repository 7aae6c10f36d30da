//! What a person sees of a notification.

use core::fmt::Write as _;

use campanile_smol::client::Delivery;
use serde_json::Value;

/// Without the characters that a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}

/// On one line, byte for byte but for line breaks: they are white space, as strings have none
/// (RFC 8259, section 7).
pub(super) fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// In lines for a person: where it is from, and what it says.
pub(super) fn pretty(delivery: &Delivery, is_coloured: bool) -> String {
    let parsed: Value = serde_json::from_str(delivery.text()).unwrap_or_default();
    let notification = parsed.get("notification").unwrap_or(&Value::Null);
    let text = |name| {
        let value = notification.get(name)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Some(harmless(&text))
    };
    let [bold, dim, plain] = if is_coloured {
        ["\x1b[1m", "\x1b[2m", "\x1b[0m"]
    } else {
        [""; 3]
    };
    let (package, page) = (text("package"), text("page"));
    let mut shown = format!(
        "{bold}{}/{}{plain} {dim}{}{plain}\n",
        package.unwrap_or_default(),
        page.unwrap_or_default(),
        harmless(delivery.position()),
    );
    let values = notification
        .get("filters")
        .and_then(|filters| filters.get("values"));
    let values = values.map(|values| harmless(&values.to_string()));
    for (name, value) in [
        ("values", values),
        ("message", text("message")),
        ("data", text("data")),
    ] {
        if let Some(value) = value {
            let _ = writeln!(shown, "  {dim}{name}{plain} {value}"); // a String takes everything
        }
    }
    shown
}
