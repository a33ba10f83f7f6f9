//! `wrapper-guest-build FOLDER [--debug]`: builds the plugins that are part of the wrapper into FOLDER, each as a file.

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};
use wrapper_guest_build::{Profile, build_built_ins};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (options, arguments): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let profile = match options.as_slice() {
        [] => Profile::Plugin,
        [debug] if debug == "--debug" => Profile::PluginDebug,
        _ => return Err(format!("the only option is --debug, not {}", options.join(" ")).into()),
    };
    let [folder] = arguments.as_slice() else {
        return Err("usage: wrapper-guest-build FOLDER [--debug]".into());
    };
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let target = env::current_dir()?.join(target).join("guests");
    fs::create_dir_all(folder)?;
    for built_in in build_built_ins(profile, &target)? {
        fs::copy(&built_in.file, PathBuf::from(folder).join(&built_in.name).with_extension("wasm"))?;
    }
    Ok(())
}
