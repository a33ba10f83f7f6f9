//! How to mend a file that is no plugin.

use crate::component::Module;
use std::path::Path;
use wasmparser::{Parser, Payload};

/// What to do about a file that was refused, where there is more to say than why.
pub fn of(bytes: &[u8], refused: &str, path: &Path) -> Option<String> {
    let file = path.display();
    match bytes.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Some(of_module(bytes, path)),
        Some([0, b'a', b's', b'm', ..]) => of_component(bytes, refused),
        Some([0x7f, b'E', b'L', b'F', ..]) => Some(
            "this is a program or a library for one CPU, or a compiled plugin, which must be called .cwasm; give the .wasm"
                .to_owned(),
        ),
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            Some(format!("this is WebAssembly as text; make it binary: wasm-tools parse {file} -o PLUGIN.wasm"))
        }
        _ => Some("a plugin is a WebAssembly component; `wrapper-plugin new NAME --lang …` begins one".to_owned()),
    }
}

fn of_module(bytes: &[u8], path: &Path) -> String {
    let file = path.display();
    match Module::of(bytes) {
        Ok(module) if module.before_start || module.after_exit || module.described => {
            format!("its hook is there: wrapper-plugin component {file} -o PLUGIN.wasm")
        }
        Ok(module) if module.command => "it is a program with a main function; a hook is a library (Go: -buildmode=c-shared, \
             C: -nostdlib -Wl,--no-entry, Rust: crate-type = [\"cdylib\"]), which `wrapper-plugin component` then makes a component"
            .to_owned(),
        Ok(_) => "it exports no hook; `wrapper-plugin new NAME --lang …` begins a project that does".to_owned(),
        Err(_) => "the file is damaged; build it again".to_owned(),
    }
}

fn of_component(bytes: &[u8], refused: &str) -> Option<String> {
    let names = names(bytes);
    let other_version = |name: &&String| name.starts_with("wrapper:hook/") && !name.contains("@0.1.");
    let is_of_wasi_0_3 = names.iter().any(|name| name.contains("@0.3."));
    if refused.contains("WASI 0.3") && is_of_wasi_0_3 {
        // That says already what to do.
        return None;
    }
    if refused.contains("WASI 0.3") || refused.contains("async") {
        return Some(
            "a hook is not async in the contract: export `run` as a plain function (an engine may still wait in it)"
                .to_owned(),
        );
    }
    if names.iter().any(|name| other_version(&name)) {
        return Some(
            "build it against the hook.wit of this version, which `wrapper-plugin new` writes, or take a newer wrapper"
                .to_owned(),
        );
    }
    if refused.contains("exports no hook") {
        let what = if names.iter().any(|name| name.starts_with("wasi:cli/run@")) {
            "it is a program (wasi:cli/run)"
        } else if names.iter().any(|name| name.starts_with("wasi:http/incoming-handler@")) {
            "it is an HTTP server (wasi:http/incoming-handler)"
        } else {
            "it was built for another world"
        };
        return Some(format!("{what}; build it for the world hook, gate or lifecycle of wit/hook.wit"));
    }
    let unknown = names.iter().find(|name| refused.contains(name.as_str()) && !name.starts_with("wrapper:hook/"));
    unknown.map(|name| {
        format!("the sandbox has no {name}; there are wrapper:hook@0.1, wasi:http@0.2 to localhost, and the rest of WASI 0.2, empty")
    })
}

/// The names of what a component imports and exports itself.
fn names(bytes: &[u8]) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth -= 1,
            Ok(Payload::ComponentImportSection(section)) if depth == 1 => {
                names.extend(section.into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Ok(Payload::ComponentExportSection(section)) if depth == 1 => {
                names.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    names
}
