//! Reading the configuration again while the server runs.

use std::sync::Arc;

use campanile_core::server::Options;

use crate::{
    auth::Stamps,
    config::{Applies, Effective, Sources},
    log::Log,
};

/// A running server, whose configuration may change.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) sources: Sources,
    /// What is in force.
    pub(crate) effective: Effective,
    pub(crate) log: Arc<Log>,
    /// Of the lists of what is revoked, when they were wrong.
    pub(crate) tried: Stamps,
}

impl Live {
    /// Reads everything again, and puts in force what can change: the log's own options, and others by
    /// `reconfigure`. If anything is wrong, nothing changes.
    pub(crate) async fn reload(&mut self, reconfigure: &impl Fn(Options)) {
        let sources = self.sources.clone();
        // Elsewhere: a disk may be slow, and this thread serves connections.
        match smol::unblock(move || sources.load()).await {
            Ok(wanted) => self.adopt(wanted, reconfigure),
            Err(problems) => {
                for problem in problems {
                    self.log.not_reloaded(&problem);
                }
            }
        }
    }

    /// Whether there are files that may change without a signal.
    pub(crate) fn watches(&self) -> bool {
        let keys = self.effective.keys();
        keys.is_some_and(|keys| keys.may_change())
    }

    /// Reads the lists of what is revoked again if they have changed, and puts that in force by
    /// `reconfigure`. If anything is wrong, nothing changes.
    pub(crate) async fn reload_revoked(&mut self, reconfigure: &impl Fn(Options)) {
        let Some(keys) = self.effective.keys().cloned() else {
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
                self.effective.set_keys(keys);
                reconfigure(self.effective.options());
                self.log.revoked();
            }
            Some((stamps, Err(problem))) => {
                self.tried = stamps;
                self.log.not_reloaded(&problem);
            }
        }
    }

    fn adopt(&mut self, wanted: Effective, reconfigure: &impl Fn(Options)) {
        let before = self.effective.configuration().log;
        let changes = self.effective.adopt(wanted);
        let now = self.effective.configuration();
        reconfigure(self.effective.options());
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
