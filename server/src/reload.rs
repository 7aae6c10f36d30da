//! Reading the configuration again while the server runs.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use campanile_core::server::Options;
use campanile_tls::Server;

use crate::{
    auth::Stamps,
    config::{Applies, Effective, Sources},
    log::Log,
    tls,
};

/// A running server, whose configuration may change.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) sources: Sources,
    /// What is in force.
    pub(crate) effective: Arc<Mutex<Effective>>,
    pub(crate) log: Arc<Log>,
    /// The certificates, where there is TLS.
    pub(crate) tls: Option<Arc<Server>>,
    /// Of the lists of what is revoked, when they were wrong.
    pub(crate) tried: Stamps,
}

impl Live {
    /// Reads everything again, and puts in force what can change: the log's own options, and others by
    /// `reconfigure`. If anything is wrong, nothing changes; whether all is well.
    pub(crate) async fn reload(&self, reconfigure: &impl Fn(Options)) -> bool {
        let sources = self.sources.clone();
        // Elsewhere: a disk may be slow, and this thread serves connections.
        let server = self.tls.clone();
        let read = move || {
            let wanted = sources.load()?;
            if let Some(server) = server {
                tls::reload(&server, &wanted.configuration()).map_err(|problem| vec![problem])?;
            }
            Ok::<_, Vec<String>>(wanted)
        };
        match smol::unblock(read).await {
            Ok(wanted) => {
                self.adopt(wanted, reconfigure);
                true
            }
            Err(problems) => {
                for problem in problems {
                    self.log.not_reloaded(&problem);
                }
                false
            }
        }
    }

    /// How long the connections have when the server ends.
    pub(crate) fn time_to_end(&self) -> Duration {
        let options = self.effective().configuration().server;
        options.drain_window.saturating_add(options.drain_grace)
    }

    fn effective(&self) -> MutexGuard<'_, Effective> {
        self.effective
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are files that may change without a signal.
    pub(crate) fn watches(&self) -> bool {
        self.effective()
            .keys()
            .is_some_and(|keys| keys.may_change())
    }

    /// Reads the lists of what is revoked again if they have changed, and puts that in force by
    /// `reconfigure`. If anything is wrong, nothing changes.
    pub(crate) async fn reload_revoked(&mut self, reconfigure: &impl Fn(Options)) {
        let Some(keys) = self.effective().keys().cloned() else {
            return;
        };
        let tried = self.tried.clone();
        let read = smol::unblock(move || {
            let stamps = keys.stamps_now();
            let is_news = stamps != *keys.stamps() && stamps != tried;
            is_news.then(|| (stamps, keys.with_revoked()))
        });
        match read.await {
            None => {}
            Some((_, Ok(keys))) => {
                let options = {
                    let mut effective = self.effective();
                    effective.set_keys(keys);
                    effective.options()
                };
                reconfigure(options);
                self.log.revoked();
            }
            Some((stamps, Err(problem))) => {
                self.tried = stamps;
                self.log.not_reloaded(&problem);
            }
        }
    }

    fn adopt(&self, wanted: Effective, reconfigure: &impl Fn(Options)) {
        let (before, changes, now, options) = {
            let mut effective = self.effective();
            let before = effective.configuration().log;
            let changes = effective.adopt(wanted);
            (
                before,
                changes,
                effective.configuration(),
                effective.options(),
            )
        };
        reconfigure(options);
        // With the one of both levels that tells more, for who waits for what follows.
        let louder = before.level.max(now.log.level);
        self.log.reconfigure(&crate::log::Options {
            level: louder,
            ..now.log
        });
        let file = self.sources.file();
        let file = file.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let restart = changes
            .iter()
            .filter(|change| change.setting.applies == Applies::Restart)
            .count();
        self.log
            .reloaded(&file, changes.len().saturating_sub(restart), restart);
        for change in &changes {
            let setting = change.setting;
            let [from, to] = [&change.from, &change.to].map(|value| setting.kind.text(value));
            match setting.applies {
                Applies::Restart => self.log.needs_restart(setting.key, &from, &to),
                applies @ (Applies::Now | Applies::Later) => {
                    self.log
                        .changed(setting.key, &from, &to, applies.in_words())
                }
            }
        }
        self.log.reconfigure(&now.log);
    }
}
