//! The log, on stderr only: stdout belongs to the job. One line for each thing that happened.
//!
//! ```text
//! wrapper: started ls (pid 7)
//! wrapper: ls exited 0 after 2.1 ms
//! istio-quit: localhost:15020 answered 200: the sidecar quits
//! istio-quit: done in 1.6 ms
//! ```

use super::printable;
use crate::process::Stderr;
use std::{fmt, str::FromStr, sync::Mutex};
use tracing::{Event, Level, Metadata, Subscriber, field::Field, field::Visit};
use tracing_subscriber::{
    Layer as _,
    filter::filter_fn,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
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

/// Sends the log to stderr from now on.
pub fn init(format: LogFormat, level: LogLevel) {
    let level = Level::from(level);
    // The libraries' own remarks on a guest's requests are not for the user: ours are made in the client.
    let ours = filter_fn(move |event: &Metadata<'_>| *event.level() <= level && event.target().starts_with("wrapper"));
    let lines = tracing_subscriber::fmt::layer().with_writer(Mutex::new(Stderr::default()));
    let subscriber = tracing_subscriber::registry();
    let result = match format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(subscriber.with(lines.event_format(Text).with_filter(ours)))
        }
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_target(false);
            tracing::subscriber::set_global_default(subscriber.with(json.with_filter(ours)))
        }
    };
    result.expect("this is called once");
    // A fault of the wrapper's own is a line like any other, on a stderr that cannot hold it up. The job's code is kept.
    std::panic::set_hook(Box::new(|panic| tracing::error!("internal fault: {}", printable(&panic.to_string()))));
}

/// `NAME: MESSAGE`, with the level where it matters.
struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let plugin = if line.plugin.is_empty() { "wrapper" } else { &line.plugin };
        let level = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        writeln!(writer, "{plugin}: {level}{}", line.message)
    }
}

/// The two fields that a line of text shows.
#[derive(Default)]
struct Line {
    plugin: String,
    message: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            self.plugin = printable(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
