//! The admin address: what operators and their tools ask over HTTP, beside the server's own address.
//!
//! Plain threads that block, a few at most: what serves clients does not wait for them, and its
//! readiness queue is not theirs.

mod ages;
mod api;
mod http;
mod hubs;
mod metrics;
mod process;

use core::{net::SocketAddr, time::Duration};
use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::SystemTime,
};

use campanile_core::server::{Counters, Options};

use crate::{
    config::{Effective, Origin},
    log::Log,
    service::Passed,
};
use ages::Ages;
use http::{Method, Request, Response};
pub(crate) use hubs::{Hubs, Relay};
use metrics::Snapshot;

/// How many are answered at a time; others are dropped. A browser that opens the status page takes six, a
/// scraper one.
const CONNECTIONS: usize = 16;

/// How long accepting rests after a failure, such as when there are no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// What is served.
const PAGES: &[Page] = &[
    Page::get("/", "the status page, for people", |_, _| {
        Response::new("text/html; charset=utf-8", include_str!("page/index.html"))
    }),
    Page::get("/page.css", "how it looks", |_, _| {
        Response::new("text/css; charset=utf-8", include_str!("page/page.css"))
    }),
    Page::get("/page.js", "what it does", |_, _| {
        Response::new(SCRIPT, include_str!("page/page.js"))
    }),
    Page::get("/charts.js", "its charts", |_, _| {
        Response::new(SCRIPT, include_str!("page/charts.js"))
    }),
    Page::get("/icon.svg", "its icon", |_, _| {
        Response::new("image/svg+xml", include_str!("page/icon.svg"))
    }),
    Page::get(
        "/metrics",
        "what the server does, in numbers, for Prometheus and its kind",
        |pages, request| metrics::page(pages.snapshot(), request),
    ),
    Page::get("/api/status", "the same, for the status page", api::status),
    Page::get("/api/events", "the last lines of the log", api::events),
    Page::get(
        "/api/connections",
        "who is connected, and what each one subscribes to",
        api::connections,
    ),
    Page::post(
        "/api/publish",
        "publishes a notification for a test",
        api::publish,
    ),
    Page::post(
        "/api/explain",
        "tells who would receive a notification, and why others would not",
        api::explain,
    ),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Page {
    method: Method,
    path: &'static str,
    /// What it is, in a line.
    what: &'static str,
    make: Make,
}

type Make = fn(&Pages, &Request<'_>) -> Response;

impl Page {
    const fn get(path: &'static str, what: &'static str, make: Make) -> Self {
        Self {
            method: Method::Get,
            path,
            what,
            make,
        }
    }

    const fn post(path: &'static str, what: &'static str, make: Make) -> Self {
        Self {
            method: Method::Post,
            ..Self::get(path, what, make)
        }
    }

    /// Whether another web site may have a browser ask for it, who sees nothing of the answer: not for
    /// what takes time.
    fn is_for_anybody(&self) -> bool {
        !self.path.starts_with("/api/")
    }
}

/// What there is to know of the server that does not change by itself.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) runtime: &'static str,
    /// Where it serves.
    pub(crate) listen: SocketAddr,
    /// The settings in force.
    pub(crate) effective: Arc<Mutex<Effective>>,
}

/// What the pages tell of.
#[derive(Clone)]
struct Pages {
    hubs: Arc<dyn Hubs>,
    counters: Arc<Counters>,
    log: Arc<Log>,
    about: Arc<About>,
    ages: Arc<Ages>,
    started: SystemTime,
    hosts: Arc<[String]>,
    /// Held while somebody looks through the connections.
    looking: Arc<Mutex<()>>,
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
                    "{reason}, or do without metrics and status page: --admin-listen off"
                ))
            }
        }
    }

    /// Answers from now on, in a thread of its own; where there is none, `log` says so.
    pub(crate) fn start(
        self,
        hubs: Arc<dyn Hubs>,
        counters: &Arc<Counters>,
        about: About,
        log: &Arc<Log>,
    ) {
        let pages = Pages {
            hubs,
            counters: Arc::clone(counters),
            log: Arc::clone(log),
            about: Arc::new(about),
            ages: Arc::default(),
            started: SystemTime::now(),
            hosts: Arc::clone(&self.hosts),
            looking: Arc::default(),
        };
        let (ages, noted) = (Arc::clone(&pages.ages), Arc::clone(&pages.hubs));
        let noting = spawn(move || {
            loop {
                ages.note(SystemTime::now(), noted.readings().accepted);
                thread::sleep(ages::PACE);
            }
        });
        if let Err(error) = noting.and_then(|()| spawn(move || self.run(&pages))) {
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
        let Some(page) = PAGES.iter().find(|page| page.path == request.path) else {
            let mut text = "There is no such page. These there are:\n".to_owned();
            for page in PAGES {
                text.push_str(&format!("  {}  {}\n", page.path, page.what));
            }
            return Response::text(404, text);
        };
        if page.method != request.method {
            return Response::wrong_method(page.method);
        }
        if request.is_foreign && !page.is_for_anybody() {
            return http::foreign();
        }
        (page.make)(self, request)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            readings: self.hubs.readings(),
            shards: self.hubs.count(),
            counters: Arc::clone(&self.counters),
            started: self.started,
            process: process::measure(),
        }
    }

    /// How the server serves at the moment.
    fn options(&self) -> Options {
        let effective = self.about.effective.lock();
        let effective = effective.unwrap_or_else(PoisonError::into_inner);
        effective.options()
    }

    /// Does `look` while nobody else looks through the connections: so however many ask, the hubs are
    /// held up by one.
    fn alone<T>(&self, look: impl FnOnce() -> T) -> T {
        let _alone = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        look()
    }
}
