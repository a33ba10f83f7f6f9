//! How things are said: durations, sizes, the system's errors, and text that others wrote.

use std::{borrow::Cow, time::Duration};

/// A duration as people read it: `1.6 ms`, `12.0 s`. In whole numbers: to print a fraction takes code and tables that a run has no
/// other use for.
pub fn millis(duration: Duration) -> String {
    let (unit, name) = if duration < Duration::from_secs(1) { (1_000_000, "ms") } else { (1_000_000_000, "s") };
    let tenths = (duration.as_nanos() * 10 + unit / 2) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// The longest piece of a guest's text in a line of log, in bytes as JSON has it.
pub const LONGEST: usize = 2 << 10;

/// A guest's text as one line of log: printable, and cut where it is long.
pub fn one_line(text: &str) -> String {
    // Most of what is longer would be made printable in vain.
    within(&printable(text.get(..text.floor_char_boundary(LONGEST + 1)).unwrap_or(text)), LONGEST).into_owned()
}

/// As much of a text as is no longer than this in JSON, in bytes between the quotes. Dots say that there was more.
pub fn within(text: &str, longest: usize) -> Cow<'_, str> {
    let (mut length, mut fits) = (0, 0);
    for (at, character) in text.char_indices() {
        length += length_in_json(character);
        if length > longest {
            return (text[..fits].to_owned() + DOTS).into();
        }
        if length + DOTS.len() <= longest {
            fits = at + character.len_utf8();
        }
    }
    text.into()
}

const DOTS: &str = "...";

/// How long a text is in JSON, in bytes between the quotes.
pub fn in_json(text: &str) -> usize {
    text.chars().map(length_in_json).sum()
}

fn length_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..' ' => 6,
        _ => character.len_utf8(),
    }
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
        // that reverse the text or letters without a shape (the Unicode property Default_Ignorable_Code_Point).
        let is_invisible = matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
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
        for invisible in [
            "\u{34f}",
            "\u{180e}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{2028}",
            "\u{202e}",
            "\u{ad}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{e0041}",
        ] {
            assert_eq!(printable(invisible), invisible.escape_default().to_string());
        }
        assert_eq!(printable("naïve 漢字 🦀"), "naïve 漢字 🦀");
    }

    #[test]
    fn what_is_too_long_for_json_is_cut_to_where_it_fits() {
        for text in ["", "a", "naïve 漢字 🦀", "\"", "\\", "\n\t\u{1}\u{1f} ", "\u{7f}"] {
            let text = text.repeat(50);
            let quoted = |text: &str| serde_json::Value::from(text).to_string().len() - 2;
            assert_eq!(in_json(&text), quoted(&text), "{text:?}");
            assert_eq!(within(&text, in_json(&text)), text);
            for longest in 3..in_json(&text) {
                let cut = within(&text, longest);
                assert!(quoted(&cut) <= longest && quoted(&cut) + 8 > longest && cut.ends_with("..."), "{cut:?}");
            }
        }
        assert!(in_json(&one_line(&"\u{1}\"".repeat(2_000))) <= LONGEST);
        assert_eq!(one_line(&"a".repeat(LONGEST)).len(), LONGEST);
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(millis(Duration::from_micros(1640)), "1.6 ms");
        assert_eq!(millis(Duration::from_secs(12)), "12.0 s");
    }
}
