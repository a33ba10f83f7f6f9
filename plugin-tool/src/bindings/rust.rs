//! For Rust: the crate `wrapper-hook`, as a folder of the project.

/// Its files, but for the manifest.
const FILES: [(&str, &str); 17] = [
    ("src/lib.rs", include_str!("../../../guest-plugins/sdk/src/lib.rs")),
    ("src/bindings.rs", include_str!("../../../guest-plugins/sdk/src/bindings.rs")),
    ("src/env.rs", include_str!("../../../guest-plugins/sdk/src/env.rs")),
    ("src/job.rs", include_str!("../../../guest-plugins/sdk/src/job.rs")),
    ("src/localhost.rs", include_str!("../../../guest-plugins/sdk/src/localhost.rs")),
    ("src/localhost/url.rs", include_str!("../../../guest-plugins/sdk/src/localhost/url.rs")),
    ("src/log.rs", include_str!("../../../guest-plugins/sdk/src/log.rs")),
    ("src/plugin.rs", include_str!("../../../guest-plugins/sdk/src/plugin.rs")),
    ("src/sidecar.rs", include_str!("../../../guest-plugins/sdk/src/sidecar.rs")),
    ("src/status.rs", include_str!("../../../guest-plugins/sdk/src/status.rs")),
    ("wit/hook.wit", crate::component::WIT),
    ("wit/deps/cli.wit", include_str!("../../../wit/deps/cli.wit")),
    ("wit/deps/clocks.wit", include_str!("../../../wit/deps/clocks.wit")),
    ("wit/deps/filesystem.wit", include_str!("../../../wit/deps/filesystem.wit")),
    ("wit/deps/io.wit", include_str!("../../../wit/deps/io.wit")),
    ("wit/deps/random.wit", include_str!("../../../wit/deps/random.wit")),
    ("wit/deps/sockets.wit", include_str!("../../../wit/deps/sockets.wit")),
];

/// The manifest, which leans on this repository's workspace.
const MANIFEST: &str = include_str!("../../../guest-plugins/sdk/Cargo.toml");

/// The crate, on its own feet.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let manifest = ("Cargo.toml".to_owned(), manifest().into_bytes());
    let files = FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    files.chain([manifest]).collect()
}

fn manifest() -> String {
    [
        ("version.workspace = true", concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"")),
        ("edition.workspace = true", "edition = \"2024\""),
        ("rust-version.workspace = true", concat!("rust-version = \"", env!("CARGO_PKG_RUST_VERSION"), "\"")),
        ("license.workspace = true", "license = \"Apache-2.0\""),
        ("publish.workspace = true", "publish = false"),
        ("\n[lints]\nworkspace = true\n", ""),
    ]
    .iter()
    // The longer key first: one ends with the other.
    .rev()
    .fold(MANIFEST.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_stands_on_its_own_feet() {
        assert!(!manifest().contains("workspace"), "{}", manifest());
        for (name, text) in FILES {
            for module in text.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")) {
                let Some(module) = module.strip_suffix(';') else { continue };
                let folder = if name == "src/localhost.rs" { "src/localhost" } else { "src" };
                let file = format!("{folder}/{module}.rs");
                assert!(FILES.iter().any(|(name, _)| *name == file), "{name} has {module}, and {file} is not written");
            }
        }
    }
}
