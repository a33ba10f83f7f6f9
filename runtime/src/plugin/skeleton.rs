//! A component without its code: small enough to be compiled at once, and with the same imports, exports and memories.
//!
//! So a plugin can be checked before the job starts, and compiled while it runs.

use crate::sandbox;
use wasmtime::{
    Engine, Result,
    wasmparser::{BinaryReader, Parser, ValidPayload, Validator},
};

/// The sections that are of interest here: in a component those that hold a module or a component, in a module the code.
/// <https://webassembly.github.io/spec/core/binary/modules.html#sections>,
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
const COMPONENTS_MODULE: u8 = 1;
const COMPONENTS_COMPONENT: u8 = 4;
const MODULES_CODE: u8 = 10;
const CUSTOM: u8 = 0;

/// The magic number, the version, and the layer that tells a component from a module.
const HEADER: usize = 8;

/// The body of a function: its length, no variables, `unreachable`, `end`.
const BODY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// Compiles the skeleton of a component, having checked that all of it is valid, its code too.
pub fn compile(target: Option<&str>, component: &[u8]) -> Result<Vec<u8>> {
    validate(&sandbox::compiler(target)?, component)?;
    sandbox::compile(target, &without_code(component)?)
}

/// Checks a component as compiling it would.
fn validate(engine: &Engine, component: &[u8]) -> Result<()> {
    let mut validator = Validator::new_with_features(engine.get_wasm_features());
    let mut memory = Default::default();
    for payload in Parser::new(0).parse_all(component) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            let mut function = function.into_validator(memory);
            function.validate(&body)?;
            memory = function.into_allocations();
        }
    }
    Ok(())
}

/// A component, or a module in one, with empty functions and without custom sections.
fn without_code(bytes: &[u8]) -> Result<Vec<u8>> {
    let (header, sections) = bytes.split_at_checked(HEADER).unwrap_or((bytes, &[]));
    let is_module = header.last_chunk() == Some(&[1, 0, 0, 0]);
    let mut out = header.to_vec();
    let mut reader = BinaryReader::new(sections, 0);
    while !reader.eof() {
        let id = reader.read_u8()?;
        let length = reader.read_var_u32()? as usize;
        let content = reader.read_bytes(length)?;
        let content = match id {
            CUSTOM => continue,
            MODULES_CODE if is_module => {
                let count = BinaryReader::new(content, 0).read_var_u32()?;
                [leb128(count), BODY.repeat(count as usize)].concat()
            }
            COMPONENTS_MODULE | COMPONENTS_COMPONENT if !is_module => without_code(content)?,
            _ => content.to_vec(),
        };
        out.push(id);
        out.extend(leb128(u32::try_from(content.len())?));
        out.extend(content);
    }
    Ok(out)
}

/// An integer as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_that_are_read() {
        for value in [0, 1, 127, 128, 16_384, u32::MAX] {
            assert_eq!(BinaryReader::new(&leb128(value), 0).read_var_u32().unwrap(), value);
        }
    }

    #[test]
    fn code_that_is_not_valid_is_found() {
        let engine = sandbox::compiler(Some("pulley64")).unwrap();
        let component = |body| wat::parse_str(format!("(component (core module (func (result i32) {body})))")).unwrap();
        validate(&engine, &component("i32.const 1")).unwrap();
        assert!(validate(&engine, &component("i64.const 1")).is_err());
        assert!(without_code(&component("i32.const 1")[..20]).is_err());
    }
}
