//! What `doctor` is given: files or stdin, as JSON or YAML, with one object in it or many.

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use std::{
    fs::File,
    io::{IsTerminal as _, Read, stdin},
    path::{Path, PathBuf},
};
use wrapper::report::os_words;

/// The most that is read: a cluster of ten thousand pods prints about as much.
const LONGEST: u64 = 64 << 20;

const EXPECTED: &str = "what `kubectl get job,pod -o json` prints, or manifests as YAML";

/// All objects of all files, in their order; those of a list one by one.
pub fn read(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    if files.is_empty() && stdin().is_terminal() {
        bail!("nothing is given: pipe `kubectl get job,pod -o json` into this, or name the files of manifests");
    }
    let alone = [PathBuf::from("-")];
    for path in if files.is_empty() { &alone } else { files } {
        let (name, bytes) = match path.to_str() {
            Some("-") => ("stdin".to_owned(), bounded(stdin().lock())),
            _ => (path.display().to_string(), open(path).and_then(bounded)),
        };
        let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
        let text = String::from_utf8(bytes).map_err(|_| anyhow!("{name} is not UTF-8; expected is {EXPECTED}"))?;
        for value in values(text.strip_prefix('\u{feff}').unwrap_or(&text), &name)? {
            flatten(value, &mut objects);
        }
    }
    Ok(objects)
}

fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|error| anyhow!(os_words(&error)))?;
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        bail!("it is a folder; name the files in it");
    }
    Ok(file)
}

fn bounded(from: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| anyhow!(os_words(&error)))?;
    if bytes.len() as u64 > LONGEST {
        bail!("it has more than {} MiB; give it in parts, such as one namespace at a time", LONGEST >> 20);
    }
    Ok(bytes)
}

/// The documents of a text. JSON is read as such, as its errors are clearer then, and YAML has bounds that a large list exceeds.
fn values(text: &str, name: &str) -> Result<Vec<Value>> {
    let values = if text.trim_start().starts_with(['{', '[']) {
        let read = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
        // A manifest that begins with a brace may be YAML as well.
        match read {
            Ok(values) => values,
            Err(error) => yaml(text).map_err(|_| anyhow!("{name} is not JSON: {error}; expected is {EXPECTED}"))?,
        }
    } else {
        yaml(text).map_err(|error| {
            let error = error.lines().next().unwrap_or_default().to_owned();
            anyhow!("{name} is not YAML: {error}; expected is {EXPECTED}")
        })?
    };
    let values: Vec<_> = values.into_iter().filter(|value| !value.is_null()).collect();
    if values.is_empty() {
        bail!("{name} is empty; expected is {EXPECTED}");
    }
    if !values.iter().any(|value| value.is_object() || value.is_array()) {
        bail!("{name} has no object of Kubernetes in it; expected is {EXPECTED}");
    }
    Ok(values)
}

fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 65_536,
            max_nodes: 8_000_000,
            max_events: 16_000_000,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

/// A list of objects, whatever its kind, is its items.
fn flatten(value: Value, objects: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| flatten(item, objects)),
        Value::Object(mut map) => match map.get_mut("items").map(Value::take) {
            // In a list of one kind the items do not repeat it.
            Some(Value::Array(items)) => {
                let kind = map.get("kind").and_then(Value::as_str).and_then(|kind| kind.strip_suffix("List"));
                for mut item in items {
                    if let (Some(kind), Value::Object(item)) = (kind.filter(|kind| !kind.is_empty()), &mut item) {
                        item.entry("kind").or_insert_with(|| kind.into());
                    }
                    flatten(item, objects);
                }
            }
            _ => objects.push(Value::Object(map)),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Vec<Value> {
        let mut objects = Vec::new();
        values(text, "stdin").unwrap().into_iter().for_each(|value| flatten(value, &mut objects));
        objects
    }

    #[test]
    fn lists_documents_and_both_languages_are_read() {
        let names = |text: &str| objects(text).iter().map(|object| object["kind"].to_string()).collect::<String>();
        assert_eq!(names(r#"{"kind":"List","items":[{"kind":"Job"},{"kind":"Pod"}]}"#), r#""Job""Pod""#);
        assert_eq!(names(r#"{"kind":"PodList","items":[{"metadata":{}}]}"#), r#""Pod""#);
        assert_eq!(names(r#"{"kind":"Job"} {"kind":"Pod"}"#), r#""Job""Pod""#);
        assert_eq!(names("# a comment\nkind: Job\n---\n---\nkind: Pod\n"), r#""Job""Pod""#);
        assert_eq!(names("{kind: Job, metadata: {name: a}}"), r#""Job""#);
        assert_eq!(names(r#"{"kind":"List","items":null}"#), r#""List""#);
    }

    #[test]
    fn aliases_that_grow_are_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (last, next) in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"].map(|pair| pair.split_at(1)) {
            text += &format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 10].join(", "));
        }
        assert!(values(&text, "stdin").is_err());
    }
}
