//! The server's side of one connection.

use core::fmt;

use campanile_core::server::TlsFailure;
use rustls::{
    pki_types::CertificateDer,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};
use x509_cert::{Certificate, der::Decode as _};

use crate::Failure;

/// How many bytes are sealed at once: two records of the longest kind. A system call is cheap against
/// them, and it is what waits at the most for a peer that takes nothing, beside the hub's outbox.
pub const SEALED_AT_ONCE: usize = 32 * 1024;

/// The room that so many take when they are sealed, with what may go before them: a record has 16 KiB and
/// some 30 bytes around them, a ticket or a new key a few hundred.
pub const SEALED: usize = SEALED_AT_ONCE + 4 * 1024;

/// The longest beginning of something that is kept until the rest of it has come. A record has 16 KiB, a
/// client's chain of certificates in several of them a few.
const MAX_UNFINISHED: usize = 32 * 1024;

/// What is said to who speaks HTTP where TLS is spoken, which is what happens to who writes `ws://` for
/// `wss://`.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 56\r\nConnection: close\r\n\r\n\
    This port speaks TLS. Connect with wss:// or https://.\r\n";

/// The server's side of one connection, without its socket.
pub struct Session {
    connection: UnbufferedServerConnection,
    /// What has come of a record or a message that is not whole yet.
    unfinished: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Shaking,
    Open,
    /// Nothing more is to be done with it.
    Broken,
}

/// What bytes from the peer have led to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// How many bytes they mean, of the room for them.
    pub plain: usize,
    /// Whether the peer says that there are no more.
    pub has_ended: bool,
    /// Whether the handshake is done, just now.
    pub is_new: bool,
}

impl Session {
    pub(crate) const fn new(connection: UnbufferedServerConnection) -> Self {
        Self {
            connection,
            unfinished: Vec::new(),
            stage: Stage::Fresh,
        }
    }

    /// Whether the handshake is done, and something can be [sealed](Self::seal).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Puts what came earlier, and was not whole, in front of what comes next; how many bytes.
    pub fn take_unfinished(&mut self, buffer: &mut [u8]) -> usize {
        let unfinished = core::mem::take(&mut self.unfinished);
        match buffer.get_mut(..unfinished.len()) {
            Some(room) => room.copy_from_slice(&unfinished),
            // A buffer of this module's own size has room.
            None => self.stage = Stage::Broken,
        }
        unfinished.len()
    }

    /// Understands bytes from the peer, which begin with those of
    /// [`take_unfinished`](Self::take_unfinished), and puts what they mean into `plain`, which has at
    /// least as much room as they are long. What is to be sent for the sake of TLS goes to `out`.
    ///
    /// # Errors
    /// Why the connection cannot go on. What is in `out` then tells the peer.
    pub fn receive(
        &mut self,
        mut bytes: &mut [u8],
        plain: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Received, Failure> {
        if self.stage == Stage::Broken {
            return Err(Failure {
                kind: TlsFailure::Broken,
                detail: "it has failed before".to_owned(),
            });
        }
        if self.stage == Stage::Fresh
            && let Some(first) = bytes.first()
        {
            // A method. A record begins with its type, which is no letter.
            if first.is_ascii_uppercase() {
                self.stage = Stage::Broken;
                out.extend_from_slice(PLAIN);
                return Err(Failure {
                    kind: TlsFailure::NotTls,
                    detail: "the client speaks HTTP without TLS".to_owned(),
                });
            }
            self.stage = Stage::Shaking;
        }
        let mut received = Received::default();
        loop {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(bytes);
            let mut used = discard;
            let mut is_blocked = false;
            let mut failed = None;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = match record {
                            Ok(record) => record,
                            Err(error) => {
                                failed = Some(error.into());
                                break;
                            }
                        };
                        used = used.saturating_add(record.discard);
                        let len = record.payload.len();
                        let end = received.plain.saturating_add(len);
                        // There is room, as nothing is longer than what it was sealed to.
                        if let Some(room) = plain.get_mut(received.plain..end) {
                            room.copy_from_slice(record.payload);
                            received.plain = end;
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => received.has_ended = true,
                Ok(ConnectionState::Closed) => {
                    received.has_ended = true;
                    is_blocked = true;
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    received.is_new |= self.stage == Stage::Shaking;
                    self.stage = Stage::Open;
                    is_blocked = true;
                }
                // Early data is not taken.
                Ok(_) => is_blocked = true,
                Err(error) => failed = Some(error.into()),
            }
            bytes = bytes.get_mut(used..).unwrap_or_default();
            if let Some(failure) = failed {
                return Err(self.fail(failure, bytes, out));
            }
            if is_blocked {
                break;
            }
        }
        if bytes.len() > MAX_UNFINISHED {
            self.stage = Stage::Broken;
            return Err(Failure {
                kind: TlsFailure::Broken,
                detail: format!("the client's handshake is longer than {MAX_UNFINISHED} bytes"),
            });
        }
        self.unfinished = bytes.to_vec();
        Ok(received)
    }

    /// Nothing more can be done than to tell the peer.
    fn fail(&mut self, failure: Failure, bytes: &mut [u8], out: &mut Vec<u8>) -> Failure {
        self.stage = Stage::Broken;
        // Only as long as there is something: rustls does not bear to see the same bytes again.
        while self.connection.wants_write() {
            match self.connection.process_tls_records(bytes).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
                _ => break,
            }
        }
        failure
    }

    /// Seals at most [`SEALED_AT_ONCE`] bytes into `room`, of which there is [`SEALED`]; how many bytes of
    /// that are to be sent.
    ///
    /// # Errors
    /// The connection is not [open](Self::is_open), or so much was sent that the keys are used up.
    pub fn seal(&mut self, plain: &[u8], room: &mut [u8]) -> Result<usize, Failure> {
        self.write(room, |traffic, room| traffic.encrypt(plain, room))
    }

    /// Writes into `room` that no more is sent (`close_notify`); how many bytes of that are to be sent.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn close(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        self.write(room, |traffic, room| traffic.queue_close_notify(room))
    }

    fn write(
        &mut self,
        room: &mut [u8],
        seal: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<usize, Failure> {
        let mut used = 0;
        if self.stage == Stage::Open {
            loop {
                let room = room.get_mut(used..).unwrap_or_default();
                // All of it was looked at before, and nothing of it is whole.
                let status = self.connection.process_tls_records(&mut self.unfinished);
                match status.state {
                    Ok(ConnectionState::EncodeTlsData(mut data)) => match data.encode(room) {
                        Ok(count) => used = used.saturating_add(count),
                        Err(_) => break,
                    },
                    Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                    Ok(ConnectionState::PeerClosed) => {}
                    Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                        match seal(&mut traffic, room) {
                            Ok(count) => return Ok(used.saturating_add(count)),
                            Err(_) => break,
                        }
                    }
                    Ok(_) | Err(_) => break,
                }
            }
            self.stage = Stage::Broken;
        }
        Err(Failure {
            kind: TlsFailure::Broken,
            detail: "nothing can be sent".to_owned(),
        })
    }

    /// The version of TLS, once it is known.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "unknown",
        }
    }

    /// The cipher suite by its name, once it is known.
    #[must_use]
    pub fn cipher(&self) -> &'static str {
        let suite = self.connection.negotiated_cipher_suite();
        suite
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
    }

    /// The subject of the client's certificate, which was verified, as RFC 4514 writes it: `CN=press 4,O=Example`.
    /// `None` if it has none.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        subject(self.connection.peer_certificates()?.first()?)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, ServerConnectionData>;

/// The subject of a certificate; `None` if that is empty.
fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate.subject.to_string();
    Some(subject).filter(|subject| !subject.is_empty())
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    if let Err(EncodeError::InsufficientSize(short)) = data.encode(&mut []) {
        let start = out.len();
        out.resize(start.saturating_add(short.required_size), 0);
        // There is as much room as it asks for.
        let _ = data.encode(out.get_mut(start..).unwrap_or_default());
    }
}
