//! The table of `docs/sidecars.md` is that of the code. With SIDECARS_PAGE set it is written there.

use sidecars_common::table::{Body, Call, Hint, SIDECARS, Sidecar};
use std::{env, fmt::Write as _, fs, path::PathBuf};

const BEGIN: &str = "|---|---|---|---|---|\n";
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

fn cells(Sidecar { title, source, proved, .. }: &Sidecar, call: &Call) -> String {
    let Call { method, port, path, or, void, header, token, refused, hints, .. } = call;
    let mut asked = format!("`{method} :{port}{path}`");
    if let Some((port, path)) = or {
        write!(asked, ", then `:{port}{path}`").unwrap();
    }
    if let Some((name, value)) = header {
        write!(asked, " with `{name}: {value}`").unwrap();
    }
    if let Some((name, [variable, other])) = token {
        write!(asked, " with `{name}` from `{variable}` or `{other}`").unwrap();
    }
    // The same cause may close the port or not.
    let also =
        hints.iter().find(|hint| hint.says == *refused).map_or(String::new(), |hint| format!(" or {}", hint.status));
    let closed = (!refused.is_empty()).then(|| format!("closed{also}: {refused}"));
    let others = hints.iter().filter(|hint| hint.says != *refused);
    let answers = others.map(|Hint { status, body, says }| match body {
        Body::Empty => format!("{status} without a body: {says}"),
        _ => format!("{status}: {says}"),
    });
    let mut answers: Vec<_> = closed.into_iter().chain(answers).collect();
    if let Some((name, value)) = void {
        answers.push(format!("an answer with `{name}: {value}` does not count"));
    }
    let proved = if proved.is_empty() { "no program here" } else { proved };
    format!("[{title}]({source}) | {asked} | {} | {proved}", answers.join("; "))
}
