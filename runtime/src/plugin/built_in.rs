//! The plugins inside the binary, built and compiled by `wrapper-bake`.

/// A plugin inside the binary. Several may be one component, which goes by the name that it is run under.
#[derive(Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Whether it has a before-start hook.
    pub before_start: bool,
    /// Whether it has an after-exit hook.
    pub after_exit: bool,
    /// Variables that it may see, in addition to those named `HOOK_…`: what an operator injects for its sidecar.
    pub variables: &'static [&'static str],
    /// The component, compiled ahead of time.
    pub compiled: &'static [u8],
}

/// Bytes that are used where they are: as the parts of an ELF file want to lie.
#[repr(align(16))]
struct Aligned<T>(T);

include!(concat!(env!("OUT_DIR"), "/built_ins.rs"));

/// The built-in plugin of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_INS.iter().find(|built_in| built_in.name == name)
}

/// The names of all, in alphabetical order.
pub fn names() -> Vec<&'static str> {
    BUILT_INS.iter().map(|built_in| built_in.name).collect()
}
