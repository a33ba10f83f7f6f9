//! Fields of an object that somebody else wrote. A field that is missing, null or of another type counts as not there: a cluster
//! has more to say of it than this tool.

use serde_json::Value;
use std::collections::BTreeMap;

/// The value at the end of these names, if it is there.
pub fn at<'a>(value: &'a Value, names: &[&str]) -> &'a Value {
    names.iter().fold(value, |value, name| &value[*name])
}

/// A text.
pub fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// The items of a list.
pub fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten().filter(|item| item.is_object())
}

/// A list of texts. A number or a truth that was to be quoted is one.
pub fn texts(value: &Value, name: &str) -> Vec<String> {
    value[name].as_array().into_iter().flatten().filter_map(scalar).collect()
}

/// Names and their values.
pub fn map(value: &Value, name: &str) -> BTreeMap<String, String> {
    let pairs = value[name].as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect()
}

/// A value as text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A number that is not below zero.
pub fn number(value: &Value, name: &str) -> Option<u64> {
    value[name].as_u64()
}

/// A quantity of bytes as Kubernetes writes it, such as `256Mi` or `1G`.
pub fn bytes(value: &Value) -> Option<u64> {
    let text = scalar(value)?;
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "m" => 1e-3,
        "" => 1.,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.,
        "Mi" => 1024. * 1024.,
        "Gi" => 1024. * 1024. * 1024.,
        "Ti" => 1024. * 1024. * 1024. * 1024.,
        _ => {
            return text
                .parse::<f64>()
                .ok()
                .filter(|bytes| bytes.is_finite() && *bytes >= 0.)
                .map(|bytes| bytes as u64);
        }
    };
    number.parse::<f64>().ok().map(|number| (number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (written, expected) in [
            (json!("256Mi"), Some(256 << 20)),
            (json!("1.5Gi"), Some(3 << 29)),
            (json!("1G"), Some(1_000_000_000)),
            (json!(134_217_728), Some(134_217_728)),
            (json!("128e6"), Some(128_000_000)),
            (json!("1000m"), Some(1)),
            (json!("much"), None),
            (json!(null), None),
            (json!(["1Mi"]), None),
        ] {
            assert_eq!(bytes(&written), expected, "{written}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_not_there() {
        let odd = json!({ "list": 3, "map": ["x"], "text": {}, "mixed": ["a", 1, null, {}], "number": -1 });
        assert_eq!((list(&odd, "list").count(), map(&odd, "map").len()), (0, 0));
        assert_eq!((text(&odd, "text"), number(&odd, "number")), (None, None));
        assert_eq!(texts(&odd, "mixed"), ["a", "1"]);
        assert!(at(&json!("x"), &["a", "b"]).is_null() && at(&json!([]), &["a"]).is_null());
    }
}
