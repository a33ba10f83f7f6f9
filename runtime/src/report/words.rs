//! How things are said: durations, sizes, the system's errors, and text that others wrote.

use std::{borrow::Cow, time::Duration};

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
    printable(&cut(text, LONGEST))
}

/// A text that is no longer than this, in bytes, but for the dots that say that there was more.
pub fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return text.into();
    }
    (text[..text.floor_char_boundary(longest)].to_owned() + "...").into()
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
