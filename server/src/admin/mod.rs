//! The admin address: what operators and their tools ask over HTTP, beside the server's own address.
//!
//! Plain threads that block, a few at most: what serves clients does not wait for them, and its
//! readiness queue is not theirs.

mod http;
mod metrics;
mod process;

use core::time::Duration;
use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::SystemTime,
};

use campanile_core::server::{Counters, Readings};

use crate::{
    config::{Effective, Origin},
    log::Log,
    service::Passed,
};
use http::{Request, Response};
use metrics::Snapshot;

/// How many are answered at a time; others are dropped. A scraper takes one, and a person another.
const CONNECTIONS: usize = 8;

/// How long accepting rests after a failure, such as when there are no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// What is served.
const PAGES: &[Page] = &[Page {
    path: "/metrics",
    what: "what the server does, in numbers, for Prometheus and its kind",
    make: |pages, request| metrics::page(pages.snapshot(), request),
}];

struct Page {
    path: &'static str,
    /// What it is, in a line.
    what: &'static str,
    make: fn(&Pages, &Request<'_>) -> Response,
}

/// Tells what the hubs do and hold, and how many there are.
pub(crate) type Show = Arc<dyn Fn() -> (Readings, usize) + Send + Sync>;

/// What the pages tell of.
#[derive(Clone)]
struct Pages {
    show: Show,
    counters: Arc<Counters>,
    started: SystemTime,
    hosts: Arc<[String]>,
}

/// The admin address, taken.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    /// The names by which it may be asked, beside addresses.
    hosts: Arc<[String]>,
}

impl Admin {
    /// Takes the admin address, if one is wanted. Where that is the default, and another server on this
    /// machine has it already, there is none, and `log` says so: a second server should start
    /// without further ado. A socket that was `passed` goes before the address, but not before the wish
    /// for none.
    ///
    /// # Errors
    /// The address cannot be had; in a line for the person who started the server.
    pub(crate) fn bind(
        effective: &Effective,
        passed: Option<Passed>,
        log: &Log,
    ) -> Result<Option<Self>, String> {
        let configuration = effective.configuration();
        let hosts = configuration.admin_hosts.into();
        let Some(address) = configuration.admin else {
            if passed.is_some() {
                log.no_admin("it is off; the socket that was passed for it answers nobody");
            }
            return Ok(None);
        };
        if let Some(passed) = passed {
            passed.replaces(effective, "admin.listen", log);
            let Passed { listener, address } = passed;
            listener.set_nonblocking(false).map_err(|error| {
                format!("cannot wait for connections on {address}, which was passed: {error}")
            })?;
            log.admin_listening(address);
            return Ok(Some(Self { listener, hosts }));
        }
        let is_default = effective.iter().any(|(setting, _, origin)| {
            setting.key == "admin.listen" && *origin == Origin::Default
        });
        match TcpListener::bind(address) {
            Ok(listener) => {
                log.admin_listening(listener.local_addr().unwrap_or(address));
                Ok(Some(Self { listener, hosts }))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_default => {
                log.no_admin("the address is in use");
                Ok(None)
            }
            Err(error) => {
                let reason = crate::refusal_to_listen(address, &error, "--admin-listen");
                Err(format!(
                    "{reason}, or do without metrics: --admin-listen off"
                ))
            }
        }
    }

    /// Answers from now on, in a thread of its own; where there is none, `log` says so.
    pub(crate) fn start(self, show: Show, counters: &Arc<Counters>, log: &Log) {
        let pages = Pages {
            show,
            counters: Arc::clone(counters),
            started: SystemTime::now(),
            hosts: Arc::clone(&self.hosts),
        };
        if let Err(error) = spawn(move || self.run(&pages)) {
            log.no_admin(&error.to_string());
        }
    }

    fn run(&self, pages: &Pages) {
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((socket, _)) = self.listener.accept() else {
                thread::sleep(REST);
                continue;
            };
            // Only this thread adds.
            if busy.load(Ordering::Acquire) >= CONNECTIONS {
                continue;
            }
            busy.fetch_add(1, Ordering::AcqRel);
            let (place, pages) = (Place(Arc::clone(&busy)), pages.clone());
            // Where there is no thread for it, it is dropped, with its place.
            let _ = spawn(move || {
                pages.answer(&socket);
                drop(place);
            });
        }
    }
}

/// One of those that are answered.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("admin".to_owned());
    thread.spawn(work).map(drop)
}

impl Pages {
    /// Who has gone, or does not read, needs no answer.
    fn answer(&self, socket: &TcpStream) {
        let _ = http::exchange(socket, &self.hosts, |request| self.page(request));
    }

    fn page(&self, request: &Request<'_>) -> Response {
        if let Some(page) = PAGES.iter().find(|page| page.path == request.path) {
            return (page.make)(self, request);
        }
        let mut text = "There is no such page. These there are:\n".to_owned();
        for page in PAGES {
            text.push_str(&format!("  {}  {}\n", page.path, page.what));
        }
        Response::text(404, text)
    }

    fn snapshot(&self) -> Snapshot {
        let (readings, shards) = (self.show)();
        Snapshot {
            readings,
            shards,
            counters: Arc::clone(&self.counters),
            started: self.started,
            process: process::measure(),
        }
    }
}
