//! What both programs have in common: a board with a serial line and a clock.
#![no_std]

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use cortex_m::peripheral::{Peripherals, syst::SystClkSource};
use cortex_m_rt::exception;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// The registers of a CMSDK UART, in words from its first one.
const UART: *mut u32 = 0x4000_4000 as *mut u32;
const DATA: usize = 0;
const STATE: usize = 1;
const CONTROL: usize = 2;
const BAUD_DIVISOR: usize = 4;
const SEND_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 2;

/// Processor cycles in a millisecond.
const MILLISECOND: u32 = 25_000;

static MILLIS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    MILLIS.store(MILLIS.load(Relaxed).wrapping_add(1), Relaxed);
}

/// The serial line, which stands for a network, and the clock.
pub struct Board(());

impl Board {
    /// Starts both; nothing the second time.
    pub fn take() -> Option<Self> {
        let mut clock = Peripherals::take()?.SYST;
        clock.set_clock_source(SystClkSource::Core);
        clock.set_reload(MILLISECOND - 1);
        clock.clear_current();
        clock.enable_counter();
        clock.enable_interrupt();
        put(BAUD_DIVISOR, 16);
        put(CONTROL, 3); // send and receive
        Some(Self(()))
    }

    /// Milliseconds since the start.
    pub fn millis(&self) -> u32 {
        MILLIS.load(Relaxed)
    }

    /// What has come since the last time, as far as it fits.
    pub fn read(&mut self, room: &mut [u8]) -> usize {
        let mut count = 0;
        for place in room {
            if get(STATE) & RECEIVE_FULL == 0 {
                break;
            }
            [*place, ..] = get(DATA).to_le_bytes();
            count += 1;
        }
        count
    }

    /// Sends all of it.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while get(STATE) & SEND_FULL != 0 {}
            put(DATA, u32::from(*byte));
        }
    }
}

fn get(register: usize) -> u32 {
    // SAFETY: these are the registers of the machine's UART; nothing else uses them.
    unsafe { UART.add(register).read_volatile() }
}

fn put(register: usize, value: u32) {
    // SAFETY: as above.
    unsafe { UART.add(register).write_volatile(value) }
}
