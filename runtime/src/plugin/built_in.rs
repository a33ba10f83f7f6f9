//! The plugins inside the binary, built and compiled by the build script.

/// Bytes that are used where they are: as the parts of an ELF file want to lie.
#[repr(align(16))]
struct Aligned<T>(T);

/// Name and compiled component of each, in alphabetical order.
static BUILT_INS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_ins.rs"));

/// The built-in plugin of that name.
pub fn find(name: &str) -> Option<(&'static str, &'static [u8])> {
    BUILT_INS.iter().copied().find(|(built_in, _)| *built_in == name)
}

/// The names of all.
pub fn names() -> Vec<&'static str> {
    BUILT_INS.iter().map(|(name, _)| *name).collect()
}
