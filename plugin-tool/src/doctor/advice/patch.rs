//! A patch of a pod's template, to be merged into it.

use crate::doctor::yaml::{Yaml, quoted};

/// The parts of a patch.
#[derive(Default)]
pub struct Patch {
    pub notes: Vec<String>,
    pub annotations: Vec<(String, String)>,
    pub termination_seconds: Option<u64>,
    pub containers: Vec<Change>,
}

/// What changes in a container.
pub struct Change {
    name: String,
    pub command: Option<String>,
    pub args: Option<String>,
    /// The name, and the rest of the item.
    env: Vec<(String, String)>,
}

impl Patch {
    /// The changes of this container.
    pub fn container(&mut self, name: &str) -> &mut Change {
        let at = self.containers.iter().position(|change| change.name == name).unwrap_or_else(|| {
            self.containers.push(Change { name: name.to_owned(), command: None, args: None, env: Vec::new() });
            self.containers.len() - 1
        });
        &mut self.containers[at]
    }
}

impl Change {
    /// Sets a variable, to the rest of its item.
    pub fn set(&mut self, name: String, value: String) {
        if !self.env.iter().any(|(known, _)| *known == name) {
            self.env.push((name, value));
        }
    }
}

/// The patch as YAML, below the fields of its path; nothing if it changes nothing.
pub fn write(patch: Patch, path: &[&str]) -> Option<String> {
    let Patch { notes, annotations, termination_seconds, containers } = patch;
    if annotations.is_empty() && termination_seconds.is_none() && containers.is_empty() {
        return None;
    }
    let mut yaml = Yaml::default();
    notes.iter().for_each(|note| yaml.line(&format!("# {note}")));
    let body = |yaml: &mut Yaml| {
        if !annotations.is_empty() {
            yaml.fields(&["metadata", "annotations"], |yaml| {
                annotations.iter().for_each(|(key, value)| yaml.line(&format!("{key}: \"{value}\"")));
            });
        }
        if termination_seconds.is_none() && containers.is_empty() {
            return;
        }
        yaml.field("spec", |yaml| {
            if let Some(seconds) = termination_seconds {
                yaml.line(&format!("terminationGracePeriodSeconds: {seconds}"));
            }
            if !containers.is_empty() {
                yaml.line("containers:");
                containers.iter().for_each(|change| write_container(yaml, change));
            }
        });
    };
    yaml.fields(path, body);
    Some(yaml.into_text())
}

fn write_container(yaml: &mut Yaml, change: &Change) {
    yaml.item(&format!("name: {}", quoted(&change.name)), |yaml| {
        for (name, words) in [("command", &change.command), ("args", &change.args)] {
            if let Some(words) = words {
                yaml.line(&format!("{name}: {words}"));
            }
        }
        if !change.env.is_empty() {
            yaml.line("env:");
            for (name, rest) in &change.env {
                yaml.item(&format!("name: {}", quoted(name)), |yaml| yaml.line(rest));
            }
        }
    });
}
