//! Guests written by hand, for what no compiler would make.

use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a component for the world `hook` must have, beside what a test puts in: its function, its memory and an allocator.
pub const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// A component for the world `hook` whose core module is this text.
///
/// `START` in it stands for the beginning of the hook's function, whose result is a pointer.
pub fn hook(core: &str) -> Vec<u8> {
    let start = r#"func (export "wrapper:hook/after-exit@0.1.0#run") (param i32 i32 i32) (result i32)"#;
    let allocate = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;
    let text = format!("(module {} {allocate})", core.replace("START", start));
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(&wit).expect("the contract");
    let world = resolve.select_world(&[package], Some("hook")).expect("its world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a module");
    ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode()).expect("a component")
}
