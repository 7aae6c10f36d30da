//! The registers that this program uses, as the LM3S6965's data sheet has them, and all that is
//! `unsafe` in it: that they are where they are.
#![allow(unsafe_code)]

use tock_registers::{
    register_structs,
    registers::{ReadOnly, ReadWrite},
};

register_structs! {
    /// Clocks and power.
    pub SystemControl {
        (0x000 => _0),
        (0x050 => pub interrupts: ReadOnly<u32>),
        (0x054 => _1),
        (0x060 => pub run_mode_clock: ReadWrite<u32>),
        (0x064 => _2),
        (0x104 => pub gate_serial: ReadWrite<u32>),
        (0x108 => pub gate_ports: ReadWrite<u32>),
        (0x10c => @END),
    },
    /// Pins.
    pub Port {
        (0x000 => _0),
        (0x420 => pub alternate_function: ReadWrite<u32>),
        (0x424 => _1),
        (0x51c => pub digital_enable: ReadWrite<u32>),
        (0x520 => @END),
    },
    /// A serial line.
    pub Uart {
        (0x000 => pub data: ReadWrite<u32>),
        (0x004 => _0),
        (0x018 => pub flags: ReadOnly<u32>),
        (0x01c => _1),
        (0x024 => pub divisor: ReadWrite<u32>),
        (0x028 => pub divisor_fraction: ReadWrite<u32>),
        (0x02c => pub line_control: ReadWrite<u32>),
        (0x030 => pub control: ReadWrite<u32>),
        (0x034 => @END),
    },
    /// The Ethernet controller.
    pub Ethernet {
        (0x000 => pub interrupts: ReadWrite<u32>),
        (0x004 => pub interrupt_mask: ReadWrite<u32>),
        (0x008 => pub receive_control: ReadWrite<u32>),
        (0x00c => pub transmit_control: ReadWrite<u32>),
        (0x010 => pub data: ReadWrite<u32>),
        (0x014 => pub address: [ReadWrite<u32>; 2]),
        (0x01c => _0),
        (0x034 => pub packets: ReadOnly<u32>),
        (0x038 => pub transmission: ReadWrite<u32>),
        (0x03c => @END),
    }
}

// SAFETY, for all of these: the data sheet has a block of such registers at this address, which is
// aligned and there as long as the chip is; the types allow for nothing but volatile reads and writes
// of whole registers; none of those has an effect on the program's memory (there is no DMA); and
// there is one thread of execution, since the only interrupt handler uses none of them.

/// Clocks and power.
pub fn system_control() -> &'static SystemControl {
    unsafe { &*(0x400f_e000 as *const SystemControl) }
}

/// The pins A0 to A7.
pub fn port_a() -> &'static Port {
    unsafe { &*(0x4000_4000 as *const Port) }
}

/// The pins F0 to F7.
pub fn port_f() -> &'static Port {
    unsafe { &*(0x4002_5000 as *const Port) }
}

/// The first serial line.
pub fn uart() -> &'static Uart {
    unsafe { &*(0x4000_c000 as *const Uart) }
}

/// The Ethernet controller.
pub fn ethernet() -> &'static Ethernet {
    unsafe { &*(0x4004_8000 as *const Ethernet) }
}
