//! What the wrapper says, on stderr only: stdout belongs to the job. One line for each thing that happened.
//!
//! ```text
//! wrapper: started ls (pid 7)
//! wrapper: ls exited 0 after 2.1 ms
//! istio-quit: localhost:15020 answered 200: the sidecar quits
//! istio-quit: done in 1.6 ms
//! ```

use crate::process::Stderr;
use std::{fmt, str::FromStr, sync::Mutex, time::Duration};
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

/// A duration as people read it: `1.6 ms`, `12.0 s`.
pub fn millis(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// The longest piece of a guest's text in a line of log, in bytes.
pub const LONGEST: usize = 2 << 10;

/// A guest's text as one line of log: printable, and cut where it is long.
pub fn one_line(text: &str) -> String {
    if text.len() <= LONGEST {
        return printable(text);
    }
    printable(&text[..text.floor_char_boundary(LONGEST)]) + "..."
}

/// A size as people read it: `64 MiB`, `1000 bytes`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

/// The system's words for an error, without the number that Rust adds.
pub fn os_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Text for a line of log: control characters escaped, so that a line stays one line and moves no cursor.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, character| {
        // Beside the control characters: separators that some viewers break lines at, and what cannot be seen, such as marks
        // that reverse the text (the Unicode category Cf, as far as no script needs it).
        let is_invisible = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        );
        if character.is_control() || is_invisible {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_moves_no_cursor() {
        assert_eq!(printable("a\nb\r\t\u{1b}[31mred\u{9b}\u{7f}"), "a\\nb\\r\\t\\u{1b}[31mred\\u{9b}\\u{7f}");
        for invisible in ["\u{2028}", "\u{202e}", "\u{ad}", "\u{200b}", "\u{2060}", "\u{feff}", "\u{e0041}"] {
            assert_eq!(printable(invisible), invisible.escape_default().to_string());
        }
        assert_eq!(printable("naïve 漢字 🦀"), "naïve 漢字 🦀");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(millis(Duration::from_micros(1640)), "1.6 ms");
        assert_eq!(millis(Duration::from_secs(12)), "12.0 s");
    }
}
