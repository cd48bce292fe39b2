//! Where log lines go: to standard error, as text or JSON, by a thread of their own.
//!
//! Whoever logs must not wait for whoever reads: a pipe that nobody empties would stop the threads
//! that acknowledge pushes. So a line goes into an inbox of [`LINES_MAX`]; if that is full, the line is
//! lost, and a later line says how many were. A push is never lost for its line.
//!
//! A line is one event and one line, whatever is in it: what would end a line early is written as an
//! escape, so that nobody can forge a line.
//!
//! What comes to a port and is no HTTP is an error to the HTTP server, a line each. Anybody can send it,
//! so it is told calmly and once a minute at most ([`Misread`]).

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use std::{mem, thread};

use anyhow::Context;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::log::{LogFormat, LogLevel, LogOptions};

/// Lines that wait to be written: some seconds of one a push at a rate that no sender reaches, in
/// about a megabyte.
const LINES_MAX: usize = 4_096;

/// How long the end waits for the lines that are left. If nobody reads them, they are lost.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Between two lines about what was no HTTP.
const MISREAD_EVERY: Duration = Duration::from_secs(60);

/// How the HTTP server begins its line about it.
const MISREAD_SIGN: &str = "stream error: request parse error";

/// The thread that writes; dropping it writes what is left.
pub(super) struct Logging {
    lines: Lines,
    ended: Receiver<()>,
}

/// Starts to log everything of ours from the level on, of the HTTP server only its trouble.
pub(super) fn start(options: LogOptions) -> anyhow::Result<Logging> {
    let logging = Logging::to(io::stderr()).context("cannot start the thread that logs")?;
    let level = options.level.filter();
    let levels = Targets::new()
        .with_default(level)
        .with_target("actix", level.min(LogLevel::Warn.filter()))
        .with_target("actix_server", level.min(LogLevel::Warn.filter()));
    let lines = logging.lines.clone();
    let registry = tracing_subscriber::registry().with(lines.clone().with_filter(levels.clone()));
    match options.format {
        LogFormat::Text => {
            let is_terminal = io::stderr().is_terminal();
            let layer = fmt::layer()
                .with_writer(lines)
                .with_ansi(is_terminal)
                .with_target(false);
            registry.with(layer.with_filter(levels)).init();
        }
        LogFormat::Json => {
            let layer = fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(lines)
                .with_target(false);
            registry.with(layer.with_filter(levels)).init();
        }
    }
    Ok(logging)
}

/// Runs a command whose log goes by `options`.
pub(super) fn with_logging(
    options: LogOptions,
    run: impl FnOnce() -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    // Until behind the command, so that its last lines are written before its error is told.
    let _logging = start(options)?;
    run()
}

impl Logging {
    fn to(mut out: impl Write + Send + 'static) -> io::Result<Logging> {
        let (sender, waiting) = sync_channel::<Message>(LINES_MAX);
        let (tell_end, ended) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Lines {
            sender,
            lost: Arc::clone(&lost),
        };
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || {
                let mut misread = Misread::default();
                for message in waiting {
                    let line = match message {
                        Message::Line(line) => line,
                        Message::Misread => {
                            misread.tell(Instant::now());
                            continue;
                        }
                        Message::End => break,
                    };
                    // Nobody is left to be told that a line could not be written.
                    let _ = out.write_all(&line);
                    let lost = lost.swap(0, Ordering::Relaxed);
                    if lost > 0 {
                        let _ = writeln!(
                            out,
                            "mpsink: {lost} log lines were lost: nobody read them in time"
                        );
                    }
                }
                let _ = out.flush();
                let _ = tell_end.try_send(());
            })?;
        Ok(Logging { lines, ended })
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let is_asked = self.lines.sender.try_send(Message::End).is_ok();
        if is_asked {
            let _ = self.ended.recv_timeout(END_WITHIN);
        }
    }
}

enum Message {
    Line(Vec<u8>),
    /// Something came that is no HTTP.
    Misread,
    End,
}

/// What came that is no HTTP, since it was told last.
#[derive(Default)]
struct Misread {
    times: u64,
    told_at: Option<Instant>,
}

impl Misread {
    /// Counts one, and returns how many there were if it is time to tell.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        let is_early = |told_at: Instant| now.duration_since(told_at) < MISREAD_EVERY;
        if self.told_at.is_some_and(is_early) {
            return None;
        }
        self.told_at = Some(now);
        Some(mem::take(&mut self.times))
    }

    fn tell(&mut self, now: Instant) {
        if let Some(times) = self.count(now) {
            tracing::info!(
                times,
                "what came to a port was no HTTP, and was answered 400: mostly TLS, which the proxy in \
                 front has to take off, or somebody who tries ports"
            );
        }
    }
}

/// Takes lines, each in one piece.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Keeps the HTTP server's own line about what is no HTTP from everybody, and has it told calmly.
impl<S: Subscriber> Layer<S> for Lines {
    fn event_enabled(&self, event: &Event<'_>, _: LayerContext<'_, S>) -> bool {
        if !event.metadata().target().starts_with("actix_http") {
            return true;
        }
        let mut sign = Sign::default();
        event.record(&mut sign);
        if sign.is_misread {
            // If there is no room, others are told of.
            let _ = self.sender.try_send(Message::Misread);
        }
        !sign.is_misread
    }
}

/// Looks for [`MISREAD_SIGN`].
#[derive(Default)]
struct Sign {
    is_misread: bool,
}

impl Visit for Sign {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.is_misread = format!("{value:?}").starts_with(MISREAD_SIGN);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match self.sender.try_send(Message::Line(one_line(event))) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns an event as one line.
fn one_line(event: &[u8]) -> Vec<u8> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    let mut line = Vec::with_capacity(event.len() + 1);
    for byte in event {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Writes into memory, and only what it is let.
    struct Gate {
        open: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
        reached: Sender<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.reached.send(());
            let _ = self.open.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let event = b"a push\nINFO forged\r\nINFO again\n";
        assert_eq!(one_line(event), b"a push\\nINFO forged\\r\\nINFO again\n");
        assert_eq!(one_line(b""), b"\n");
    }

    #[test]
    fn what_is_no_http_is_told_once_a_minute_with_how_often_it_came() {
        let mut misread = Misread::default();
        let noon = Instant::now();
        let told = [0, 1, 59, 60, 61, 200].map(|s| misread.count(noon + Duration::from_secs(s)));
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn nobody_waits_for_a_reader_that_has_stopped_and_lost_lines_are_counted() {
        let (let_through, open) = channel();
        let (reached, has_reached) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let gate = Gate {
            open,
            written: Arc::clone(&written),
            reached,
        };
        let logging = Logging::to(gate).unwrap();
        let mut lines = logging.lines.clone();
        // The first is being written, so the inbox is empty from now on and never again.
        lines.write_all(b"first\n").unwrap();
        has_reached.recv().unwrap();
        for _ in 0..LINES_MAX + 3 {
            lines.write_all(b"line\n").unwrap();
        }
        drop(let_through);
        drop(lines);
        // There is room again as soon as one was taken; ending goes behind all lines.
        let logging = logging;
        while logging.lines.sender.try_send(Message::End).is_err() {
            thread::yield_now();
        }
        logging.ended.recv_timeout(Duration::from_secs(30)).unwrap();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("line\n").count(), LINES_MAX);
        assert!(text.contains("mpsink: 3 log lines were lost"), "{text}");
    }
}
