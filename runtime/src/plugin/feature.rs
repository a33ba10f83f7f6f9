//! What a component asks of WebAssembly that this wrapper does not run. The validator calls it invalid, and its words are those of
//! proposals. To validate it once more with all that there is would be exact, and 270 kB of code.

/// How the validator says that something is valid elsewhere (wasmparser 0.254).
const MISSING: [&str; 8] = [
    "not enabled",
    " disabled",
    "be enabled",
    "not supported",
    "the component model",
    "require the shared-everything-threads",
    "requires the shared-everything-threads",
    "without the",
];

/// What it calls them, and what languages do. The first that fits counts.
const NAMES: [(&str, &str); 10] = [
    ("component model threading", "threads"),
    ("component model async", ASYNC),
    ("component model more async", ASYNC),
    ("exception", "exceptions"),
    ("stack switching", "stack switching"),
    ("thread", "threads"),
    ("shared", "threads"),
    ("custom page size", "pages of another size"),
    ("gc ", "garbage collection"),
    ("gc`", "garbage collection"),
];

/// What WASI 0.3 needs.
pub const ASYNC: &str = "asynchronous functions";

/// What it is that the validator misses, by its words.
pub fn missing(words: &str) -> Option<&'static str> {
    let is_missing = MISSING.iter().any(|missing| words.contains(missing));
    let name = || NAMES.into_iter().find(|(name, _)| words.contains(name)).map(|(_, name)| name);
    is_missing.then(name).flatten()
}
