//! Builds the misbehaving guest that the tests run.

use std::{env, path::PathBuf};
use wrapper_guest_build::{Profile, build, key};

fn main() {
    for source in ["../guest-plugins", "../wit"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let out_dir = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let target = env::var("TARGET").expect("cargo sets it");
    let guests = key::target_dir(&out_dir, &target).join("guests");
    for profile in [Profile::Plugin, Profile::PluginDebug] {
        let components = build(&["hostile"], profile, &guests).unwrap_or_else(|error| {
            eprintln!("error: {error}");
            std::process::exit(1);
        });
        let name = profile.name().to_uppercase().replace('-', "_");
        println!("cargo::rustc-env=HOSTILE_{name}={}", components[0].display());
    }
}
