//! The clock, the pins and the serial line of an LM3S6965.

use core::{
    fmt,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use campanile_core::Instant;
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use tock_registers::{
    interfaces::{Readable, Writeable},
    registers::ReadWrite,
};

use crate::registers;

/// Processor cycles in a millisecond: the 200 MHz of the PLL by four.
const MILLISECOND: u32 = 50_000;

/// Milliseconds since the start; they come back to 0 after 49 days.
static MILLIS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    MILLIS.store(MILLIS.load(Relaxed).wrapping_add(1), Relaxed);
}

/// A clock that never goes back.
pub struct Clock {
    seen: u32,
    millis: u64,
}

impl Clock {
    /// Starts it.
    pub fn start(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(MILLISECOND - 1);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        Self { seen: 0, millis: 0 }
    }

    /// The time, which must be asked for once in 49 days.
    pub fn now(&mut self) -> Instant {
        let seen = MILLIS.load(Relaxed);
        self.millis += u64::from(seen.wrapping_sub(self.seen));
        self.seen = seen;
        Instant::from_millis(self.millis)
    }
}

// The run mode clock.
const BYPASS: u32 = 1 << 11;
const PLL_OFF: u32 = 1 << 13;
const CRYSTAL: u32 = 0xf << 6;
const CRYSTAL_8_MHZ: u32 = 0xe << 6;
const SOURCE: u32 = 3 << 4;
const MAIN_OFF: u32 = 1;
const DIVIDE: u32 = 1 << 22;
const DIVISOR: u32 = 0xf << 23;
const BY_FOUR: u32 = 3 << 23;
const PLL_LOCKED: u32 = 1 << 6;

/// 50 MHz, and power for the serial line and Ethernet, with their pins.
pub fn start() {
    let system = registers::system_control();
    let clock = &system.run_mode_clock;
    // In the order of the data sheet: off the PLL, the crystal on, the PLL on, and back to it.
    let mut value = (clock.get() | BYPASS) & !DIVIDE;
    clock.set(value);
    value &= !(MAIN_OFF | CRYSTAL | SOURCE | PLL_OFF);
    value |= CRYSTAL_8_MHZ;
    clock.set(value);
    value = value & !DIVISOR | BY_FOUR | DIVIDE;
    clock.set(value);
    while system.interrupts.get() & PLL_LOCKED == 0 {}
    clock.set(value & !BYPASS);

    let set = |register: &ReadWrite<u32>, bits: u32| {
        register.set(register.get() | bits);
    };
    set(&system.gate_serial, 1);
    set(&system.gate_ports, 1 << 30 | 1 << 28 | 1 << 5 | 1); // PHY, MAC, pins F and A
    let _ = system.gate_ports.get(); // they are there a few cycles later
    set(&registers::port_a().alternate_function, 0b11); // the serial line
    set(&registers::port_a().digital_enable, 0b11);
    set(&registers::port_f().alternate_function, 0b1100); // the lights of the socket
    set(&registers::port_f().digital_enable, 0b1100);

    let uart = registers::uart();
    uart.divisor.set(27); // 50 MHz / (16 * 115,200 baud), in whole ones
    uart.divisor_fraction.set(8); // and 64ths
    uart.line_control.set(0b11 << 5 | 1 << 4); // 8 bits, FIFOs
    uart.control.set(1 << 8 | 1); // sending only
}

/// The serial line: for what a person should know.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let uart = registers::uart();
        for byte in text.bytes() {
            while uart.flags.get() & 1 << 5 != 0 {} // it is full
            uart.data.set(byte.into());
        }
        Ok(())
    }
}
