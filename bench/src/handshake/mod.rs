//! How fast an opening handshake is done, from the peer's bytes to ours.

mod ours;
mod peers;

use core::hint::black_box;

use tungstenite::handshake::derive_accept_key;

use crate::{
    Column, Options, Pieces, Side, Table, WHOLE,
    harness::{Subject, add_row},
};

/// What a browser sends through a proxy; its key is that of RFC 6455 section 1.3.
const REQUEST: &str = "GET /notifications?lang=fr HTTP/1.1\r\n\
    Host: app.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: */*\r\n\
    Accept-Language: fr-FR,fr;q=0.8,en-US;q=0.5,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Origin: https://app.example.com\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    X-Forwarded-For: 203.0.113.7\r\n\r\n";

/// The nonce of RFC 6455 section 1.3, and what becomes of it.
const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Where the random source of tokio-websockets, which lets nobody choose the key, is set back to.
const SEED: u64 = 7;

const HOST: &str = "example.com";
const PATH: &str = "/notifications";
const URI: &str = "ws://example.com/notifications";

/// Every head fits, whoever wrote it.
const ROOM: usize = 1024;

/// What a transport gives at once: all of a head, or as little as a slow link does.
const PIECES: [usize; 2] = [WHOLE, 100];

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// A server reads a request and answers.
    Serve,
    /// A client draws a key and writes its request.
    Request,
    /// A client, its key fixed, writes its request and checks the answer.
    Connect,
}

impl Task {
    const ALL: [Self; 3] = [Self::Serve, Self::Request, Self::Connect];

    const fn title(self) -> &'static str {
        match self {
            Self::Serve => "Opening handshake, a server",
            Self::Request => "Opening handshake, a client's request alone",
            Self::Connect => "Opening handshake, a client",
        }
    }

    /// Those that can do it, in the order of the table's columns.
    const fn candidates(self) -> &'static [Candidate] {
        use Side::{Judged, Peer, Reference};
        match self {
            Self::Serve => &[
                Candidate("core", Judged, ours::core_server),
                Candidate("std", Reference, ours::std_server),
                Candidate("tungstenite", Peer, peers::tungstenite_server),
                Candidate("tokio-websockets", Peer, peers::tokio_websockets_server),
                Candidate("soketto", Peer, peers::soketto_server),
                Candidate("ws-net", Peer, peers::ws_net_server),
                Candidate("embedded-websocket", Peer, peers::embedded_websocket_server),
            ],
            Self::Request => &[
                Candidate("core", Judged, ours::core_request),
                Candidate("tungstenite", Peer, peers::tungstenite_request),
                Candidate("ws-net", Peer, peers::ws_net_request),
                Candidate(
                    "embedded-websocket",
                    Peer,
                    peers::embedded_websocket_request,
                ),
            ],
            Self::Connect => &[
                Candidate("core", Judged, ours::core_client),
                Candidate("tungstenite", Peer, peers::tungstenite_client),
                Candidate("tokio-websockets", Peer, peers::tokio_websockets_client),
                Candidate("ws-net", Peer, peers::ws_net_client),
                Candidate("embedded-websocket", Peer, peers::embedded_websocket_client),
            ],
        }
    }

    /// Whether `candidate` leaves out checks that RFC 6455 asks for: a server of `Connection` and
    /// the version, a client of `Connection` and `Upgrade`.
    fn is_lax(self, candidate: Candidate) -> bool {
        match self {
            Self::Serve => candidate.0 == "embedded-websocket",
            Self::Request => false,
            Self::Connect => matches!(candidate.0, "embedded-websocket" | "tokio-websockets"),
        }
    }

    /// What `candidate` hears.
    fn incoming(self, candidate: Candidate) -> Vec<u8> {
        match self {
            Self::Serve => REQUEST.as_bytes().to_vec(),
            Self::Request => Vec::new(),
            Self::Connect => {
                // It asks, is not answered, and gives up.
                let (_, request) = candidate.keeping(&[], WHOLE);
                let key = field(&request, "Sec-WebSocket-Key").unwrap_or_default();
                response(&derive_accept_key(key.as_bytes()))
            }
        }
    }
}

/// What a server says.
fn response(accept: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\n\
         Server: nginx\r\n\
         Date: Mon, 01 Jun 2026 12:00:00 GMT\r\n\
         Connection: upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    head.into_bytes()
}

/// The value of the first field of this name; simple, for heads that are known.
fn field(head: &[u8], name: &str) -> Option<String> {
    let head = str::from_utf8(head).ok()?;
    let fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let mut values = fields.filter(|(given, _)| given.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.to_owned())
}

/// A way through a handshake: its name, what it is to the comparison, and how it goes. It answers
/// whether it is done.
#[derive(Clone, Copy, Debug)]
struct Candidate(&'static str, Side, fn(&mut Pieces<'_>) -> bool);

impl Candidate {
    /// The result, and what was written.
    fn keeping(self, incoming: &[u8], piece: usize) -> (bool, Vec<u8>) {
        let Self(_, _, run) = self;
        let mut stream = Pieces::keeping(incoming, piece);
        let done = run(&mut stream);
        (done, stream.kept().to_vec())
    }

    /// Does `times` handshakes.
    fn time(self, incoming: &[u8], piece: usize, times: usize) {
        let Self(_, _, run) = self;
        for _ in 0..times {
            let mut stream = Pieces::new(black_box(incoming), piece);
            black_box(run(&mut stream));
            black_box(stream.written());
        }
    }
}

/// Measures, or runs the one candidate that `options` ask for.
///
/// # Errors
/// A candidate whose answers are wrong.
pub fn handshake(options: &Options) -> Result<Vec<Table>, String> {
    let units = if options.quick { 20 } else { 1000 };
    let mut tables = Vec::new();
    for task in Task::ALL {
        let candidates = task.candidates();
        let columns = candidates.iter();
        let columns = columns.map(|&Candidate(name, side, _)| Column { name, side });
        let mut table = Table::new(task.title().to_owned(), columns.collect());
        let incoming: Vec<_> = candidates.iter().map(|&one| task.incoming(one)).collect();
        let heard: Vec<_> = candidates.iter().copied().zip(&incoming).collect();
        for piece in PIECES {
            if !options.wants("", 0, Some(piece)) || (task == Task::Request && piece != WHOLE) {
                continue;
            }
            let label = if piece == WHOLE {
                "at once".to_owned()
            } else {
                format!("in pieces of {piece} B")
            };
            agree(task, &heard, piece).map_err(|why| format!("{}: {why}", task.title()))?;
            add_row(
                &mut table,
                options,
                Subject {
                    label,
                    len: 0,
                    units,
                },
                &heard,
                |(candidate, _)| task.is_lax(candidate),
                |(candidate, incoming)| candidate.time(incoming, piece, units),
            );
        }
        tables.push(table);
    }
    Ok(tables)
}

/// Whether every candidate does its part, and says what it must.
fn agree(task: Task, heard: &[(Candidate, &Vec<u8>)], piece: usize) -> Result<(), String> {
    for (candidate, incoming) in heard {
        let (done, said) = candidate.keeping(incoming, piece);
        let musts: &[(&str, &str)] = match task {
            Task::Serve => &[("Upgrade", "websocket"), ("Sec-WebSocket-Accept", ACCEPT)],
            Task::Request | Task::Connect => &[
                ("Host", HOST),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
            ],
        };
        let start = match task {
            Task::Serve => "HTTP/1.1 101 ".to_owned(),
            Task::Request | Task::Connect => format!("GET {PATH} HTTP/1.1\r\n"),
        };
        let upgrades = field(&said, "Connection")
            .is_some_and(|connection| connection.eq_ignore_ascii_case("upgrade"));
        let key = field(&said, "Sec-WebSocket-Key").map_or(0, |key| key.len());
        let says = |(name, value): &(&str, &str)| field(&said, name).as_deref() == Some(*value);
        if !done
            || !said.starts_with(start.as_bytes())
            || !said.ends_with(b"\r\n\r\n")
            || !upgrades
            || !musts.iter().all(says)
            || (task != Task::Serve && key != KEY.len())
        {
            let said = String::from_utf8_lossy(&said);
            return Err(format!("{}: {done} with {said:?}", candidate.0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(task: Task, incoming: &[Vec<u8>]) -> Vec<(Candidate, &Vec<u8>)> {
        task.candidates().iter().copied().zip(incoming).collect()
    }

    #[test]
    fn all_candidates_open_the_connection() {
        for task in Task::ALL {
            let candidates = task.candidates();
            let incoming: Vec<_> = candidates.iter().map(|&one| task.incoming(one)).collect();
            for piece in PIECES {
                assert_eq!(agree(task, &heard(task, &incoming), piece), Ok(()));
            }
        }
    }

    #[test]
    fn a_handshake_that_is_wrong_is_refused_by_all_of_them_and_noticed_here() {
        let no_upgrade = REQUEST.replace("Upgrade: websocket", "Upgrade: h2c");
        let cut = &REQUEST[..REQUEST.len() - 2];
        let no_http = response(ACCEPT).into_iter().rev().collect();
        for (task, wrong) in [
            (Task::Serve, no_upgrade.into_bytes()),
            (Task::Serve, cut.as_bytes().to_vec()),
            (Task::Connect, response("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
            (Task::Connect, no_http),
        ] {
            for &candidate in task.candidates() {
                let (done, _) = candidate.keeping(&wrong, WHOLE);
                assert!(!done, "{candidate:?}");
                assert!(agree(task, &[(candidate, &wrong)], WHOLE).is_err());
            }
        }
    }

    #[test]
    fn only_those_marked_so_leave_out_a_check() {
        let other_version = REQUEST.replace("Version: 13", "Version: 12");
        for &candidate in Task::Serve.candidates() {
            let (done, _) = candidate.keeping(other_version.as_bytes(), WHOLE);
            assert_eq!(done, Task::Serve.is_lax(candidate), "{candidate:?}");
        }
        for &candidate in Task::Connect.candidates() {
            let response = String::from_utf8(Task::Connect.incoming(candidate)).unwrap();
            let no_upgrade = response.replace("Upgrade: websocket", "Upgrade: h2c");
            let (done, _) = candidate.keeping(no_upgrade.as_bytes(), WHOLE);
            assert_eq!(done, Task::Connect.is_lax(candidate), "{candidate:?}");
        }
    }

    #[test]
    fn a_wrong_answer_of_a_server_is_noticed() {
        let other_accept = Candidate("", Side::Judged, |stream| {
            let answer = response("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            std::io::Write::write_all(stream, &answer).is_ok()
        });
        let silent = Candidate("", Side::Judged, |_| true);
        let right = Candidate("", Side::Judged, |stream| {
            std::io::Write::write_all(stream, &response(ACCEPT)).is_ok()
        });
        let nothing = Vec::new();
        assert!(agree(Task::Serve, &[(right, &nothing)], WHOLE).is_ok());
        for wrong in [other_accept, silent] {
            assert!(agree(Task::Serve, &[(wrong, &nothing)], WHOLE).is_err());
        }
    }

    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(derive_accept_key(KEY.as_bytes()), ACCEPT);
        let core = Candidate("core", Side::Judged, ours::core_client);
        let (_, request) = core.keeping(&[], WHOLE);
        assert_eq!(field(&request, "Sec-WebSocket-Key").as_deref(), Some(KEY));
    }
}
