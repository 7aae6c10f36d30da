//! The Stellaris Ethernet controller: two FIFOs behind one register, without DMA.

use smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium},
    time::Instant,
};
use tock_registers::interfaces::{Readable, Writeable};

use crate::registers;

/// The longest frame without its check sequence, in bytes.
const FRAME: usize = 1514;
/// Of which the header has so many.
const HEADER: usize = 14;

/// What the controller says and takes before a frame: its length.
const LENGTH: usize = 2;
/// What it puts behind one that has arrived.
const CHECK_SEQUENCE: usize = 4;

// Receive control.
const RECEIVE: u32 = 1;
const REJECT_BAD: u32 = 1 << 3;
const RESET_FIFO: u32 = 1 << 4;
// Transmit control.
const TRANSMIT: u32 = 1;
const PAD: u32 = 1 << 1;
const APPEND_CHECK_SEQUENCE: u32 = 1 << 2;
const FULL_DUPLEX: u32 = 1 << 4;
/// All interrupt flags.
const ALL: u32 = 0x7f;

/// The controller and the two frames that are under way.
pub struct Ethernet {
    registers: &'static registers::Ethernet,
    received: [u8; FRAME],
    sent: [u8; FRAME],
}

impl Ethernet {
    /// The controller, not started.
    pub fn new() -> Self {
        Self {
            registers: registers::ethernet(),
            received: [0; FRAME],
            sent: [0; FRAME],
        }
    }

    /// Starts it with a hardware address.
    pub fn start(&mut self, [a, b, c, d, e, f]: [u8; 6]) {
        let registers = self.registers;
        let [low, high] = &registers.address;
        low.set(u32::from_le_bytes([a, b, c, d]));
        high.set(u32::from_le_bytes([e, f, 0, 0]));
        registers.interrupt_mask.set(0); // the clock looks often enough
        registers.interrupts.set(ALL);
        registers.receive_control.set(RESET_FIFO);
        registers
            .transmit_control
            .set(TRANSMIT | PAD | APPEND_CHECK_SEQUENCE | FULL_DUPLEX);
        registers.receive_control.set(RECEIVE | REJECT_BAD);
    }

    /// Takes a frame out of the FIFO, all of it, and answers its length; `None` if it is longer than
    /// any that may be.
    fn take(&mut self) -> Option<usize> {
        let [low, high, first @ ..] = self.registers.data.get().to_le_bytes();
        let counted = usize::from(u16::from_le_bytes([low, high]));
        let len = counted.checked_sub(LENGTH + CHECK_SEQUENCE);
        let fits = len.is_some_and(|len| len <= FRAME);
        let (start, rest) = self.received.split_at_mut(first.len());
        start.copy_from_slice(&first);
        let mut words = rest.chunks_mut(4);
        // The length counts itself, and so do its two bytes in the first word.
        for _ in 1..counted.div_ceil(4) {
            let word = self.registers.data.get().to_le_bytes();
            if let Some(place) = words.next() {
                place.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            }
        }
        len.filter(|_| fits)
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, ToSend<'_>)> {
        while self.registers.packets.get() > 0 {
            if let Some(len) = self.take() {
                let received = Received(self.received.get(..len)?);
                return Some((received, ToSend(self.registers, &mut self.sent)));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend(self.registers, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

/// A frame that has arrived.
pub struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, look: F) -> R {
        look(self.0)
    }
}

/// The right to send a frame.
pub struct ToSend<'a>(&'static registers::Ethernet, &'a mut [u8; FRAME]);

impl phy::TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let Self(registers, memory) = self;
        let len = len.min(FRAME);
        let (frame, _) = memory.split_at_mut(len);
        let result = fill(frame);
        // The FIFO has room for one frame: the last one must be gone. That takes 1.2 ms at most.
        while registers.transmission.get() & 1 != 0 {}
        // The length is that of the payload, unlike in the other direction.
        let [low, high, ..] = (len.saturating_sub(HEADER)).to_le_bytes();
        let (start, rest) = frame.split_at(len.min(2));
        let word = |bytes: &[u8]| {
            let mut word = [0; 4];
            word.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            u32::from_le_bytes(word)
        };
        let first = word(start) << 16;
        registers.data.set(first | word(&[low, high]));
        rest.chunks(4)
            .for_each(|bytes| registers.data.set(word(bytes)));
        registers.transmission.set(1);
        result
    }
}
