//! A run, phase by phase.

use core::{cell::RefCell, time::Duration};
use std::{
    io::{self, Write as _},
    net::Ipv4Addr,
    process::{self, ExitCode},
    rc::Rc,
    time::Instant,
};

use campanile_smol::tls;
use rustix::process::{Resource, getrlimit};
use smol::{LocalExecutor, lock::Semaphore};

use super::{
    arguments::{Audience, BenchArguments},
    board::Board,
    client::{Client, Door},
    complain,
    message::{Template, subscription},
    plan::Plan,
    process::Process,
    progress::Progress,
    publisher::Publisher,
    report::{Delivery, Report, Setup, SetupCost},
    subscriber::Subscriber,
    target::{self, Target},
};

/// How many clients connect at once: more would fill the queue of connections to be accepted of many a
/// server.
const AT_ONCE: usize = 100;

/// How many clients share an address to connect from: a fraction of its ports, since those of an
/// earlier run are in use for a minute still.
const PER_SOURCE: u64 = 8_000;

/// Descriptors that this program needs besides those of its connections.
const OTHER_DESCRIPTORS: u64 = 32;

/// How much longer a delivery is than the message: the position with its name (the protocol, section
/// 6), and all that a server says of itself.
const AROUND: u64 = 4096;

/// How long the server may take for the closing handshakes; they are not judged.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to be done, with all the arguments checked.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    arguments: &'a BenchArguments,
    /// The value of `Authorization`, if there is one.
    authorization: Option<String>,
    target: Target,
    /// Whom to trust, where that is of TLS.
    tls: Option<tls::Client>,
    page: String,
    sources: u16,
    server: Option<Process>,
    board: Rc<Board>,
}

/// What the phases found.
#[derive(Debug, Default)]
struct Results {
    setup: Option<Setup>,
    delivery: Option<Delivery>,
}

impl<'a> Run<'a> {
    /// Checks the arguments; the error is a line for a person.
    pub(crate) fn prepare(arguments: &'a BenchArguments) -> Result<Self, String> {
        let target = Target::parse(&arguments.url)?;
        let tls = arguments.tls.client(&target.url)?;
        let plan = Plan {
            clients: arguments.clients.get().into(),
            publishers: arguments.publishers.get().into(),
            notifications: if arguments.idle {
                0
            } else {
                arguments.notifications.get().into()
            },
            one: arguments.audience == Audience::One,
        };
        let page = arguments
            .page
            .clone()
            .unwrap_or_else(|| format!("run-{}", process::id()));
        let template =
            Template::new(&arguments.package, &page, arguments.size).map_err(|least| {
                format!(
                    "--size {}: a notification takes at least {least} bytes; give at least that",
                    arguments.size
                )
            })?;
        check_descriptors(&plan)?;
        let server = arguments.server_pid.map(Process::new);
        if let Some(server) = &server {
            server.cpu()?;
            server.memory()?;
        }
        let token = arguments.credentials.token()?;
        Ok(Self {
            arguments,
            authorization: token.map(|token| format!("Bearer {token}")),
            sources: sources(arguments, &target)?,
            target,
            tls,
            page,
            server,
            board: Rc::new(Board::new(plan, template, longest(arguments))),
        })
    }

    /// Does it, and tells what came of it.
    pub(crate) fn execute(&self) -> ExitCode {
        let mut results = Results::default();
        let executor = LocalExecutor::new();
        let outcome = smol::block_on(executor.run(self.phases(&executor, &mut results)));
        self.tell(&results, outcome.err())
    }

    async fn phases<'s>(
        &'s self,
        executor: &LocalExecutor<'s>,
        results: &mut Results,
    ) -> Result<(), String> {
        let mut progress = Progress::new();
        let outcome = async {
            let publishers = self.open_publishers().await?;
            let clients = self.connect(executor, &mut progress, results).await?;
            if !self.arguments.idle {
                self.deliver(executor, &mut progress, &publishers, &clients, results)
                    .await?;
            }
            self.settle(&mut progress, &clients).await?;
            self.part(&mut progress, &publishers, &clients).await;
            Ok(())
        };
        let outcome = outcome.await;
        progress.clear();
        outcome
    }

    fn door(&self, source: Option<Ipv4Addr>, v1: bool, deflate: bool) -> Door<'_> {
        Door {
            target: &self.target,
            tls: self.tls.as_ref(),
            source,
            v1,
            deflate,
            authorization: self.authorization.as_deref(),
            longest: longest(self.arguments),
        }
    }

    /// Publishers come first: that the server takes no publications is told before thousands connect.
    async fn open_publishers(&self) -> Result<Vec<Rc<Publisher>>, String> {
        let plan = self.board.plan;
        let mut publishers = Vec::new();
        if self.arguments.idle {
            return Ok(publishers);
        }
        let interval = Duration::from_secs(plan.publishers)
            .checked_div(self.arguments.rate)
            .unwrap_or_default();
        for number in 0..plan.publishers {
            let client = Client::open(self.door(None, true, false))
                .await
                .map_err(|reason| format!("publisher {number}: {reason}"))?;
            publishers.push(Rc::new(Publisher {
                number,
                client,
                window: self.arguments.window.get().into(),
                interval,
            }));
        }
        Ok(publishers)
    }

    /// Connects all clients and has them subscribe; they listen from then on.
    async fn connect<'s>(
        &'s self,
        executor: &LocalExecutor<'s>,
        progress: &mut Progress,
        results: &mut Results,
    ) -> Result<Vec<Rc<Subscriber>>, String> {
        let clients = self.board.plan.clients;
        let before = self.server_state()?;
        let start = Instant::now();
        let subscribers = Rc::new(RefCell::new(Vec::new()));
        let gate = Rc::new(Semaphore::new(AT_ONCE));
        self.board.start_phase(clients);
        progress.start("connected");
        for number in 0..clients {
            let (gate, subscribers) = (Rc::clone(&gate), Rc::clone(&subscribers));
            let task = async move {
                let turn = gate.acquire().await;
                let subscribed = self.subscribe(number).await;
                drop(turn);
                match subscribed {
                    Ok(subscriber) => {
                        let subscriber = Rc::new(subscriber);
                        subscribers.borrow_mut().push(Rc::clone(&subscriber));
                        self.board.count(1);
                        subscriber.listen(Rc::clone(&self.board)).await;
                    }
                    Err(reason) => self.board.fail(|| format!("client {number}: {reason}")),
                }
            };
            executor.spawn(task).detach();
        }
        self.reach(progress, |reached| {
            format!("only {reached} of {clients} clients could connect and subscribe")
        })
        .await?;
        let took = start.elapsed();
        let cpu = self.server_state()?.map(|(cpu, _)| cpu);
        if self.arguments.idle {
            self.hold(progress).await?;
        }
        let server = match (before, cpu, self.server_state()?) {
            (Some(before), Some(cpu), Some(after)) => Some(SetupCost {
                cpu: cpu.saturating_sub(before.0),
                bytes: after.1.saturating_sub(before.1),
                memory: after.1,
            }),
            _ => None,
        };
        results.setup = Some(Setup { took, server });
        Ok(subscribers.take())
    }

    async fn subscribe(&self, number: u64) -> Result<Subscriber, String> {
        let BenchArguments {
            package,
            v1,
            deflate,
            ..
        } = self.arguments;
        let source = (self.sources > 1).then(|| {
            let turn = number % u64::from(self.sources);
            target::source(u16::try_from(turn).unwrap_or_default())
        });
        let client = Client::open(self.door(source, *v1, *deflate)).await?;
        let channel = self.board.plan.one.then_some(number);
        let subscription = subscription(package, &self.page, channel);
        Subscriber::subscribe(&self.board, number, client, *v1, &subscription).await
    }

    async fn hold(&self, progress: &mut Progress) -> Result<(), String> {
        self.board.start_phase(1);
        progress.start("holding the connections");
        let hold = Duration::from_secs(self.arguments.hold.into());
        let _ = self.board.wait(hold, progress).await;
        self.board.failure().map_or(Ok(()), Err)
    }

    /// Publishes everything, and waits until everything is delivered and answered.
    async fn deliver<'s>(
        &'s self,
        executor: &LocalExecutor<'s>,
        progress: &mut Progress,
        publishers: &[Rc<Publisher>],
        clients: &[Rc<Subscriber>],
        results: &mut Results,
    ) -> Result<(), String> {
        let board = &self.board;
        let this = Process::new(process::id());
        board.start_phase(board.plan.deliveries() + board.plan.notifications);
        progress.start("delivered and answered");
        let received = || clients.iter().map(|it| it.client.received()).sum::<u64>();
        let before = received();
        let (server, own, start) = (self.server_state()?, this.cpu()?, Instant::now());
        for publisher in publishers {
            let publisher = Rc::clone(publisher);
            executor.spawn(publisher.publish(Rc::clone(board))).detach();
        }
        let outcome = self
            .reach(progress, |reached| self.what_is_missing(reached, clients))
            .await;
        let took = start.elapsed();
        let server_cpu = match (server, self.server_state()) {
            (Some(before), Ok(Some(after))) => Some(after.0.saturating_sub(before.0)),
            _ => None,
        };
        results.delivery = Some(Delivery {
            published: board.published(),
            delivered: board.delivered.get(),
            took,
            received: received().saturating_sub(before),
            server_cpu,
            own_cpu: this.cpu()?.saturating_sub(own),
        });
        outcome
    }

    fn what_is_missing(&self, reached: u64, clients: &[Rc<Subscriber>]) -> String {
        let plan = self.board.plan;
        let (published, delivered) = (self.board.published(), self.board.delivered.get());
        let due = published * plan.recipients();
        let answers = reached.saturating_sub(delivered);
        let first = clients.iter().find_map(|client| {
            let (publisher, sequence) = client.ledger.borrow().first_missing()?;
            Some(format!(
                "; client {} waits for notification {sequence} of publisher {publisher}",
                client.number
            ))
        });
        let rest = match plan.notifications - published {
            0 => String::new(),
            rest => format!("; {rest} notifications had to wait for that"),
        };
        format!(
            "{} of {due} deliveries are lost, and {} of {published} publications unanswered{}{rest}",
            due.saturating_sub(delivered),
            published.saturating_sub(answers),
            first.unwrap_or_default()
        )
    }

    /// What comes before the answer to a last Ping is all that comes: nothing may be doubled.
    async fn settle(
        &self,
        progress: &mut Progress,
        clients: &[Rc<Subscriber>],
    ) -> Result<(), String> {
        self.board.start_phase(self.board.plan.clients);
        progress.start("heard to the end");
        for subscriber in clients {
            // One that is closed has said so itself.
            if subscriber.client.queue_ping().is_ok() {
                let _ = subscriber.client.flush().await;
            }
        }
        self.reach(progress, |reached| {
            format!(
                "only {reached} of {} clients had their last Ping answered",
                self.board.plan.clients
            )
        })
        .await
    }

    /// Ends the connections as it should be done; how the server takes it is not judged.
    async fn part(
        &self,
        progress: &mut Progress,
        publishers: &[Rc<Publisher>],
        clients: &[Rc<Subscriber>],
    ) {
        let publishers = publishers.iter().map(|publisher| &publisher.client);
        let clients = clients.iter().map(|subscriber| &subscriber.client);
        let all: Vec<_> = publishers.chain(clients).collect();
        self.board.start_phase(all.len() as u64);
        self.board.closing.set(true);
        progress.start("closed");
        for client in all {
            client.queue_close();
            let _ = client.write();
        }
        let _ = self.board.wait(FAREWELL, progress).await;
    }

    /// Waits until the phase has reached its goal. Where nothing happens for too long, `short` says of
    /// how far it came what that means.
    async fn reach(
        &self,
        progress: &mut Progress,
        short: impl FnOnce(u64) -> String,
    ) -> Result<(), String> {
        let seconds = self.arguments.patience.get();
        let patience = Duration::from_secs(seconds.into());
        if self.board.wait(patience, progress).await {
            return Ok(());
        }
        Err(self.board.failure().unwrap_or_else(|| {
            format!(
                "{}: nothing happened for {seconds} s; see what the server says, or give it more --patience",
                short(self.board.reached())
            )
        }))
    }

    /// The server's processor time and its memory, if they are to be told.
    fn server_state(&self) -> Result<Option<(Duration, u64)>, String> {
        let Some(server) = &self.server else {
            return Ok(None);
        };
        Ok(Some((server.cpu()?, server.memory()?)))
    }

    fn tell(&self, results: &Results, failure: Option<String>) -> ExitCode {
        let board = &self.board;
        let mut problems = Vec::from_iter(failure);
        problems.extend(board.faults.examples.borrow().iter().cloned());
        let latencies = board.latencies();
        let report = Report {
            url: &self.arguments.url,
            plan: board.plan,
            size: self.arguments.size,
            rate: self.arguments.rate,
            v1: self.arguments.v1,
            deflate: self.arguments.deflate,
            setup: results.setup,
            delivery: results.delivery,
            latencies: &latencies,
            faults: &board.faults,
            problems: &problems,
        };
        let text = if self.arguments.json {
            report.json()
        } else {
            report.text()
        };
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if let Err(error) = &written {
            complain(&format!("cannot write the results: {error}"));
        }
        for problem in &problems {
            complain(problem);
        }
        if report.is_well() && written.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// The longest message to expect.
const fn longest(arguments: &BenchArguments) -> u64 {
    (arguments.size as u64).saturating_add(AROUND)
}

/// Whether this program may have all the connections.
fn check_descriptors(plan: &Plan) -> Result<(), String> {
    let needed = plan.clients + plan.publishers + OTHER_DESCRIPTORS;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if needed > limit => Err(format!(
            "--clients {}: this program may open {limit} descriptors and needs {needed}; \
             raise that with `ulimit -n {needed}`, or take fewer clients",
            plan.clients
        )),
        _ => Ok(()),
    }
}

/// From how many addresses to connect.
fn sources(arguments: &BenchArguments, target: &Target) -> Result<u16, String> {
    let needed = u64::from(arguments.clients.get()).div_ceil(PER_SOURCE);
    match arguments.sources {
        Some(sources) if sources.get() > 1 && !target.is_loopback() => Err(format!(
            "--sources {sources}: this machine has more than one address only towards a server at \
             127.0.0.0/8, and this one is at {}; leave it out",
            target.address
        )),
        Some(sources) => Ok(sources.get()),
        None if target.is_loopback() => Ok(u16::try_from(needed).unwrap_or(u16::MAX)),
        None => Ok(1),
    }
}
