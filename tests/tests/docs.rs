//! What the documents say is so.

use std::{fs, path::Path};
use wrapper_tests::run;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The rows of the table under a heading.
fn rows<'a>(text: &'a str, header: &str) -> impl Iterator<Item = &'a str> {
    let table = text.split_once(header).unwrap_or_else(|| panic!("no table {header:?}")).1;
    table.lines().skip(2).take_while(|line| line.starts_with('|'))
}

/// What follows each of these words in a text, up to the end of the word.
fn words<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.match_indices(start)
        .filter(|(at, _)| *at == 0 || !is_part(text.as_bytes()[at - 1]))
        .map(|(at, _)| &text[at..at + text[at..].bytes().take_while(|byte| is_part(*byte)).count()])
        .filter(|word| word.len() > start.len())
        .collect()
}

#[test]
fn the_readme_lists_the_options_that_there_are() {
    let (help, readme) = (run(["--help"]).outcome().stdout, read("README.md"));
    for (start, but) in [("--", &["--help", "--version"][..]), ("WRAPPER_", &[])] {
        let mut described: Vec<_> =
            rows(&readme, "| option | variable |").filter_map(|row| words(row, start).first().copied()).collect();
        let mut real: Vec<_> = words(&help, start).into_iter().filter(|word| !but.contains(word)).collect();
        described.sort_unstable();
        real.sort_unstable();
        real.dedup();
        assert_eq!(described, real);
    }
}

#[test]
fn the_readme_and_the_help_name_the_same_variables_and_defaults() {
    let readme = read("README.md");
    let help = run(["--help"]).outcome().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for (variable, default) in [
        ("WRAPPER_PLUGIN_PATH", "istio-quit"),
        ("WRAPPER_HOOK_TIMEOUT", "20s"),
        ("WRAPPER_START_TIMEOUT", "60s"),
        ("WRAPPER_ON_HOOK_FAILURE", "ignore"),
        ("WRAPPER_LOG_FORMAT", "text"),
        ("WRAPPER_LOG", "info"),
    ] {
        let row = readme.lines().find(|line| line.contains(&format!("`{variable}`"))).expect(variable);
        assert!(row.contains(&format!("| `{default}` |")), "{row}");
        let rest = help.split(&format!("[env: {variable}")).skip(1).find(|rest| rest.starts_with([']', ',']));
        let described = rest.unwrap_or_else(|| panic!("{variable} is not in the help"));
        let described = described.split_once("[default: ").unwrap().1;
        assert!(described.starts_with(&format!("{default}]")), "{variable}: {described}");
    }
}

#[test]
fn the_help_and_the_page_name_the_same_built_ins() {
    let help = run(["--help"]).outcome().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed = help.split_once("Built-in plugins: ").unwrap().1.split_once('.').unwrap().0;
    let mut listed: Vec<_> = listed.split(", ").filter(|name| *name != "echo").map(str::to_owned).collect();
    let page = read("docs/sidecars.md");
    let mut described: Vec<_> = rows(&page, "| plugin | sidecar |")
        .chain(rows(&page, "| plugin | queue of |"))
        .map(|row| row.split('`').nth(1).unwrap().to_owned())
        .chain(["http-wait", "http-quit", "otlp-report"].map(str::to_owned))
        .collect();
    assert!(described.iter().all(|name| page.contains(&format!("`{name}`"))));
    listed.sort_unstable();
    described.sort_unstable();
    described.dedup();
    assert_eq!(listed, described);
}

#[test]
fn the_readme_lists_the_keys_of_a_plugin() {
    let readme = read("README.md");
    let keys: Vec<_> =
        rows(&readme, "| key | meaning |").map(|row| &row[3..row.find('=').expect("KEY=VALUE")]).collect();
    let outcome = run(["--plugin", "echo,no-such-key=1", "true"]).outcome();
    outcome.exits(125).says(&format!("there are {}", keys.join(", ")));
}

#[test]
fn the_plugin_in_the_readme_is_echo() {
    let readme = read("README.md");
    let code = readme.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(code, read("guest-plugins/echo/src/lib.rs"));
}

#[test]
fn the_make_targets_in_the_readme_exist() {
    let (readme, makefile) = (read("README.md"), read("Makefile"));
    let mut named: Vec<_> = readme.split(['`', '\n']).filter_map(|text| text.strip_prefix("make ")).collect();
    named.iter_mut().for_each(|name| *name = name.split_whitespace().next().unwrap());
    assert!(named.contains(&"demo") && named.contains(&"test"), "{named:?}");
    for name in named {
        assert!(makefile.contains(&format!("\n{name}:")), "make {name}");
    }
}

#[test]
fn the_plugins_that_the_documents_give_as_examples_can_be_had() {
    let mut specs = Vec::new();
    for document in ["README.md", "docs/sidecars.md", "docs/migration.md"] {
        let text = read(document).replace("\\\n", " ");
        let is_end = |end: char| end.is_whitespace() || matches!(end, '`' | ';');
        for (_, rest) in text.match_indices("--plugin ").map(|(at, start)| text.split_at(at + start.len())) {
            specs.push(rest.split(is_end).next().unwrap().to_owned());
        }
        for (_, rest) in text.match_indices("WRAPPER_PLUGIN_PATH=").map(|(at, start)| text.split_at(at + start.len())) {
            specs.extend(rest.split(is_end).next().unwrap().split(':').map(str::to_owned));
        }
    }
    // Files that the reader is to make, and what stands for any.
    specs.retain(|spec| {
        !spec.contains(".wasm") && !spec.contains(".cwasm") && !matches!(spec.as_str(), "SPEC" | "FILE")
    });
    assert!(specs.len() > 20, "{specs:?}");
    for spec in specs {
        run(["--check", "--plugin", &spec]).outcome().exits(0);
    }
}

#[test]
fn the_variables_of_the_plugins_are_those_in_the_documents() {
    // The names that only an instance of a pattern has are made up in the code.
    let (page, mut code) = (read("docs/sidecars.md"), String::new());
    for (package, files) in [
        ("build", &["marks"][..]),
        ("common", &["table", "settings", "said", "target", "late"]),
        ("sidecars", &["lib", "quit", "wait"]),
        ("telemetry", &["lib", "drain", "otlp", "otlp/body", "otlp/resource"]),
    ] {
        for file in files {
            code += &read(&format!("guest-plugins/{package}/src/{file}.rs"));
        }
    }
    // The host reads whether there is a sidecar: HOOK_SIDECAR, or the variable of one that the table has.
    let is_of_a_sidecar = |name: &str| {
        let own = name.strip_prefix("HOOK_").and_then(|name| name.strip_suffix("_SIDECAR"));
        let is_in_the_table = |own: &str| code.contains(&format!("name: \"{}\"", own.to_lowercase().replace('_', "-")));
        name == "HOOK_SIDECAR" || own.is_some_and(|own| own == "OTLP" || is_in_the_table(own))
    };
    const PREFIXES: [&str; 4] = ["HOOK_", "OTEL_", "CSQL_", "DAPR_"];
    for name in PREFIXES.iter().flat_map(|prefix| words(&page, prefix)) {
        let key = name.rsplit('_').next().unwrap();
        let is_known = code.contains(name) || code.contains(&format!("(\"{key}\"")) || is_of_a_sidecar(name);
        assert!(is_known, "{name}");
    }
    for name in PREFIXES[..3].iter().flat_map(|prefix| words(&code, prefix)).filter(|name| !name.ends_with('_')) {
        assert!(page.contains(name), "{name}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let (manifest, page) = (read("runtime/Cargo.toml"), read("docs/dependencies.md"));
    let section = manifest.split_once("\n[dependencies]\n").unwrap().1.split("\n[").next().unwrap();
    let mut real: Vec<_> = section.lines().filter_map(|line| line.split([' ', '.']).next()).collect();
    let mut told: Vec<_> = rows(&page, "| crate | why |")
        .flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .collect();
    real.retain(|name| !name.is_empty());
    real.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, real);
}

#[test]
fn no_document_names_a_file_that_is_not_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    const DOCUMENTS: [&str; 15] = [
        "README.md",
        "SECURITY.md",
        "wit/README.md",
        "docs/benchmark.md",
        "docs/dependencies.md",
        "docs/doctor.md",
        "docs/init.md",
        "docs/init-comparison.md",
        "docs/kubernetes.md",
        "docs/migration.md",
        "docs/performance.md",
        "docs/report.md",
        "docs/sidecars.md",
        "docs/sizing.md",
        "examples/kubernetes/README.md",
    ];
    for document in DOCUMENTS {
        let folder = root.join(document).parent().unwrap().to_owned();
        for link in read(document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            assert!(link.starts_with("http") || folder.join(file).exists(), "{document} links to {link}");
        }
    }
}
