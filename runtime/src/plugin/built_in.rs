//! The plugins inside the binary, built and compiled by the build script.

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
