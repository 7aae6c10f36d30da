//! Prints what the core makes of every stream, one a line, for implementations in other languages:
//! name, role, bytes, the lengths of the pieces, what was heard, how it ended, the rule that was
//! broken, and how many bytes had to come for that; with tabs between them, and with bytes in
//! hexadecimal digits.

use std::io::{self, BufWriter, Write};

use campanile_core::wire::Kind;
use campanile_differential::{End, Heard, Ours, Stream, ours, streams};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for stream in streams() {
        let Ours {
            outcome, violation, ..
        } = ours(&stream);
        // Byte by byte, the count is exact.
        let byte_by_byte = Stream {
            pieces: vec![1],
            ..stream.clone()
        };
        let bytes = ours(&byte_by_byte).bytes;
        let role = if stream.is_server { "server" } else { "client" };
        let pieces: Vec<String> = stream.pieces.iter().map(usize::to_string).collect();
        let heard: Vec<String> = outcome.heard.iter().map(heard).collect();
        let end = match outcome.end {
            End::Open => "open".into(),
            End::Closed(None) => "closed".into(),
            End::Closed(Some(code)) => format!("closed {code}"),
            End::Failed(code) => format!("failed {code}"),
        };
        let rule = violation.map_or_else(|| "-".into(), |violation| format!("{violation:?}"));
        writeln!(
            out,
            "{}\t{role}\t{}\t{}\t{}\t{end}\t{rule}\t{bytes}",
            stream.name,
            hex(&stream.bytes),
            pieces.join(","),
            heard.join(","),
        )?;
    }
    out.flush()
}

fn heard(one: &Heard) -> String {
    let (kind, bytes) = match one {
        Heard::Message(Kind::Text, bytes) => ("text", bytes),
        Heard::Message(Kind::Binary, bytes) => ("binary", bytes),
        Heard::Ping(bytes) => ("ping", bytes),
        Heard::Pong(bytes) => ("pong", bytes),
    };
    format!("{kind}:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
