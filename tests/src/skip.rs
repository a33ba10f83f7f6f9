//! Tests for which something is not there.

use std::{
    env,
    io::{Write as _, stderr},
};

/// Says why a test does nothing.
pub fn skip(why: &str) {
    // Shown though the test passes, which what a macro prints is not.
    drop(writeln!(stderr(), "skipped: {why}"));
}

/// The same, but under `CI=true`, where everything must be there, the test fails.
#[track_caller]
pub fn skip_unless_ci(why: &str) {
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "{why}");
    skip(why);
}
