//! Few data segments instead of many.
//!
//! Go's linker begins a new segment after every eight zeros, which makes some 30,000 of them, and the engine compiles code for
//! each: 800 MiB and ten seconds where it takes 64 MiB and two and a half with few (measured with a hook that uses `fmt`).

use anyhow::Result;
use wasm_encoder::{ConstExpr, DataSection, RawSection};
use wasmparser::{DataKind, DataSectionReader, Operator, Parser, Payload};

/// Zeros up to which two segments are made one, in bytes.
const GAP: usize = 4 << 10;

/// The module with few segments; nothing where it has to stay as it is: its code names segments, or their places are not
/// numbers.
pub fn merge(module: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut out = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::DataCountSection { .. } => return Ok(None),
            Payload::DataSection(section) => match merged(section)? {
                Some(section) => out.section(&section),
                None => return Ok(None),
            },
            payload => match payload.as_section() {
                Some((id, range)) => {
                    let range = range.start..range.end;
                    out.section(&RawSection { id, data: &module[range] })
                }
                None => continue,
            },
        };
    }
    Ok(Some(out.finish()))
}

fn merged(section: DataSectionReader<'_>) -> Result<Option<DataSection>> {
    let mut segments = Vec::new();
    for segment in section {
        let segment = segment?;
        let DataKind::Active { memory_index: 0, offset_expr } = segment.kind else { return Ok(None) };
        let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else { return Ok(None) };
        segments.push((value.cast_unsigned() as usize, segment.data));
    }
    // They come in any order, and the zeros between two must not hide a third.
    segments.sort_by_key(|(start, _)| *start);
    let mut all: Vec<(usize, Vec<u8>)> = Vec::new();
    for (start, data) in segments {
        match all.last_mut() {
            Some((first, bytes)) if start < *first + bytes.len() => return Ok(None),
            Some((first, bytes)) if start - (*first + bytes.len()) <= GAP => {
                bytes.resize(start - *first, 0);
                bytes.extend_from_slice(data);
            }
            _ => all.push((start, data.to_vec())),
        }
    }
    let mut section = DataSection::new();
    for (start, bytes) in all {
        section.active(0, &ConstExpr::i32_const(u32::try_from(start)?.cast_signed()), bytes);
    }
    Ok(Some(section))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> Vec<(i32, Vec<u8>)> {
        let module = wat::parse_str(format!("(module (memory 1) {text})")).unwrap();
        let merged = merge(&module).unwrap().unwrap_or(module);
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(&merged) {
            let Payload::DataSection(section) = payload.unwrap() else { continue };
            for segment in section {
                let segment = segment.unwrap();
                let DataKind::Active { offset_expr, .. } = segment.kind else { continue };
                let Operator::I32Const { value } = offset_expr.get_operators_reader().read().unwrap() else { continue };
                found.push((value, segment.data.to_vec()));
            }
        }
        found
    }

    #[test]
    fn neighbours_become_one_whatever_their_order() {
        let data =
            r#"(data (i32.const 6) "c") (data (i32.const 0) "a") (data (i32.const 2) "b") (data (i32.const 9000) "d")"#;
        assert_eq!(segments(data), [(0, b"a\0b\0\0\0c".to_vec()), (9000, b"d".to_vec())]);
    }

    #[test]
    fn what_overlaps_stays_as_it_is() {
        let data = r#"(data (i32.const 0) "abc") (data (i32.const 1) "x")"#;
        assert_eq!(segments(data), [(0, b"abc".to_vec()), (1, b"x".to_vec())]);
    }
}
