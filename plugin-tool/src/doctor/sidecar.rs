//! Who a container is: by its name, its image and what an injector wrote. The knowledge is in the table of the built-in plugins.

use super::{
    pod::{Container, Value},
    subject::Subject,
};
use wrapper_guest_build::{
    marks::{MARKS, Marks, Setting},
    table::{Call, QUEUES, SIDECARS},
};

/// A sidecar that is in the pod or will be.
#[derive(Clone, Copy)]
pub struct Sidecar<'a> {
    pub marks: &'static Marks,
    /// Nothing if an injector has yet to add it.
    pub container: Option<&'a Container>,
    /// Whether the kubelet ends it.
    pub is_native: bool,
}

impl<'a> Sidecar<'a> {
    /// Those of a pod: what it has, and what an injector will add.
    pub fn all(subject: &'a Subject) -> Vec<Self> {
        let pod = &subject.pod;
        let here = |container: &'a Container, is_native| {
            MARKS.iter().find(|marks| is(marks, container)).map(|marks| Self {
                marks,
                container: Some(container),
                is_native,
            })
        };
        let plain = pod.containers.iter().filter_map(|container| here(container, false));
        let native = pod.init_containers.iter().filter(|container| container.is_native);
        let mut all: Vec<_> = plain.chain(native.filter_map(|container| here(container, true))).collect();
        // A pod in a cluster has what it was to have.
        if subject.pod.phase.is_none() {
            let is_here = |marks: &Marks| all.iter().any(|sidecar: &Self| sidecar.marks.rows == marks.rows);
            let missing: Vec<_> = MARKS.iter().filter(|marks| !is_here(marks) && is_wished(marks, subject)).collect();
            all.extend(missing.into_iter().map(|marks| {
                let is_native = marks.native.iter().any(|setting| has(setting, subject, None).is_some());
                Self { marks, container: None, is_native }
            }));
        }
        all
    }

    /// What people call it.
    pub fn title(&self) -> &'static str {
        let row = self.marks.rows.first().copied().unwrap_or_default();
        let sidecar = SIDECARS.iter().find(|sidecar| sidecar.name == row).map(|sidecar| sidecar.title);
        sidecar.or_else(|| QUEUES.iter().find(|queue| queue.name == row).map(|queue| queue.title)).unwrap_or(row)
    }

    /// Its container's name; the one that an injector will give it.
    pub fn name(&self) -> &'a str {
        self.container.map_or(self.marks.containers.first().copied().unwrap_or_default(), |container| &container.name)
    }

    /// The first of its rows that has such a call, and the call.
    fn call(
        &self,
        of: impl Fn(&'static wrapper_guest_build::table::Sidecar) -> Option<&'static Call>,
    ) -> Option<(&'static str, &'static Call)> {
        let mut rows = self.marks.rows.iter();
        rows.find_map(|row| {
            let sidecar = SIDECARS.iter().find(|sidecar| sidecar.name == *row)?;
            Some((sidecar.name, of(sidecar)?))
        })
    }

    /// How it is asked to quit, and the name of the row.
    pub fn quit(&self) -> Option<(&'static str, &'static Call)> {
        self.call(|sidecar| sidecar.quit.as_ref())
    }

    /// Whether there is a plugin that waits for it.
    pub fn wait(&self) -> Option<(&'static str, &'static Call)> {
        self.call(|sidecar| sidecar.wait.as_ref())
    }

    /// The port that a setting gives to its quit endpoint.
    pub fn port(&self, subject: &Subject) -> Option<u16> {
        self.marks.port.iter().find_map(|setting| port(&has(setting, subject, self.container)?))
    }

    /// Whether an injector has yet to decide if it is native.
    pub fn can_become_native(&self) -> bool {
        self.container.is_none() && self.marks.may_be_native && !self.is_native
    }

    /// Whether an injector adds it.
    pub fn is_injected(&self) -> bool {
        !self.marks.written.is_empty()
            && self.container.is_none_or(|own| self.marks.containers.contains(&own.name.as_str()))
    }
}

/// The last number of `127.0.0.1:9090` or `9090`.
fn port(text: &str) -> Option<u16> {
    text.rsplit(':').next()?.trim().parse().ok().filter(|port| *port != 0)
}

fn is(marks: &Marks, container: &Container) -> bool {
    if marks.containers.contains(&container.name.as_str()) {
        return true;
    }
    let has_word = || {
        marks.word.is_empty() || container.words().any(|word| word.split_whitespace().any(|word| word == marks.word))
    };
    marks.images.iter().any(|end| container.has_image(end)) && has_word()
}

/// Whether the pod or its namespace asks an injector for it. The pod's own word counts.
fn is_wished(marks: &Marks, subject: &Subject) -> bool {
    let asks = |settings: &[Setting]| settings.iter().any(|setting| has(setting, subject, None).is_some());
    let of_the_namespace = |setting: &Setting| match setting {
        Setting::Mark(key, wanted) => fits(subject.namespace_marks.get(*key).map(String::as_str), wanted).is_some(),
        _ => false,
    };
    !asks(marks.unless) && (asks(marks.wishes) || marks.wishes.iter().any(of_the_namespace))
}

/// The value of a setting, if the pod has it.
pub fn has(setting: &Setting, subject: &Subject, container: Option<&Container>) -> Option<String> {
    match setting {
        Setting::Mark(key, wanted) => fits(subject.pod.mark(key), wanted),
        Setting::Flag(flag) => self::flag(container?, flag),
        Setting::Variable(name, wanted) => match container?.variable(name)? {
            Value::Text(text) => fits(Some(text), wanted),
            _ => wanted.is_empty().then(String::new),
        },
        Setting::Image(end) => container?.has_image(end).then(String::new),
        Setting::Since(major, minor) => (container?.version()? >= (*major, *minor)).then(String::new),
    }
}

fn fits(value: Option<&str>, wanted: &str) -> Option<String> {
    const REFUSALS: [&str; 8] = ["", "false", "f", "disabled", "no", "n", "off", "0"];
    let value = value?;
    let fits = if wanted.is_empty() {
        !REFUSALS.iter().any(|refusal| value.eq_ignore_ascii_case(refusal))
    } else {
        value.eq_ignore_ascii_case(wanted)
    };
    fits.then(|| value.to_owned())
}

/// The value of an option, which may be the next word; empty if it has none. With one hyphen or two.
fn flag(container: &Container, flag: &str) -> Option<String> {
    let bare = flag.trim_start_matches('-');
    let mut words = container.words().flat_map(str::split_whitespace).peekable();
    while let Some(word) = words.next() {
        let word = word.trim_matches(['"', '\'']);
        let Some(rest) = word.strip_prefix('-').map(|rest| rest.strip_prefix('-').unwrap_or(rest)) else { continue };
        match rest.strip_prefix(bare) {
            Some("") => {
                return Some(
                    words
                        .peek()
                        .filter(|next| !next.starts_with('-'))
                        .map_or_else(String::new, |next| (*next).to_owned()),
                );
            }
            Some(value) if value.starts_with('=') => {
                let value = &value[1..];
                return (!value.eq_ignore_ascii_case("false")).then(|| value.to_owned());
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(args: &[&str]) -> Container {
        Container { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..Default::default() }
    }

    #[test]
    fn an_option_is_found_in_each_spelling() {
        for (args, expected) in [
            (&["--admin-port=9191"][..], Some("9191")),
            (&["-admin-port", "9191"], Some("9191")),
            (&["--admin-port", "--debug"], Some("")),
            (&["--admin-port=false"], None),
            (&["--admin-port-of-another=1"], None),
            (&["run --admin-port=1 x"], Some("1")),
            (&["admin-port"], None),
            (&[], None),
        ] {
            assert_eq!(flag(&container(args), "--admin-port").as_deref(), expected, "{args:?}");
        }
    }

    #[test]
    fn a_port_is_the_last_number() {
        assert_eq!(
            [port("9090"), port("127.0.0.1:9090"), port(":9091"), port("0"), port("x")],
            [Some(9090), Some(9090), Some(9091), None, None]
        );
    }
}
