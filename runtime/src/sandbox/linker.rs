//! What a component is linked with.
//!
//! WASI and `wasi:http` have some three hundred functions, and to put them all into a linker takes longer than a small guest
//! takes to run (measured: 0.2 ms). So a component that imports none of them, or only what the built-in plugins need, gets no
//! more than that. What is granted is the same: a linker that lacks an import refuses the component.

use super::{State, bindings::wrapper::hook};
use wasmtime::{
    Engine, Result,
    component::{HasData, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{
    WasiView as _,
    cli::{WasiCli, WasiCliView as _},
    clocks::{WasiClocks, WasiClocksView as _},
    p2::{self, bindings},
    random::{WasiRandom, WasiRandomView as _},
};
use wasmtime_wasi_io::bindings::wasi::io;

/// The interfaces of WASI that can be linked one by one.
const SINGLE: [&str; 5] = [
    "wasi:cli/environment",
    "wasi:clocks/monotonic-clock",
    "wasi:io/poll",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
];

struct Resources;

impl HasData for Resources {
    type Data<'a> = &'a mut ResourceTable;
}

/// A linker for a component with these imports.
pub fn linker(engine: &Engine, imports: &[String]) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    hook::types::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    hook::job::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    hook::plugin::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    hook::sidecar::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    hook::log::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    hook::localhost::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;

    let interfaces: Vec<_> = imports.iter().map(|name| name.split('@').next().unwrap_or(name)).collect();
    let is_single = |name: &&str| !name.starts_with("wasi:") || SINGLE.contains(name);
    if interfaces.iter().all(is_single) {
        if interfaces.contains(&SINGLE[0]) {
            bindings::cli::environment::add_to_linker::<_, WasiCli>(l, State::cli)?;
        }
        if interfaces.contains(&SINGLE[1]) || interfaces.contains(&SINGLE[2]) {
            bindings::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
            io::poll::add_to_linker::<_, Resources>(l, |state| state.ctx().table)?;
        }
        if interfaces.contains(&SINGLE[3]) {
            bindings::clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
        }
        if interfaces.contains(&SINGLE[4]) {
            bindings::random::random::add_to_linker::<_, WasiRandom>(l, State::random)?;
        }
    } else {
        p2::add_to_linker_async(l)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    }
    Ok(linker)
}
