//! What a hook in C is compiled with: `hook.h` and `hook.c`, generated from the contract, and our files beside them.
//!
//! `sdk.h` and `sdk.c` make the generated ones nicer to use. `libc.c` and the headers in `libc/` are as much of a C
//! library as those need, so that a compiler for wasm32 is enough: no WASI SDK, no sysroot.

use crate::component::WIT;
use anyhow::{Context as _, Result};
use wit_bindgen_c::component_type_object::linking_symbol;
use wit_bindgen_core::{
    Files,
    wit_parser::{Resolve, WorldId},
};

/// Our files: path in the output folder, contents.
const OURS: [(&str, &str); 5] = [
    ("sdk.h", include_str!("../../bindings/c/sdk.h")),
    ("sdk.c", include_str!("../../bindings/c/sdk.c")),
    ("libc.c", include_str!("../../bindings/c/libc.c")),
    ("libc/stdlib.h", include_str!("../../bindings/c/libc/stdlib.h")),
    ("libc/string.h", include_str!("../../bindings/c/libc/string.h")),
];

/// What the generated files are named after, whatever the world: what C includes and compiles stays the same.
const STEM: &str = "hook";

/// The files for a world of the contract, each with its path in the output folder.
///
/// # Errors
///
/// Where the contract has no such world.
pub fn generate(world: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("hook.wit", WIT).context("the contract")?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut generator = wit_bindgen_c::Opts {
        rename: short_names(&resolve, world),
        rename_world: Some(STEM.to_owned()),
        // The world is embedded later, by `component`, which finds it in the module's exports.
        no_object_file: true,
        ..Default::default()
    }
    .build();
    let mut generated = Files::default();
    generator.generate(&mut resolve, world, &mut generated)?;

    let generated = generated.iter().map(|(path, contents)| {
        let mut contents = contents.to_vec();
        if path.ends_with(".c") {
            contents.extend_from_slice(without_object_file().as_bytes());
        }
        (path.to_owned(), contents)
    });
    let ours = OURS.iter().map(|&(path, contents)| (path.to_owned(), contents.into()));
    Ok(generated.chain(ours).collect())
}

/// Short prefixes for the functions and types of interfaces: `job_name` for `wrapper:hook/job@0.1.0`'s `name`, where
/// the generator would say `wrapper_hook_job_name`.
fn short_names(resolve: &Resolve, world: WorldId) -> Vec<(String, String)> {
    let world = &resolve.worlds[world];
    let keys = world.imports.keys().chain(world.exports.keys());
    keys.map(|key| {
        let full = resolve.name_world_key(key);
        let short = full.rsplit('/').next().unwrap_or(&full);
        let short = short.split('@').next().unwrap_or(short).replace('-', "_");
        // What interfaces share is named like what belongs to none: `hook_exit_status_t`, `hook_string_t`.
        let short = if short == "types" { STEM.to_owned() } else { short };
        (full, short)
    })
    .collect()
}

/// The end of `hook.c`. Above it calls a function of the object file that is not generated, only to have that linked.
fn without_object_file() -> String {
    format!("\nvoid {}(void) {{}}\n", linking_symbol(STEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_has_the_same_files_and_its_own_hooks() {
        for (world, hooks) in [("hook", (false, true)), ("gate", (true, false)), ("lifecycle", (true, true))] {
            let files = generate(world).unwrap();
            let mut paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
            paths.sort_unstable();
            let expected = ["hook.c", "hook.h", "libc.c", "libc/stdlib.h", "libc/string.h", "sdk.c", "sdk.h"];
            assert_eq!(paths, expected, "{world}");
            let header = files.iter().find(|(path, _)| path == "hook.h").unwrap();
            let header = String::from_utf8_lossy(&header.1);
            let has = |function| header.contains(function);
            for function in [
                "void job_name(hook_string_t *ret)",
                "bool job_asked_to_end(void)",
                "void sidecar_known(sidecar_presence_t *ret)",
                "void sidecar_lateness(hook_tuple2_u64_u64_t *ret)",
                "bool localhost_send(localhost_request_t *request, ",
                "bool localhost_send_to(hook_string_t *address, localhost_request_t *request, ",
                "bool localhost_send_for_status(hook_string_t *address, localhost_request_t *request, ",
            ] {
                assert!(has(function), "{function} is not in the world {world}");
            }
            assert_eq!((has("bool exports_before_start_run("), has("bool exports_after_exit_run(")), hooks, "{world}");
        }
    }

    #[test]
    fn a_world_that_is_not_in_the_contract_is_refused() {
        assert!(generate("command").is_err());
    }
}
