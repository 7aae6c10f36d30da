//! Who is believed and who may come: lists of proxies, of origins and of names, as they are configured.

use campanile_core::{
    handshake::OriginPattern,
    hub::Origins,
    proxy::{Field, Network},
};

use super::value::{Choice, Items, Named, Slot, Value};

/// Origins of pages.
pub(super) static ORIGINS: Items = Items {
    placeholder: "ORIGINS",
    allowed: "origins such as \"https://app.example.com\", \"https://*.example.com\" for all below it, \
              \"null\" and \"*\"",
    is_valid: |text| OriginPattern::parse(text).is_ok(),
};

/// Addresses of proxies.
pub(super) static NETWORKS: Items = Items {
    placeholder: "NETWORKS",
    allowed: "IP addresses and networks, such as \"10.0.0.0/8\" or \"::1\"; bits behind the prefix are zero",
    is_valid: |text| Network::parse(text).is_ok(),
};

/// Names of hosts.
pub(super) static NAMES: Items = Items {
    placeholder: "NAMES",
    allowed: "host names without a port, such as \"metrics.example.com\"",
    is_valid: |text| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        text.split('.')
            .all(|label| !label.is_empty() && label.bytes().all(is_part))
    },
};

/// Files.
pub(super) static FILES: Items = Items {
    placeholder: "FILES",
    allowed: "paths of files, without commas, quotation marks and backslashes",
    is_valid: is_plain,
};

/// What tokens may say.
pub(super) static CLAIMS: Items = Items {
    placeholder: "NAMES",
    allowed: "names, without commas, quotation marks and backslashes",
    is_valid: is_plain,
};

fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|char| char.is_control() || matches!(char, ',' | '"' | '\\'))
}

impl Slot for Origins {
    fn get(&self) -> Value {
        Value::List(self.iter().map(str::to_owned).collect())
    }

    fn set(&mut self, value: Value) {
        if let Value::List(items) = value {
            let mut origins = Self::default();
            // The setting takes no others.
            let _ = items.iter().try_for_each(|item| origins.add(item));
            *self = origins;
        }
    }
}

impl Slot for Vec<Network> {
    fn get(&self) -> Value {
        Value::List(self.iter().map(Network::to_string).collect())
    }

    fn set(&mut self, value: Value) {
        if let Value::List(items) = value {
            *self = items
                .iter()
                .filter_map(|item| Network::parse(item).ok())
                .collect();
        }
    }
}

impl Slot for Vec<String> {
    fn get(&self) -> Value {
        Value::List(self.clone())
    }

    fn set(&mut self, value: Value) {
        if let Value::List(items) = value {
            *self = items;
        }
    }
}

impl Named for Option<Field> {
    const PLACEHOLDER: &'static str = "FIELD";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            None,
            Choice {
                name: "off",
                help: "None: they are what they seem to be",
            },
        ),
        (
            Some(Field::Forwarded),
            Choice {
                name: "forwarded",
                help: "`Forwarded`, of RFC 7239",
            },
        ),
        (
            Some(Field::XForwardedFor),
            Choice {
                name: "x-forwarded-for",
                help: "`X-Forwarded-For`, which most send",
            },
        ),
    ];
}

/// Whether proxies speak the PROXY protocol.
impl Named for bool {
    const PLACEHOLDER: &'static str = "WHETHER";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            false,
            Choice {
                name: "off",
                help: "It is not looked for",
            },
        ),
        (
            true,
            Choice {
                name: "on",
                help: "Version 1 or 2 of it is required of every trusted address, and of no other",
            },
        ),
    ];
}
