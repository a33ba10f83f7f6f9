//! One hook, in a process of its own: its guest is made ready, run, and its end put into words.

use super::Phase;
use crate::{
    plugin::{LoadError, Material, Plugin},
    process::{self, refused},
    report::{LONGEST, one_line, os_words, size},
    sandbox::{Guest, JobFacts, State, limits},
};
use std::{
    fmt::{self, Write as _},
    io,
    mem::ManuallyDrop,
    time::Instant,
};
use wasmtime::{
    Store, Trap, WasmBacktrace,
    component::{Instance, ResourceTableError},
};
use wasmtime_wasi::I32Exit;

/// After so many turns of its tasks the runtime looks at its timers. One turn takes a while where a server sends without end.
const TURNS: u32 = 4;

/// What a hook needs to run, whatever it will be told.
///
/// None of this is dropped: the end of the process frees all of it at once.
pub(super) struct Ready {
    runtime: ManuallyDrop<tokio::runtime::Runtime>,
    guest: ManuallyDrop<wasmtime::Result<Guest>>,
    /// Its instance, if that is made already.
    instance: Option<(ManuallyDrop<Store<State>>, Instance)>,
}

impl Ready {
    pub(super) fn new(plugin: &Plugin, material: Result<Material, LoadError>) -> Result<Self, String> {
        let material = material.map_err(|error| error.to_string())?;
        let cannot = |error: io::Error| format!("the hook cannot be run: {}", os_words(&error));
        refused::first().map_err(cannot)?;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().event_interval(TURNS).build();
        let runtime = runtime.or_else(|error| refused::of_an_event_loop().and(Err(error))).map_err(cannot)?;
        let (runtime, guest) = (ManuallyDrop::new(runtime), ManuallyDrop::new(plugin.guest(material)));
        Ok(Self { runtime, guest, instance: None })
    }

    /// The same with the instance of a plugin that is part of the wrapper. Others may take as long as they want to begin, and are
    /// made when there is a deadline.
    pub(super) fn with_instance(
        plugin: &Plugin,
        material: Result<Material, LoadError>,
        job: &JobFacts,
    ) -> Result<Self, String> {
        let mut ready = Self::new(plugin, material)?;
        if let Ok(guest) = &*ready.guest
            && plugin.is_built_in()
        {
            let mut store = store(guest, plugin, job, tokio::time::Instant::now());
            // Where it fails it is tried again, and then told.
            let instance = ready.runtime.block_on(guest.instantiate(&mut store)).ok();
            ready.instance = instance.map(|instance| (store, instance));
        }
        Ok(ready)
    }
}

fn store(guest: &Guest, plugin: &Plugin, job: &JobFacts, deadline: tokio::time::Instant) -> ManuallyDrop<Store<State>> {
    let state = State::new(&plugin.name, plugin.facts.clone(), &plugin.grants, job.clone(), deadline);
    ManuallyDrop::new(guest.store(state))
}

/// Runs one hook. Its result is the memory that it had, in bytes, as a little-endian number.
pub(super) fn run(
    phase: &Phase,
    plugin: &Plugin,
    Ready { runtime, guest, instance }: Ready,
    job: &JobFacts,
    deadline: Instant,
    option: &str,
) -> Result<Vec<u8>, String> {
    process::log_until(Some(deadline));
    let guest = (*guest).as_ref().map_err(explain)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let deadline = tokio::time::Instant::from_std(deadline);
    let (mut store, instance) = match instance {
        Some((mut store, instance)) => {
            store.data_mut().tell(job.clone(), deadline);
            (store, Some(instance))
        }
        None => (store(guest, plugin, job, deadline), None),
    };
    process::at_every(limits::TICK, left, guest.ticks())
        .map_err(|error| format!("there is no timer for it: {}", os_words(&error)))?;
    let ended = runtime.block_on(async {
        let hook = async {
            let instance = match instance {
                Some(instance) => instance,
                None => guest.instantiate(&mut store).await?,
            };
            match phase {
                Phase::BeforeStart => guest.before_start(&mut store, &instance).await,
                Phase::AfterExit(status) => guest.after_exit(&mut store, &instance, status).await,
            }
        };
        tokio::time::timeout_at(deadline, hook).await
    });
    store.data().end_lines();
    let why = match ended {
        Ok(Ok(Ok(()))) => return Ok(store.data().memory_given().to_le_bytes().to_vec()),
        Ok(Ok(Err(why))) if why.trim().is_empty() => "its hook returned an error without a word".to_owned(),
        Ok(Ok(Err(why))) => one_line(&why),
        Ok(Err(error)) => explain(&error),
        Err(_) => format!("stopped at its deadline; {option} allows more"),
    };
    let hint = if store.data().memory_refused() {
        format!(" (it was refused more than {} of memory; memory= allows more)", size(plugin.grants.memory))
    } else {
        String::new()
    };
    Err(why + &hint)
}

/// Why a guest ended that did not return: it exited, it trapped, or its instance could not be made.
fn explain(error: &wasmtime::Error) -> String {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return format!("exited with code {code} instead of returning");
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return format!(
            "it holds {} handles, and may hold no more: it frees none, or frees them late",
            limits::HANDLES
        );
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        // The causes are shown, but not the addresses of a backtrace.
        let causes: Vec<_> = error.chain().map(ToString::to_string).filter(|cause| !cause.contains('\n')).collect();
        return one_line(&format!("cannot be run: {}", causes.join(": ")));
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    // A plugin without names, as they are handed out, would show only numbers.
    let mut text = Short(format!("trapped: {trap}"));
    for (index, name) in frames.iter().filter_map(|frame| frame.func_name()).enumerate() {
        let before = if index == 0 { ", in " } else { " < " };
        if write!(text, "{before}{:#}", rustc_demangle::demangle(name)).is_err() {
            break;
        }
    }
    one_line(&text.0)
}

/// A text that takes no more when it is longer than a line is: a short name may stand for a megabyte.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.push_str(&piece[..piece.floor_char_boundary(LONGEST)]);
        if self.0.len() > LONGEST { Err(fmt::Error) } else { Ok(()) }
    }
}
