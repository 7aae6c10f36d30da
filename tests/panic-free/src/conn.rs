//! `conn`, for both roles.

use core::hash::{BuildHasherDefault, Hasher};

use campanile_core::{
    Instant,
    conn::*,
    wire::{CloseCode, CloseError, EncodedHead, HeadError, Kind, MAX_CONTROL},
};

/// A client whose keys come from anywhere.
type Keys = &'static mut dyn FnMut() -> [u8; 4];

/// Keys of a client that can be shown.
#[cfg(feature = "allowed")]
#[derive(Debug)]
pub struct Quiet;

#[cfg(feature = "allowed")]
impl MaskSource for Quiet {
    fn next_mask(&mut self) -> [u8; 4] {
        [0; 4]
    }
}

/// Exports the methods that both roles share.
macro_rules! connection {
    ($role:ty: $new:ident $receive:ident $eof:ident $timeout:ident $lives:ident $due:ident
     $transmit:ident $state:ident $ready:ident $encode:ident $ping:ident $close:ident) => {
        #[unsafe(no_mangle)]
        pub fn $new(role: $role, config: &Config, now: Instant) -> Connection<$role> {
            Connection::new(role, config, now)
        }

        #[unsafe(no_mangle)]
        pub fn $receive<'b>(
            connection: &mut Connection<$role>,
            input: &mut Input<'b>,
            now: Instant,
        ) -> Result<Option<Event<'b>>, Violation> {
            Connection::receive(connection, input, now)
        }

        #[unsafe(no_mangle)]
        pub fn $eof(connection: &mut Connection<$role>, now: Instant) {
            Connection::receive_eof(connection, now);
        }

        #[unsafe(no_mangle)]
        pub fn $timeout(connection: &mut Connection<$role>, now: Instant) {
            Connection::handle_timeout(connection, now);
        }

        #[unsafe(no_mangle)]
        pub fn $lives(connection: &mut Connection<$role>) {
            Connection::peer_lives(connection);
        }

        #[unsafe(no_mangle)]
        pub fn $due(connection: &Connection<$role>) -> Option<Instant> {
            Connection::poll_timeout(connection)
        }

        #[unsafe(no_mangle)]
        pub fn $transmit<'o>(
            connection: &mut Connection<$role>,
            input: &mut Input<'_>,
            out: &'o mut [u8; MAX_CONTROL],
        ) -> Option<Transmit<'o>> {
            Connection::poll_transmit(connection, input, out)
        }

        #[unsafe(no_mangle)]
        pub fn $state(connection: &Connection<$role>) -> (State, Option<CloseCause>) {
            (
                Connection::state(connection),
                Connection::closed_by(connection),
            )
        }

        #[unsafe(no_mangle)]
        pub fn $ready(connection: &Connection<$role>) -> Result<(), SendError> {
            Connection::check_ready(connection)
        }

        #[unsafe(no_mangle)]
        pub fn $encode<'o>(
            connection: &mut Connection<$role>,
            kind: Kind,
            payload: &[u8],
            last: bool,
            out: &'o mut [u8],
        ) -> Result<&'o mut [u8], SendError> {
            Connection::encode(connection, kind, payload, last, out)
        }

        #[unsafe(no_mangle)]
        pub fn $ping<'o>(
            connection: &mut Connection<$role>,
            payload: &[u8],
            out: &'o mut [u8; MAX_CONTROL],
            now: Instant,
        ) -> Result<&'o [u8], SendError> {
            Connection::ping(connection, payload, out, now)
        }

        #[unsafe(no_mangle)]
        pub fn $close<'o>(
            connection: &mut Connection<$role>,
            code: CloseCode,
            reason: &str,
            out: &'o mut [u8; MAX_CONTROL],
            now: Instant,
        ) -> Result<&'o [u8], SendError> {
            Connection::close(connection, code, reason, out, now)
        }
    };
}

connection! { Server: server_new server_receive server_eof server_timeout server_lives server_due
    server_transmit server_state server_ready server_encode server_ping server_close
}

connection! { Client<Keys>: client_new client_receive client_eof client_timeout client_lives
    client_due client_transmit client_state client_ready client_encode client_ping client_close
}

#[unsafe(no_mangle)]
pub fn server_head(
    connection: &mut Connection<Server>,
    kind: Kind,
    len: u64,
    last: bool,
) -> Result<EncodedHead, SendError> {
    Connection::<Server>::head(connection, kind, len, last)
}

#[unsafe(no_mangle)]
pub fn server_send_prepared<'p>(
    connection: &Connection<Server>,
    frame: &Prepared<'p>,
) -> Result<&'p [u8], SendError> {
    Connection::send_prepared(connection, frame)
}

#[unsafe(no_mangle)]
pub fn client_head(
    connection: &mut Connection<Client<Keys>>,
    kind: Kind,
    payload: &mut [u8],
    last: bool,
) -> Result<EncodedHead, SendError> {
    Connection::<Client<Keys>>::head(connection, kind, payload, last)
}

#[unsafe(no_mangle)]
pub fn server_mask(role: &mut Server) -> Option<[u8; 4]> {
    <Server as Role>::next_mask(role)
}

#[unsafe(no_mangle)]
pub fn client_mask(role: &mut Client<Keys>) -> Option<[u8; 4]> {
    <Client<Keys> as Role>::next_mask(role)
}

#[unsafe(no_mangle)]
pub fn client_key(mut source: Keys) -> [u8; 4] {
    <Keys as MaskSource>::next_mask(&mut source)
}

#[unsafe(no_mangle)]
pub fn client_nonce(mut source: Keys) -> [u8; 16] {
    <Keys as MaskSource>::nonce(&mut source)
}

/// A hash that comes from anywhere.
#[derive(Default)]
pub struct Sum(u64);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Hashed = HashedMasks<BuildHasherDefault<Sum>>;

#[unsafe(no_mangle)]
pub fn hashed_masks() -> [Hashed; 3] {
    [
        HashedMasks::new(),
        HashedMasks::with_hasher(BuildHasherDefault::default()),
        <HashedMasks<BuildHasherDefault<Sum>> as Default>::default(),
    ]
}

#[unsafe(no_mangle)]
pub fn hashed_key(source: &mut Hashed) -> [u8; 4] {
    <HashedMasks<BuildHasherDefault<Sum>> as MaskSource>::next_mask(source)
}

#[unsafe(no_mangle)]
pub fn prepared_encode<'p>(
    kind: Kind,
    payload: &[u8],
    out: &'p mut [u8],
) -> Result<Prepared<'p>, SendError> {
    Prepared::encode(kind, payload, out)
}

#[unsafe(no_mangle)]
pub fn prepared_head(kind: Kind, len: u64) -> EncodedHead {
    Prepared::head(kind, len)
}

#[unsafe(no_mangle)]
pub fn prepared_bytes<'p>(frame: &Prepared<'p>) -> &'p [u8] {
    Prepared::as_bytes(frame)
}

#[unsafe(no_mangle)]
pub fn input_new(bytes: &mut [u8]) -> Input<'_> {
    Input::new(bytes)
}

#[unsafe(no_mangle)]
pub fn input_read<'i>(input: &'i Input<'_>) -> (usize, &'i [u8]) {
    (Input::consumed(input), Input::rest(input))
}

#[unsafe(no_mangle)]
pub fn input_into_rest<'b>(input: Input<'b>) -> &'b mut [u8] {
    Input::into_rest(input)
}

#[unsafe(no_mangle)]
pub fn config_new() -> (Config, Config) {
    (Config::new(), <Config as Default>::default())
}

#[unsafe(no_mangle)]
pub fn cause_code(cause: CloseCause) -> u16 {
    CloseCause::code(cause)
}

#[unsafe(no_mangle)]
pub fn violation_read(violation: Violation) -> (CloseCode, &'static str) {
    (
        Violation::close_code(violation),
        Violation::reason(violation),
    )
}

#[unsafe(no_mangle)]
pub fn violation_from(head: HeadError, close: CloseError) -> (Violation, Violation) {
    (
        <Violation as From<HeadError>>::from(head),
        <Violation as From<CloseError>>::from(close),
    )
}

crate::formats! { CONN_DISPLAY:
    <CloseCause as Display>;
    <Violation as Display>;
    <SendError as Display>;
    <StoreFull as Display>;
}

/// A store of the caller's own kind.
pub struct Any(&'static mut dyn Store);

impl Store for Any {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreFull> {
        self.0.append(bytes)
    }

    fn stored(&mut self) -> &mut [u8] {
        self.0.stored()
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn release(&mut self) {
        self.0.release();
    }
}

/// Exports an assembler with this store.
macro_rules! assembler {
    ($store:ty: $new:ident $push:ident $release:ident) => {
        #[unsafe(no_mangle)]
        pub fn $new(store: $store) -> Assembler<$store> {
            Assembler::new(store)
        }

        #[unsafe(no_mangle)]
        pub fn $push<'a>(
            assembler: &'a mut Assembler<$store>,
            data: Data<'a>,
        ) -> Result<Option<Message<'a>>, StoreFull> {
            Assembler::push(assembler, data)
        }

        #[unsafe(no_mangle)]
        pub fn $release(assembler: &mut Assembler<$store>) {
            Assembler::release(assembler);
        }
    };
}

assembler! { Any: any_new any_push any_release }
assembler! { heapless::Vec<u8, 100>: heapless_new heapless_push heapless_release }

#[unsafe(no_mangle)]
pub fn heapless_store(
    store: &mut heapless::Vec<u8, 100>,
    bytes: &[u8],
) -> Result<usize, StoreFull> {
    <heapless::Vec<u8, 100> as Store>::append(store, bytes)?;
    let len = Store::stored(store).len();
    Store::clear(store);
    Store::release(store);
    Ok(len)
}

crate::formats! { #[cfg(feature = "allowed")] CONN_DEBUG:
    <Assembler<()> as Debug>;
    <Client<Quiet> as Debug>;
    <CloseCause as Debug>;
    <Connection<Client<Quiet>> as Debug>;
    <Connection<Server> as Debug>;
    <Data<'_> as Debug>;
    <Event<'_> as Debug>;
    <HashedMasks<Quiet> as Debug>;
    <Input<'_> as Debug>;
    <Message<'_> as Debug>;
    <Prepared<'_> as Debug>;
    <SendError as Debug>;
    <Server as Debug>;
    <State as Debug>;
    <StoreFull as Debug>;
    <Transmit<'_> as Debug>;
    <Violation as Debug>;
}
