//! The projects that `new` begins: each is one of examples/plugins, and other sources for the other worlds.

use crate::{World, new::Language};

/// A language's project.
pub struct Template {
    /// The language.
    pub name: &'static str,
    /// What a machine must have.
    pub needs: &'static str,
    /// Names that a project cannot have, as a file of it would be another's.
    reserved: &'static [&'static str],
    /// Files of every world.
    common: &'static [(&'static str, &'static str)],
    /// The name of the file with the hook, where the project is called `notify`.
    source: &'static str,
    /// The folder of that file, and the ending of its name.
    place: (&'static str, &'static str),
    /// A hook that runs after the job.
    after_exit: &'static str,
    /// One that runs before.
    before_start: &'static str,
    /// What joins both, where something has to.
    both: Option<&'static str>,
}

/// The name of the examples, which the project's name replaces.
const EXAMPLE: &str = "notify";

macro_rules! example {
    ($folder:literal, $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../examples/plugins/", $folder, "/", $file)))),+]
    };
}

const RUST: Template = Template {
    name: "Rust",
    needs: "Rust 1.95 or newer, as rustup installs it",
    reserved: &[],
    common: example!("rust", "Cargo.toml", "Cargo.lock", "Makefile", "README.md", ".gitignore"),
    source: "src/lib.rs",
    place: ("src/", "rs"),
    after_exit: include_str!("../../examples/plugins/rust/src/lib.rs"),
    before_start: include_str!("../templates/rust/gate.rs"),
    both: Some(include_str!("../templates/rust/lifecycle.rs")),
};

const C: Template = Template {
    name: "C",
    needs: "clang and lld, or else Python 3, which can fetch a compiler",
    reserved: &[],
    common: example!("c", "Makefile", "README.md", ".gitignore"),
    source: "notify.c",
    place: ("", "c"),
    after_exit: include_str!("../../examples/plugins/c/notify.c"),
    before_start: include_str!("../templates/c/gate.c"),
    both: Some(include_str!("../templates/c/lifecycle.c")),
};

const GO: Template = Template {
    name: "Go",
    needs: "Go 1.24 or newer",
    reserved: &["main", "vendor"],
    common: example!("go", "go.mod", "main.go", "Makefile", "README.md", ".gitignore"),
    source: "notify.go",
    place: ("", "go"),
    after_exit: include_str!("../../examples/plugins/go/notify.go"),
    before_start: include_str!("../templates/go/gate.go"),
    both: None,
};

const JAVASCRIPT: Template = Template {
    name: "JavaScript",
    needs: "Node.js and npm",
    reserved: &[],
    common: example!("javascript", "package.json", "Makefile", "README.md", ".gitignore"),
    source: "notify.js",
    place: ("", "js"),
    after_exit: include_str!("../../examples/plugins/javascript/notify.js"),
    before_start: include_str!("../templates/js/gate.js"),
    both: Some(include_str!("../templates/js/lifecycle.js")),
};

const PYTHON: Template = Template {
    name: "Python",
    needs: "Python 3.10 or newer with pip and venv",
    reserved: &[
        "abc",
        "after-exit",
        "asyncio",
        "before-start",
        "builtins",
        "codecs",
        "collections",
        "componentize-py-types",
        "dataclasses",
        "enum",
        "functools",
        "io",
        "json",
        "os",
        "re",
        "sys",
        "time",
        "traceback",
        "types",
        "typing",
        "wit-world",
    ],
    common: example!("python", "requirements.txt", "Makefile", "README.md", ".gitignore"),
    source: "notify.py",
    place: ("", "py"),
    after_exit: include_str!("../../examples/plugins/python/notify.py"),
    before_start: include_str!("../templates/python/gate.py"),
    both: Some(include_str!("../templates/python/lifecycle.py")),
};

/// The template of a language.
pub fn of(language: Language) -> &'static Template {
    match language {
        Language::Rust => &RUST,
        Language::C => &C,
        Language::Go => &GO,
        Language::Js => &JAVASCRIPT,
        Language::Python => &PYTHON,
    }
}

impl Template {
    /// Whether a project cannot have this name, as a part of it has.
    pub fn is_reserved(&self, name: &str) -> bool {
        let package = format!("name = \"{name}\"\n");
        let is_package = |(file, text): &(&str, &str)| *file == "Cargo.lock" && text.contains(&package);
        self.reserved.contains(&name) || name != EXAMPLE && self.common.iter().any(is_package)
    }

    /// The name of the file with the hook, or with what joins both.
    pub fn source(&self, name: &str) -> String {
        match self.place.1 {
            // A module's name is an identifier.
            "py" => self.source.replace(EXAMPLE, &name.replace('-', "_")),
            _ => self.source.replace(EXAMPLE, name),
        }
    }

    /// The files of a project of this name.
    pub fn files(&self, name: &str, world: World) -> Vec<(String, Vec<u8>)> {
        let (folder, ending) = self.place;
        let main = |text| (self.source(name), text);
        let sources = match world {
            World::Hook => vec![main(self.after_exit)],
            World::Gate => vec![main(self.before_start)],
            World::Lifecycle => {
                let part = |name, text| (format!("{folder}{name}.{ending}"), text);
                let parts = [part("before_start", self.before_start), part("after_exit", self.after_exit)];
                parts.into_iter().chain(self.both.map(main)).collect()
            }
        };
        let common = self.common.iter().map(|(file, text)| ((*file).to_owned(), *text));
        let fill_in =
            |text: &str| text.replace(EXAMPLE, name).replace("WORLD := hook\n", &format!("WORLD := {world}\n"));
        common.chain(sources).map(|(file, text)| (file, fill_in(text).into_bytes())).collect()
    }
}
