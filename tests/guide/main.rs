//! The documentation, run: every fenced block of every page, in order, as a reader would.
//!
//! A page is run by a reader who has a machine of their own: a network and processes that nobody else sees
//! (`unshare`), so that the ports on the page are the ports that are used; an empty folder; and `campanile`,
//! PHP, Node.js with `ws`, Python with `websockets`, curl and a browser installed. What is in a block is said by
//! the first word of its fence, and what to do with it by the others, which no reader of the page sees:
//!
//! | block | what is done |
//! | --- | --- |
//! | `sh` | runs to its end in `sh -eu`, and must succeed |
//! | `console` | each line behind `$ ` is run, and must say what is below it, where `…` stands for anything; `exit=N` is the last one's exit code |
//! | `console terminal=NAME` | its one command goes on running in that terminal, where what is below it must come |
//! | `text terminal=NAME` | must come in that terminal next; with `ctrl-c`, that is pressed before |
//! | `text terminal=NAME open=URL` | a browser opens it; the text must come on the page |
//! | any kind with `file=NAME` | is that file from now on, which some later block must use: programs are run by a command |
//! | `toml` | is a valid configuration, as `campanile check` says, or with `invalid` none |
//! | `json` | is strict JSON; messages of clients and of publishers are sent, and must be accepted, or refused with the code in `refused=CODE` |
//! | `sh not-run=WHY` | is not run; the reasons are [`page::NOT_RUN`] |
//! | `text` | is for the eye |
//!
//! Any other fence fails. Where such a machine cannot be made, or a tool is missing, the pages are ignored and a
//! line after the run says why; with `CI=true` they fail.

mod expected;
mod links;
mod markdown;
mod names;
mod page;
mod sizing;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use campanile_tests::{Daemon, tools};
use libtest_mimic::{Arguments, Failed, Trial};

/// The environment variable by which this program is started again on a machine of its own: the page to run,
/// or [`SIZING`].
const ROLE: &str = "CAMPANILE_GUIDE";

/// The role in which the formula is checked.
const SIZING: &str = "sizing";

/// Pages whose snippets are doctests of this package.
const DOCTESTS: &[&str] = &["docs/embedding.md", "docs/clients.md"];

/// Pages with nothing to run here, each with the reason.
const NOTHING_TO_RUN: &[(&str, &str)] = &[
    (
        "docs/benchmarks.md",
        "what it shows takes minutes, an idle machine and other hubs",
    ),
    (
        "docs/deployment.md",
        "it changes the machine that it runs on; tests/deploy tries what it says",
    ),
    ("docs/state-machine.md", "its drawing is made from the code"),
];

/// How many blocks may be marked as not run, on all pages together: few, and each new one is thought about.
const MOST_NOT_RUN: usize = 15;

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        if role == SIZING {
            sizing::check();
        } else {
            page::run(&role);
        }
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let obstacle = obstacle();
    let is_ignored = obstacle.is_some() && env::var("CI").as_deref() != Ok("true");
    let mut trials = vec![
        trial(
            "what_is_expected_is_what_is_accepted",
            expected::assert_sound,
        ),
        trial("every_link_leads_somewhere", links::check),
        trial("every_name_is_known", names::check),
        trial("every_page_is_run", every_page_is_run),
    ];
    let mut roles = pages_to_run();
    roles.push(SIZING.to_owned());
    for role in roles {
        let obstacle = obstacle.clone();
        let name = role.clone();
        let trial = Trial::test(name, move || match obstacle {
            Some(why) => Err(Failed::from(why)),
            None => on_a_machine_of_its_own(&role),
        });
        trials.push(trial.with_ignored_flag(is_ignored));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(why) = obstacle.filter(|_| is_ignored && !arguments.list) {
        eprintln!("skipped the pages: {why}");
    }
    conclusion.exit_code()
}

/// Every page of the documentation, as a path from the root of the checkout.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(tools::checkout().join("docs")).expect("the documentation is there");
    let names = docs.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pages: Vec<_> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

fn read(page: &str) -> String {
    fs::read_to_string(tools::checkout().join(page)).expect("the page is there")
}

fn has_blocks(page: &str) -> bool {
    !markdown::blocks(&read(page)).is_empty()
}

fn pages_to_run() -> Vec<String> {
    let is_excepted = |page: &String| {
        DOCTESTS.contains(&page.as_str()) || NOTHING_TO_RUN.iter().any(|(own, _)| own == page)
    };
    let mut pages = pages();
    pages.retain(|page| !is_excepted(page) && has_blocks(page));
    pages
}

/// Every exception is one, and what is not run is little.
fn every_page_is_run() {
    let doctests =
        fs::read_to_string(tools::checkout().join("tests/src/lib.rs")).expect("it is ours");
    for page in DOCTESTS {
        assert!(doctests.contains(page), "{page} is not among the doctests");
    }
    for (page, reason) in NOTHING_TO_RUN {
        assert!(
            has_blocks(page),
            "{page} is excepted, since {reason}, and has no blocks"
        );
    }
    let blocks = pages_to_run()
        .into_iter()
        .flat_map(|page| markdown::blocks(&read(&page)));
    let not_run = blocks
        .filter(|block| block.value("not-run").is_some())
        .count();
    assert!(not_run <= MOST_NOT_RUN, "{not_run} blocks are not run");
}

fn trial(name: &str, check: fn()) -> Trial {
    Trial::test(name, move || {
        check();
        Ok(())
    })
}

/// What keeps a machine of one's own from being made, or whom a page needs and who is not there.
fn obstacle() -> Option<String> {
    const REMEDY: &str = "install it with: sh tests/clients/install.sh";
    let needed = [
        tools::program("unshare"),
        tools::program("ip"),
        tools::php_with("curl"),
        tools::program("curl"),
        tools::node_with("ws"),
        tools::node_with("playwright-core"),
        tools::chromium(),
        tools::python_with_websockets(),
        tools::program("promtool"),
    ];
    if let Some(missing) = needed.into_iter().find_map(Result::err) {
        return Some(format!("{missing}; {REMEDY}"));
    }
    let tried = machine("true").output();
    let is_possible = tried.as_ref().is_ok_and(|output| output.status.success());
    (!is_possible).then(|| format!("no namespaces here, run the tests as root: {tried:?}"))
}

/// Starts `program` on a machine of its own, in which everything ends when it does.
fn machine(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    // Each client in these tests has a descriptor.
    command.args([
        "sh",
        "-c",
        "ulimit -n $(ulimit -Hn); ip link set lo up && exec \"$0\"",
    ]);
    command.arg(program.as_ref());
    command
}

fn on_a_machine_of_its_own(role: &str) -> Result<(), Failed> {
    let ourselves: PathBuf = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = machine(ourselves);
    command
        .env(ROLE, role)
        .env("CAMPANILE_BIN", Daemon::binary());
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failed::from(String::from_utf8_lossy(&said).into_owned()))
}
