//! The length of a queue, from what its owner tells.
//!
//! | `what` | the answer | length |
//! |---|---|---|
//! | `/storage/chunks` | JSON | the number at this pointer (RFC 6901) |
//! | `queue_size`, `queue_size{exporter="otlp"}` | [Prometheus' text](https://prometheus.io/docs/instrumenting/exposition_formats/) | the sum of all samples of this name that have these labels |

use serde_json::Value;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So much, rounded up: a queue with a part of an item is not empty.
    Of(u64),
    /// It is not in there.
    Absent,
    /// It is no number.
    Invalid,
}

/// The length in an answer.
pub fn length(answer: &str, what: &str) -> Length {
    if !what.starts_with('/') {
        return of_samples(answer, what);
    }
    let Ok(json) = serde_json::from_str::<Value>(answer) else { return Length::Invalid };
    match json.pointer(what) {
        None => Length::Absent,
        Some(value) => value.as_f64().map_or(Length::Invalid, of_number),
    }
}

fn of_samples(answer: &str, what: &str) -> Length {
    let (name, wanted) = split_name(what.trim());
    let wanted = labels(wanted).0;
    let samples = answer.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (found, rest) = split_name(line);
        let (own, value) = labels(rest);
        let is_meant = found == name && wanted.iter().all(|label| own.contains(label));
        // What follows is a time, or an exemplar.
        is_meant.then(|| value.split_whitespace().next().and_then(|value| value.parse().ok()))
    });
    let values: Vec<Option<f64>> = samples.collect();
    let counted = |value: &Option<f64>| value.filter(|value| value.is_finite()).map(|value| value.max(0.0));
    match values.iter().map(counted).sum::<Option<f64>>() {
        _ if values.is_empty() => Length::Absent,
        None => Length::Invalid,
        Some(sum) => of_number(sum),
    }
}

/// A metric's name, and what follows it.
fn split_name(text: &str) -> (&str, &str) {
    text.find(|letter: char| letter == '{' || letter.is_whitespace()).map_or((text, ""), |end| text.split_at(end))
}

/// `a="b"` of `{a="b",c="d"} 1`, and what is after the brace. A value in quotes may have any character in it.
fn labels(text: &str) -> (Vec<&str>, &str) {
    let Some(inside) = text.strip_prefix('{') else { return (Vec::new(), text) };
    let (mut found, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, letter) in inside.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' | '}' if !is_quoted => {
                found.push(inside[start..at].trim());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|label| !label.is_empty());
    (found, &inside[start..])
}

fn of_number(number: f64) -> Length {
    if number.is_finite() { Length::Of(number.max(0.0).ceil() as u64) } else { Length::Invalid }
}

#[cfg(test)]
mod tests {
    use super::{Length::*, length};

    #[test]
    fn the_samples_of_a_metric_are_added_up() {
        let text = "# HELP queue_size The size\n# TYPE queue_size gauge\n\
                    queue_size{exporter=\"a/b\",data_type=\"logs\"} 3\nqueue_size{exporter=\"c\"} 0.5 1700000000\n\
                    queue_size_other 7\nplain 0\nodd NaN\nbraces{path=\"/{id},}\"} 2\n\
                    exemplar{a=\"b\"} 3 # {t=\"1\"} 0\ntwo{a=\"1\"} 5\ntwo{a=\"2\"} -5\nescaped{a=\"\\\"}\"} 6\n";
        for (what, expected) in [
            ("queue_size", Of(4)),
            ("queue_size{exporter=\"c\"}", Of(1)),
            ("queue_size{data_type=\"logs\", exporter=\"a/b\"}", Of(3)),
            ("queue_size{exporter=\"none\"}", Absent),
            ("plain", Of(0)),
            ("braces", Of(2)),
            ("braces{path=\"/{id},}\"}", Of(2)),
            ("exemplar", Of(3)),
            ("two", Of(5)),
            ("escaped", Of(6)),
            ("odd", Invalid),
            ("queue", Absent),
        ] {
            assert_eq!(length(text, what), expected, "{what}");
        }
        assert_eq!(length("", "queue_size"), Absent);
        assert_eq!(length("queue_size many", "queue_size"), Invalid);
    }

    #[test]
    fn a_pointer_leads_into_json() {
        let text = r#"{"storage_layer":{"chunks":{"total_chunks":2,"mem_chunks":"2"}}}"#;
        assert_eq!(length(text, "/storage_layer/chunks/total_chunks"), Of(2));
        assert_eq!(length(text, "/storage_layer/chunks/fs_chunks"), Absent);
        assert_eq!(length(text, "/storage_layer/chunks/mem_chunks"), Invalid);
        assert_eq!(length("no json", "/a"), Invalid);
    }
}
