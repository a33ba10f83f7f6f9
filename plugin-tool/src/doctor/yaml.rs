//! YAML for people to paste, a line at a time.

/// Lines, each as deep as it is.
#[derive(Default)]
pub struct Yaml {
    text: String,
    depth: usize,
}

impl Yaml {
    /// One line.
    pub fn line(&mut self, line: &str) {
        self.text += &"  ".repeat(self.depth);
        self.text += line;
        self.text.push('\n');
    }

    /// A field, and what is below it.
    pub fn field(&mut self, name: &str, below: impl FnOnce(&mut Self)) {
        self.line(&format!("{name}:"));
        self.depth += 1;
        below(self);
        self.depth -= 1;
    }

    /// The same below several names, one below the other.
    pub fn fields(&mut self, names: &[&str], below: impl FnOnce(&mut Self)) {
        names.iter().for_each(|name| {
            self.line(&format!("{name}:"));
            self.depth += 1;
        });
        below(self);
        self.depth -= names.len();
    }

    /// An item of a list of maps, by its first field.
    pub fn item(&mut self, first: &str, below: impl FnOnce(&mut Self)) {
        self.line(&format!("- {first}"));
        self.depth += 1;
        below(self);
        self.depth -= 1;
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// A text as a scalar that every reader of YAML takes for that text, in ASCII.
pub fn quoted(text: &str) -> String {
    const OTHERS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    let is_word =
        text.bytes().all(is_plain) && text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/');
    if is_word && !OTHERS.iter().any(|other| text.eq_ignore_ascii_case(other)) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            ' '..='~' => quoted.push(letter),
            _ => quoted += &format!("\\U{:08X}", u32::from(letter)),
        }
    }
    quoted + "\""
}

/// Texts as a list in one line.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_that_text() {
        for text in [
            "/wrapper",
            "my-job",
            "true",
            "No",
            "",
            "-c",
            "12",
            "a: b",
            "x\n\"\\\u{202e}ü\u{1f600}",
            "# no",
            "1e3",
            "~",
            "a b",
            "{x}",
        ] {
            let read: Vec<serde_json::Value> = serde_saphyr::from_multiple(&format!("a: {}\n", quoted(text))).unwrap();
            assert_eq!(read[0]["a"], text, "{}", quoted(text));
            assert!(quoted(text).is_ascii());
        }
    }
}
