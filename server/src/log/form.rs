//! How an event is written.

use core::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// How an event is written: for people, or as a JSON object.
pub(super) enum Form {
    Text(Format<Full>),
    Json,
}

impl Form {
    /// For people.
    pub(super) fn text() -> Self {
        Self::Text(Format::default().with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Self::Text(format) => format.format_event(context, writer, event),
            Self::Json => {
                let mut visitor = Members::default();
                event.record(&mut visitor);
                let level = event.metadata().level().as_str().to_ascii_lowercase();
                writer.write_str("{\"time\":\"")?;
                SystemTime.format_time(&mut writer)?;
                let Members { event, others } = visitor;
                writeln!(
                    writer,
                    "\",\"level\":\"{level}\",\"event\":{event}{others}}}"
                )
            }
        }
    }
}

/// The members of a JSON object.
struct Members {
    /// The name of the event.
    event: String,
    /// All others, each with a comma in front.
    others: String,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            event: "\"\"".to_owned(),
            others: String::new(),
        }
    }
}

impl Members {
    fn add(&mut self, field: &Field, value: &dyn fmt::Display) {
        if field.name() == "message" {
            self.event = value.to_string();
            return;
        }
        // A String takes everything; names are ours, and need no escapes.
        let _ = write!(self.others, ",\"{}\":{value}", field.name());
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        self.add(field, &serde_json::Value::from(text));
    }
}

impl Visit for Members {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &format!("{value:?}"));
    }
}
