//! What each session was told, held against the model.

use campanile_core::hub::Version;

use super::{Answer, EPOCH, Session, World, client::read_stream};

impl World {
    /// Whether a session was told all that it was to be told, and nothing else.
    pub(super) fn check(&self, session: &Session) {
        let mut frames = read_stream(&session.bytes, session.agreed);
        let mut answers = session.answers.iter();
        let mut pongs = session.pongs.iter();
        let mut news = session.news.iter();
        let (mut missed, mut place, mut slow) = (0, 0, session.is_slow);
        let mut close = None;
        while let Some((opcode, payload)) = frames.pop_front() {
            assert!(close.is_none(), "nothing follows a Close");
            match opcode {
                8 => close = Some(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
                10 => assert_eq!(Some(&payload), pongs.next()),
                1 => {
                    let text = String::from_utf8(payload).expect("a text is UTF-8");
                    if !self.is_news(&text, session.version) {
                        if slow && text.contains("\"slow_consumer\"") {
                            slow = false;
                            continue;
                        }
                        let answer = answers.next().expect("it was to be answered that");
                        self.check_answer(answer, &text);
                        continue;
                    }
                    loop {
                        let id = news.next().expect("it was to be told that");
                        let news = &self.news[*id];
                        if text == news.heard(session.version) {
                            assert!(news.place > place, "again, or late");
                            place = news.place;
                            break;
                        }
                        missed += 1;
                        assert!(missed <= session.dropped, "{text} and not {}", news.text);
                    }
                }
                _ => panic!("{opcode} is not for clients"),
            }
        }
        if let Some(Some(1013)) = close {
            assert!(session.is_slow);
        }
        if session.is_over {
            return;
        }
        assert_eq!(close, session.close.map(Some));
        assert!(answers.next().is_none());
        if !session.is_deaf {
            assert_eq!(missed + news.count(), session.dropped);
            assert!(pongs.next().is_none());
        }
    }

    fn is_news(&self, text: &str, version: Version) -> bool {
        self.news.iter().any(|news| news.heard(version) == text)
    }

    fn check_answer(&self, answer: &Answer, text: &str) {
        let place = |place: u64| format!("{EPOCH:012x}-{place:012x}");
        match answer {
            Answer::Pong => assert_eq!(text, r#"{"type":"pong"}"#),
            Answer::Error(code) => {
                let start = format!(r#"{{"sender":"server","error":{{"code":"{code}","#);
                assert!(text.starts_with(&start), "{text} and not {code}");
            }
            Answer::Subscribed(count, at) => {
                let place = place(at.expect("it has a place"));
                let body = format!(r#""subscribed":{{"count":{count},"position":"{place}"}}"#);
                assert_eq!(text, format!(r#"{{"sender":"server",{body}}}"#));
            }
            Answer::Published(id) => {
                let news = &self.news[*id];
                assert!(news.is_settled);
                let (place, count) = (place(news.place), news.recipients);
                let body = format!(r#""published":{{"position":"{place}","recipients":{count}}}"#);
                assert_eq!(text, format!(r#"{{"sender":"server",{body}}}"#));
            }
        }
    }
}
