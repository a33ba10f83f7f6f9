//! `docs/doctor.md` is so.

use crate::{doctor, fixture, read, root};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

#[test]
fn the_page_has_every_kind_of_finding() {
    let page = fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    let list = doctor(&["--list"]);
    let table = page.split_once("| id | level | means | do |").expect("the table").1;
    let rows: Vec<_> = table
        .lines()
        .skip(2)
        .take_while(|row| row.starts_with('|'))
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
        .collect();
    let described: Vec<_> =
        rows.iter().map(|row| format!("{}\t{}\t{}", row[1].trim_matches('`'), row[2], row[3])).collect();
    assert_eq!(described, list.exits(0).stdout.lines().collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.len() == 6 && !row[4].is_empty()), "{rows:?}");
    // No kind is only on paper.
    let rules = root().join("plugin-tool/src/doctor/rules");
    let files = [rules.with_extension("rs"), rules.join("quit/nobody.rs"), rules.join("quit/unknown.rs")].into_iter();
    let files =
        files.chain(fs::read_dir(&rules).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    let code: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    for row in rows {
        let name = row[1].trim_matches('`').replace('-', "_").to_uppercase();
        assert!(code.contains(&format!("finding::{name}")), "{name}");
    }
}

#[test]
fn the_page_has_the_fields_of_the_json() {
    let page = fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    let facts = read(&doctor(&["--json", &fixture("istio-hangs"), &fixture("image-volume")]));
    let names = |value: &Value, before: &str| -> BTreeSet<String> {
        value.as_object().unwrap().keys().map(|name| format!("{before}{name}")).collect()
    };
    let mut real = names(&facts["summary"], "summary.");
    real.extend(names(&facts["skipped"][0], "skipped[]."));
    real.extend(names(&facts["pods"][0]["findings"][0], "pods[].findings[]."));
    real.extend(names(&facts["pods"][0]["sidecars"][0], "pods[].sidecars[]."));
    real.extend(
        names(&facts["pods"][0], "pods[].")
            .into_iter()
            .filter(|name| !name.ends_with(".findings") && !name.ends_with(".sidecars")),
    );
    real.insert("version".to_owned());
    let table = page.split_once("| field | value |").expect("the table").1;
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let described: BTreeSet<_> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(described, real);
}

#[test]
fn the_example_in_the_page_is_what_it_prints() {
    let page = fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    let example = page.split("```\n").find(|block| block.starts_with("pod/plain")).expect("the example");
    assert_eq!(example, doctor(&[&fixture("istio-hangs")]).stdout);
}
