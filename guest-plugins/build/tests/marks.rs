//! What `wrapper-plugin doctor` knows sidecars by covers the table, and nothing else.

use std::collections::BTreeSet;
use wrapper_guest_build::{
    marks::MARKS,
    table::{QUEUES, SIDECARS},
};

#[test]
fn each_sidecar_has_marks_and_each_mark_names_a_sidecar() {
    let mut marked: Vec<_> = MARKS.iter().flat_map(|marks| marks.rows).copied().collect();
    let mut known: Vec<_> =
        SIDECARS.iter().map(|sidecar| sidecar.name).chain(QUEUES.iter().map(|queue| queue.name)).collect();
    marked.sort_unstable();
    known.sort_unstable();
    assert_eq!(marked, known);
}

#[test]
fn no_two_sidecars_are_known_by_the_same_container() {
    let (mut names, mut images) = (BTreeSet::new(), BTreeSet::new());
    for marks in MARKS {
        assert!(!marks.containers.is_empty() && !marks.images.is_empty(), "{:?}", marks.rows);
        assert!(marks.containers.iter().all(|name| names.insert(*name)), "{:?}", marks.containers);
        assert!(marks.images.iter().all(|image| images.insert((*image, marks.word))));
        assert_eq!(marks.wishes.is_empty(), marks.written.is_empty(), "{:?}", marks.rows);
    }
}
