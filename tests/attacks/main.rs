//! Hostile clients: a corpus of attacks, each with what must come of it, thrown at running daemons one
//! family at a time, and all of it at one daemon that serves others meanwhile ([`fire`]).
//!
//! A further attack is one more entry in the table of its family; `docs/threat-model.md` names it by its name.

mod attack;
mod bytes;
mod compressed;
mod connections;
mod costs;
mod documents;
mod families;
mod fire;
mod floods;
mod network;
mod publishing;
mod requests;
mod sets;
mod slow;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list {
        network::enter();
        network::describe();
    }
    let mut trials: Vec<Trial> = families::FAMILIES.iter().map(families::trial).collect();
    trials.push(fire::trial());
    trials.push(costs::trial());
    trials.extend(documents::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
