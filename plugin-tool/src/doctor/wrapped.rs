//! A container whose program is the wrapper, and what that is told: by the wrapper's own parsers.

use super::pod::{Container, Pod, Value};
use std::{ffi::OsString, path::PathBuf};
use wrapper::{
    cli::{Options, Preview},
    plugin::{PluginSpec, Source},
};

/// A wrapped container.
pub struct Wrapped<'a> {
    pub container: &'a Container,
    /// The path of the wrapper, if the pod tells it. Otherwise variables of the wrapper are the only sign of it.
    pub program: Option<&'a str>,
    /// What it is told, or what it would log and exit with 125.
    pub settings: Result<Settings, String>,
    /// Variables of the wrapper whose values the pod does not tell.
    pub unknown: Vec<String>,
}

/// What it is told.
pub struct Settings {
    pub options: Box<Options>,
    /// Where the account of the run goes.
    pub report: Option<PathBuf>,
    /// Whether the command line names the plugins.
    pub are_plugins_options: bool,
}

/// The name of the wrapper's file.
fn is_wrapper(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("wrapper" | "wrapper-slim"))
}

/// Where in a command line the wrapper is: at its beginning, or after another launcher's `--`.
fn position(words: &[&str]) -> Option<usize> {
    let at = words.iter().position(|word| is_wrapper(word))?;
    (at == 0 || words[at - 1] == "--").then_some(at)
}

impl<'a> Wrapped<'a> {
    /// The container as one that is wrapped, if it is.
    pub fn of(container: &'a Container, pod: &Pod) -> Option<Self> {
        let words: Vec<_> = container.words().collect();
        let at = position(&words);
        let is_told = |(name, _): &(String, Value)| name.starts_with("WRAPPER_") || name.starts_with("HOOK_");
        let is_hidden = container.command.is_empty() && container.env.iter().any(is_told);
        if at.is_none() && !is_hidden {
            return None;
        }
        let mut unknown = Vec::new();
        let words: Vec<OsString> = match at {
            Some(at) => words[at..]
                .iter()
                .map(|word| expanded(container, word).unwrap_or_else(|| (*word).to_owned()).into())
                .collect(),
            // What the image's ENTRYPOINT says is known to nobody here.
            None => ["wrapper", "job"].map(OsString::from).into(),
        };
        for (name, value) in &container.env {
            let is_known = match value {
                Value::Text(text) => expanded(container, text).is_some(),
                Value::Field(path) => pod.field(path).is_some(),
                Value::Elsewhere => false,
            };
            if name.starts_with("WRAPPER_") && !is_known {
                unknown.push(name.clone());
            }
        }
        let variable = |name: &str| match container.variable(name)? {
            Value::Text(text) => expanded(container, text).map(OsString::from),
            Value::Field(path) => pod.field(path).map(OsString::from),
            Value::Elsewhere => None,
        };
        let settings = match Preview::read(&words, variable) {
            Ok(Preview::Run { options, report, are_plugins_options, .. }) => {
                Ok(Settings { options, report, are_plugins_options })
            }
            // An install or a `--version`: not a job.
            Ok(Preview::Install(_) | Preview::Tell) => return None,
            Err(error) => Err(error),
        };
        Some(Self { container, program: at.and_then(|at| container.words().nth(at)), settings, unknown })
    }

    /// Whether the pod does not tell which plugins there are.
    pub fn are_plugins_unknown(&self) -> bool {
        let is_option = self.settings.as_ref().is_ok_and(|settings| settings.are_plugins_options);
        !is_option && self.unknown.iter().any(|name| name == "WRAPPER_PLUGIN_PATH")
    }

    /// The plugins, in their order.
    pub fn plugins(&self) -> &[PluginSpec] {
        self.settings.as_ref().map_or(&[], |settings| &settings.options.plugins)
    }
}

/// Where an init container installs the wrapper, if it does.
pub fn installs(container: &Container) -> Option<PathBuf> {
    let words: Vec<_> = container.words().collect();
    let words = match position(&words) {
        Some(at) => &words[at..],
        // The image's own ENTRYPOINT is the wrapper.
        None if container.command.is_empty() => &[&["wrapper"], &words[..]].concat(),
        None => return None,
    };
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    match Preview::read(&words, |_| None) {
        Ok(Preview::Install(path)) => Some(path),
        _ => None,
    }
}

/// A plugin's file, if it is one.
pub fn file(plugin: &PluginSpec) -> Option<&str> {
    match &plugin.source {
        Source::File(path) => path.to_str(),
        Source::BuiltIn(_) => None,
    }
}

/// A text in which the kubelet has put the values of variables, `$(NAME)`; nothing if the pod does not tell one of them.
fn expanded(container: &Container, text: &str) -> Option<String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done += &rest[..at];
        rest = &rest[at + 1..];
        if let Some(escaped) = rest.strip_prefix('$') {
            done.push('$');
            rest = escaped;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match container.variable(name) {
                Some(Value::Text(value)) => done += value,
                Some(_) => return None,
                // The kubelet leaves what it does not know.
                None if !container.has_env_from => done += &format!("$({name})"),
                None => return None,
            }
            rest = after;
        } else {
            done.push('$');
        }
    }
    Some(done + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_variables_are_put_in() {
        let env =
            [("A", Value::Text("1".to_owned())), ("B", Value::Elsewhere)].map(|(name, value)| (name.to_owned(), value));
        let container = Container { env: env.into(), ..Default::default() };
        for (text, expected) in [
            ("x", Some("x")),
            ("$(A)-$(A)", Some("1-1")),
            ("$(B)", None),
            ("$(C)", Some("$(C)")),
            ("$$(A)", Some("$(A)")),
            ("$A$(", Some("$A$(")),
        ] {
            assert_eq!(expanded(&container, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_wrapper_begins_the_command_or_comes_after_two_dashes() {
        assert_eq!(position(&["/bin/wrapper", "ls"]), Some(0));
        assert_eq!(position(&["/var/run/argo/argoexec", "emissary", "--", "/wrapper", "ls"]), Some(3));
        assert_eq!(position(&["ls", "wrapper"]), None);
        assert_eq!(position(&[]), None);
    }
}
