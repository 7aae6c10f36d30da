//! Publications on their way from their publishers to everybody.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

use super::SessionId;
use crate::{
    conn::Prepared,
    notify::{Located, Notification, Position},
    wire::Kind,
};

/// The order of all publications (the protocol, section 6): one for all hubs whose sessions hear each
/// other's publishers.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    epoch: u64,
    last: u64,
}

impl Sequence {
    /// An order that starts anew. `epoch` must be one that none before it had: the milliseconds since
    /// 1970 will do, of which 48 bits count.
    #[must_use]
    pub const fn new(epoch: u64) -> Self {
        Self { epoch, last: 0 }
    }

    /// The place of the last publication.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position::new(self.epoch, self.last)
    }

    /// Gives the publications of `batch` the next places, which settles what everybody hears of them.
    #[must_use]
    pub fn place(&mut self, batch: Batch) -> Arc<Placed> {
        let Batch {
            classic,
            mut v1,
            publications,
            ..
        } = batch;
        let before = self.last;
        for publication in &publications {
            self.last = self.last.saturating_add(1);
            let text = self.position().text();
            let at = publication.position..publication.position.saturating_add(text.len());
            if let Some(place) = v1.get_mut(at) {
                place.copy_from_slice(&text);
            }
        }
        Arc::new(Placed {
            epoch: self.epoch,
            before,
            classic: Arc::new(classic),
            v1: Arc::new(v1),
            publications,
        })
    }
}

/// Publications that were accepted by one hub, in order, and have no place yet: to be
/// [placed](Sequence::place), and then delivered by every hub. Each is encoded once for everybody.
#[derive(Default)]
pub struct Batch {
    /// Frames, one behind the other, as classic sessions get them.
    classic: Vec<u8>,
    /// The same for v1 sessions, where there are any. Their positions are filled in when they are placed.
    v1: Vec<u8>,
    publications: Vec<Publication>,
    /// How many publications, and bytes of frames of either kind, the batch before had.
    before: [usize; 3],
}

impl Batch {
    /// How many bytes of frames may come together before they are to be placed and delivered: what
    /// is written afterwards is still in the second cache of a processor. It is also the most that a
    /// receiver keeps of others' notifications in memory with a small one of its own.
    pub const BYTES: usize = 64 * 1024;

    /// How many publications may come together; half of the frames that may wait for a receiver.
    pub const PUBLICATIONS: usize = 128;

    /// Takes in a publication, whose text `message` the `notification` was parsed from: of a session,
    /// its connection, and with a ticket for the answer. `false`: the text has 4 GiB or more, which no
    /// limit on messages should allow.
    pub(super) fn push(
        &mut self,
        (session, connection, ticket): (SessionId, u64, u64),
        message: &[u8],
        notification: &Notification<'_>,
        for_v1: bool,
    ) -> bool {
        let Some(located) = notification.locate(message) else {
            return false;
        };
        if self.is_empty() {
            self.make_room();
        }
        let classic = append(&mut self.classic, &[message]);
        let (v1, position) = match for_v1 {
            true => append_v1(&mut self.v1, message, UNPLACED),
            false => (0..0, 0),
        };
        self.publications.push(Publication {
            session,
            connection,
            ticket,
            len: message.len(),
            position,
            classic,
            v1,
            located,
        });
        true
    }

    /// Whether it should be placed and delivered before more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.publications.len() >= Self::PUBLICATIONS || self.classic.len() >= Self::BYTES
    }

    /// What there is; another batch begins.
    pub(super) fn take(&mut self) -> Self {
        let next = Self {
            before: [self.publications.len(), self.classic.len(), self.v1.len()],
            ..Self::default()
        };
        core::mem::replace(self, next)
    }

    /// Makes as much room as the batch before needed: they mostly come alike.
    fn make_room(&mut self) {
        let [publications, classic, v1] = self.before;
        self.publications.reserve(publications);
        self.classic.reserve(classic);
        self.v1.reserve(v1);
    }

    /// Whether nothing was published.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.publications.is_empty()
    }

    /// How many publications there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.publications.len()
    }
}

impl fmt::Debug for Batch {
    /// Leaves out what is said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("publications", &self.publications.len())
            .field("bytes", &self.classic.len())
            .finish()
    }
}

/// What v1 sessions hear before the position, and behind it.
const BEFORE: &[u8] = b"{\"position\":\"";
const BEHIND: &[u8] = b"\",";

/// Appends a frame whose payload consists of `parts`; where it is.
fn append(frames: &mut Vec<u8>, parts: &[&[u8]]) -> Range<usize> {
    let start = frames.len();
    let len = parts.iter().map(|part| part.len() as u64).sum();
    frames.extend_from_slice(Prepared::head(Kind::Text, len).as_bytes());
    for part in parts {
        frames.extend_from_slice(part);
    }
    start..frames.len()
}

/// Appends a frame for v1 sessions, with one member more in front (the protocol, section 6); where it
/// is, and where in it the text of the position.
fn append_v1(
    frames: &mut Vec<u8>,
    message: &[u8],
    position: [u8; Position::TEXT_LEN],
) -> (Range<usize>, usize) {
    let brace = message.iter().position(|byte| *byte == b'{');
    let (_, members) = message
        .split_at_checked(brace.unwrap_or(0).saturating_add(1))
        .unwrap_or_default();
    let frame = append(frames, &[BEFORE, &position, BEHIND, members]);
    let behind = members.len().saturating_add(BEHIND.len());
    let at = frame
        .end
        .saturating_sub(behind.saturating_add(position.len()));
    (frame, at)
}

/// What stands for a position that is not known yet.
const UNPLACED: [u8; Position::TEXT_LEN] = [b'0'; Position::TEXT_LEN];

/// Publications that have their places in the order of all, on their way to every hub.
pub struct Placed {
    epoch: u64,
    /// The place of the publication before the first.
    before: u64,
    pub(super) classic: Arc<Vec<u8>>,
    pub(super) v1: Arc<Vec<u8>>,
    publications: Vec<Publication>,
}

impl Placed {
    /// How many publications there are; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.publications.len()
    }

    /// Never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publications.is_empty()
    }

    pub(super) fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// The place of the publication of this index.
    pub(super) fn position(&self, index: usize) -> Position {
        let behind = (index as u64).saturating_add(1);
        Position::new(self.epoch, self.before.saturating_add(behind))
    }

    /// What is announced by it.
    pub(super) fn notification(&self, publication: &Publication) -> Notification<'_> {
        publication.located.read(self.message(publication))
    }

    /// Appends the frame of the publication of this index for v1 sessions; where it is.
    pub(super) fn append_v1(&self, index: usize, frames: &mut Vec<u8>) -> Range<usize> {
        let publication = self.publications.get(index);
        let message = publication.map(|publication| self.message(publication));
        let position = self.position(index).text();
        append_v1(frames, message.unwrap_or_default(), position).0
    }

    /// The publisher's message.
    fn message(&self, publication: &Publication) -> &[u8] {
        let frame = self.classic.get(publication.classic.clone());
        let frame = frame.unwrap_or_default();
        let head = frame.len().saturating_sub(publication.len);
        frame.get(head..).unwrap_or_default()
    }
}

impl fmt::Debug for Placed {
    /// Leaves out what is said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed")
            .field("before", &Position::new(self.epoch, self.before))
            .field("publications", &self.publications.len())
            .finish_non_exhaustive()
    }
}

/// One publication of a batch.
#[derive(Debug)]
pub(super) struct Publication {
    /// Who published it, at the hub that accepted it.
    pub(super) session: SessionId,
    /// The number of its connection.
    pub(super) connection: u64,
    /// For the answer to the publisher.
    pub(super) ticket: u64,
    /// Length of the publisher's message in bytes.
    pub(super) len: usize,
    /// Where its frames are, for classic sessions and for v1 sessions; empty if its hub had none of
    /// these that hear anything.
    pub(super) classic: Range<usize>,
    pub(super) v1: Range<usize>,
    /// Where in the latter the text of its position is.
    position: usize,
    located: Located,
}
