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
    let (name, wanted) = split_name(what);
    let wanted: Vec<_> = labels(wanted).collect();
    let samples = answer.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (found, rest) = split_name(line.trim());
        // The braces end at the last one: a label's value may have one in it.
        let (own, value) = rest.rsplit_once('}').unwrap_or(("", rest));
        let has = |label: &&str| labels(own).any(|own| own == *label);
        (found == name && wanted.iter().all(has))
            .then(|| value.split_whitespace().next().and_then(|value| value.parse().ok()))
    });
    let values: Vec<Option<f64>> = samples.collect();
    match values.iter().copied().sum::<Option<f64>>() {
        _ if values.is_empty() => Length::Absent,
        None => Length::Invalid,
        Some(sum) => of_number(sum),
    }
}

/// A metric's name, and what follows it.
fn split_name(text: &str) -> (&str, &str) {
    text.find(|letter: char| letter == '{' || letter.is_whitespace()).map_or((text, ""), |end| text.split_at(end))
}

/// `a="b"` of `{a="b",c="d"`.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    inside.split(',').map(str::trim).filter(|label| !label.is_empty())
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
                    queue_size_other 7\nplain 0\nodd NaN\nbraces{path=\"/{id}\"} 2\n";
        for (what, expected) in [
            ("queue_size", Of(4)),
            ("queue_size{exporter=\"c\"}", Of(1)),
            ("queue_size{data_type=\"logs\", exporter=\"a/b\"}", Of(3)),
            ("queue_size{exporter=\"none\"}", Absent),
            ("plain", Of(0)),
            ("braces", Of(2)),
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
