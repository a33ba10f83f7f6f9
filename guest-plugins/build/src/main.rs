//! `wrapper-guest-build FOLDER [--debug] PLUGIN...`: builds plugins of this workspace into FOLDER.

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};
use wrapper_guest_build::{Profile, build};

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
    let Some((folder, names)) = arguments.split_first().filter(|(_, names)| !names.is_empty()) else {
        return Err("usage: wrapper-guest-build FOLDER [--debug] PLUGIN...".into());
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let target = env::current_dir()?.join(target).join("guests");
    fs::create_dir_all(folder)?;
    for component in build(&names, profile, &target)? {
        let file = PathBuf::from(folder).join(component.file_name().expect("build returns files"));
        fs::copy(&component, &file)?;
        println!("{} ({} bytes)", file.display(), fs::metadata(&file)?.len());
    }
    Ok(())
}
