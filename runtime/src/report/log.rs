//! The log, on stderr only: stdout belongs to the job. One line for each thing that happened.
//!
//! ```text
//! wrapper: started ls (pid 7)
//! wrapper: ls exited 0 after 2.1 ms
//! istio-quit: localhost:15020 answered 200: the sidecar quits
//! istio-quit: done in 1.6 ms
//! ```

use super::{printable, words::within};
use crate::process::{LONGEST_LINE, Stderr, code};
use std::{
    fmt,
    io::Write as _,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `NAME: MESSAGE`, for people.
    #[default]
    Text,
    /// An object a line: timestamp, level, message, and plugin where it is a plugin's.
    Json,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what is not as it should be.
    Warn,
    /// And each thing that happened.
    #[default]
    Info,
    /// And each request, and each signal passed on.
    Debug,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, true).map_err(|_| format!("'{text}' is not a log format; write text or json"))
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, true)
            .map_err(|_| format!("'{text}' is not a log level; write error, warn, info or debug"))
    }
}

/// Whether the log is one of objects.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Sends the log to stderr from now on.
pub fn init(format: LogFormat, level: LogLevel) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    let log = Log { format, level: level.into(), stderr: Mutex::default() };
    tracing::subscriber::set_global_default(log).expect("this is called once");
    // A fault of the wrapper's own is a line like any other, on a stderr that cannot hold it up. The job's code is kept.
    std::panic::set_hook(Box::new(|panic| tracing::error!("internal fault: {}", printable(&panic.to_string()))));
}

/// What is left to do where there is no memory for so many bytes.
pub fn end_without_memory(size: usize) -> ! {
    end_at_once(format_args!("there is no memory for {size} bytes more"))
}

/// Ends the program with an error. Its line is made on the stack, and of little.
pub fn end_at_once(why: fmt::Arguments<'_>) -> ! {
    let (mut line, level) = ([0; 256], Level::ERROR);
    let length = line.len();
    let mut rest = line.as_mut_slice();
    // It has room.
    let written = if IS_JSON.load(Ordering::Relaxed) {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let start = format_args!("{{\"timestamp\":\"{now}\",\"level\":\"{level}\",\"message\":\"");
        writeln!(rest, "{start}{why}\"}}")
    } else {
        writeln!(rest, "wrapper: error: {why}")
    };
    let length = length - rest.len();
    drop(written.and_then(|()| Stderr::default().write_all(&line[..length])));
    std::process::exit(code::REFUSED.into());
}

/// Makes a line of each event. It keeps nothing, so that the start of a run does not pay for what only a server needs.
struct Log {
    format: LogFormat,
    level: Level,
    stderr: Mutex<Stderr>,
}

impl Subscriber for Log {
    fn register_callsite(&self, callsite: &'static Metadata<'static>) -> Interest {
        if self.enabled(callsite) { Interest::always() } else { Interest::never() }
    }

    /// The libraries' own remarks on a guest's requests are not for the user: ours are made in the client.
    fn enabled(&self, event: &Metadata<'_>) -> bool {
        !event.is_span() && *event.level() <= self.level && event.target().starts_with("wrapper")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        // Paths, names, words of others: whatever is told stays one line and moves no cursor.
        line.message = printable(&line.message);
        line.plugin = printable(&line.plugin);
        let level = *event.metadata().level();
        let text = match self.format {
            LogFormat::Text => line.text(level),
            LogFormat::Json => line.json(level),
        };
        // It never fails: there would be nowhere to report it to.
        drop(self.stderr.lock().unwrap_or_else(PoisonError::into_inner).write(text.as_bytes()));
    }

    // No spans are enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The two fields that a line shows.
#[derive(Default)]
struct Line {
    plugin: String,
    message: String,
}

impl Line {
    /// `NAME: MESSAGE`, with the level where it matters.
    fn text(&self, level: Level) -> String {
        let plugin = if self.plugin.is_empty() { "wrapper".into() } else { within(&self.plugin, NAME) };
        let level = match level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        let start = format!("{plugin}: {level}");
        let message = within(&self.message, LONGEST_LINE.saturating_sub(start.len() + 1));
        format!("{start}{message}\n")
    }

    /// What is always there comes first, and the message is cut to where all of the object fits into a line.
    fn json(&self, level: Level) -> String {
        const END: &str = "}\n";
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let plugin = if self.plugin.is_empty() {
            String::new()
        } else {
            format!("\"plugin\":{},", quoted(&within(&self.plugin, NAME)))
        };
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let start = format!("{{\"timestamp\":\"{now}\",\"level\":\"{level}\",{plugin}\"message\":");
        let message = within(&self.message, LONGEST_LINE.saturating_sub(start.len() + "\"\"".len() + END.len()));
        format!("{start}{}{END}", quoted(&message))
    }
}

/// The longest name of a plugin in a line, in bytes as JSON has it.
const NAME: usize = 256;

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            value.clone_into(&mut self.plugin);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
