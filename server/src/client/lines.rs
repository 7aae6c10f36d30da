//! The notifications to publish, one after the other.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use serde_json::{Map, Value, json};
use smol::{
    Unblock,
    io::{AsyncBufReadExt as _, BufReader, Lines as ReadLines},
    stream::StreamExt as _,
};

use super::{Failure, PublishArguments};

/// Where the notifications come from.
pub(super) enum Source {
    /// The command line has one, which is taken.
    One(Option<String>),
    Lines(ReadLines<BufReader<Unblock<Box<dyn Read + Send>>>>),
}

impl Source {
    pub(super) fn new(arguments: &PublishArguments) -> Result<Self, Failure> {
        let wrong = |reason: String| Err(Failure::Arguments(reason));
        if arguments.package.is_some() {
            return Ok(Self::One(Some(notification(arguments)?)));
        }
        let path = arguments
            .file
            .as_deref()
            .filter(|path| *path != Path::new("-"));
        let input: Box<dyn Read + Send> = match path {
            Some(path) => match File::open(path) {
                Ok(file) => Box::new(file),
                Err(error) => {
                    return wrong(format!(
                        "{} cannot be read: {error}; name a file with a notification on each line",
                        path.display()
                    ));
                }
            },
            None if arguments.file.is_none() && io::stdin().is_terminal() => {
                return wrong(
                    "nothing to publish: give --package and --page, a file, or - for standard input"
                        .to_owned(),
                );
            }
            None => Box::new(io::stdin()),
        };
        Ok(Self::Lines(BufReader::new(Unblock::new(input)).lines()))
    }

    /// Whether there may be more than one.
    pub(super) const fn is_many(&self) -> bool {
        matches!(self, Self::Lines(_))
    }

    /// The next line; nothing at the end. It may be dropped in the middle and asked again.
    pub(super) async fn next(&mut self) -> Option<io::Result<String>> {
        match self {
            Self::One(line) => line.take().map(Ok),
            Self::Lines(lines) => lines.next().await,
        }
    }
}

/// The JSON of the notification that the command line describes.
fn notification(arguments: &PublishArguments) -> Result<String, Failure> {
    let mut members = Map::new();
    let text = |text: &Option<String>| Value::from(text.as_deref().unwrap_or_default());
    members.insert("package".to_owned(), text(&arguments.package));
    members.insert("page".to_owned(), text(&arguments.page));
    if !arguments.values.is_empty() {
        let values = values(&arguments.values)?;
        members.insert("filters".to_owned(), json!({ "values": values }));
    }
    if let Some(data) = &arguments.data {
        let data = serde_json::from_str(data).map_err(|error| {
            Failure::Arguments(format!(
                "--data is no JSON text: {error}; a text needs quotes"
            ))
        })?;
        members.insert("data".to_owned(), data);
    }
    if let Some(message) = &arguments.message {
        members.insert("message".to_owned(), Value::from(&**message));
    }
    Ok(Value::Object(members).to_string())
}

/// `KEY=VALUE`s as an object of texts, or the one JSON text.
fn values(texts: &[String]) -> Result<Value, Failure> {
    if let [only] = texts
        && let Ok(value) = serde_json::from_str(only)
    {
        return Ok(value);
    }
    let pairs: Option<Map<String, Value>> = texts
        .iter()
        .map(|text| {
            let (key, value) = text.split_once('=')?;
            Some((key.to_owned(), Value::from(value)))
        })
        .collect();
    pairs.map(Value::Object).ok_or_else(|| {
        Failure::Arguments(
            "--values takes KEY=VALUE, as often as there are keys, or one JSON text".to_owned(),
        )
    })
}
