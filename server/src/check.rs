//! `campanile check`: whether a configuration is valid, and what it comes to.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    cli::CheckArguments,
    config::{Sources, print_defaults, print_effective},
    tls,
};

/// The configuration is on standard output, what is wrong with it on standard error.
pub(crate) fn run(arguments: CheckArguments) -> ExitCode {
    let mut out = anstream::stdout().lock();
    let printed = if arguments.defaults {
        print_defaults(&mut out)
    } else {
        let checked = Sources::new(arguments.flags).load().and_then(|effective| {
            // Files that are named have to be there, and to be what they should be.
            match tls::load(&effective.configuration()) {
                Ok(_) => Ok(effective),
                Err(problem) => Err(vec![problem]),
            }
        });
        match checked {
            Ok(effective) => print_effective(&effective, &mut out),
            Err(problems) => return crate::refuse(&problems),
        }
    };
    match printed.and_then(|()| out.flush()) {
        // Who reads no further, such as `head`, has what it wants.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            crate::complain(&format!("cannot write the configuration: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
