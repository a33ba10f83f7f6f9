//! The table of `docs/sidecars.md` is that of the code. With SIDECARS_PAGE set it is written there.

use sidecars::table::{Call, SIDECARS, Sidecar};
use std::{env, fmt::Write as _, fs, path::PathBuf};

const BEGIN: &str = "|---|---|---|---|\n";
const END: &str = "<!-- The end of the table. -->";

#[test]
fn the_page_has_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sidecars.md");
    let text = fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let real = format!("{before}{BEGIN}{}{END}{after}", rows());
    match env::var_os("SIDECARS_PAGE") {
        Some(page) => fs::write(PathBuf::from(page), real).unwrap(),
        None => assert_eq!(text, real, "run `make sidecars-table`"),
    }
}

fn rows() -> String {
    let mut rows = String::new();
    for sidecar in SIDECARS {
        for (kind, call) in [("wait", &sidecar.wait), ("quit", &sidecar.quit)] {
            if let Some(call) = call {
                writeln!(rows, "| `{}-{kind}` | {} |", sidecar.name, cells(sidecar, call)).unwrap();
            }
        }
    }
    rows
}

fn cells(Sidecar { title, source, .. }: &Sidecar, call: &Call) -> String {
    let Call { method, port, path, .. } = call;
    let mut asked = format!("`{method} :{port}{path}`");
    if let Some((name, value)) = call.header {
        write!(asked, " with `{name}: {value}`").unwrap();
    }
    if let Some((name, variable)) = call.token {
        write!(asked, " with `{name}` from `{variable}`").unwrap();
    }
    let mut answers: Vec<_> = call.hints.iter().map(|(status, hint)| format!("{status}: {hint}")).collect();
    if call.blocks {
        answers.push("it answers when it is ready".to_owned());
    }
    format!("[{title}]({source}) | {asked} | {}", answers.join("; "))
}
