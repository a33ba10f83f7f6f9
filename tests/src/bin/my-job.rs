//! A job for images that hold nothing else: `my-job [exit CODE | until-term CODE | remove FILE CODE | about]`.

use std::{env, fs, mem, path::Path, process, ptr};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let exit = |code: &str| process::exit(code.parse().expect("an exit code"));
    match words[..] {
        [] => println!("hello from my-job"),
        ["exit", code] => exit(code),
        ["until-term", code] => {
            until_term();
            exit(code);
        }
        ["remove", file, code] => {
            fs::remove_file(file).expect("a file that may be removed");
            exit(code);
        }
        ["about"] => about(),
        _ => {
            eprintln!("my-job: what to do is nothing, exit CODE, until-term CODE, remove FILE CODE or about");
            process::exit(2);
        }
    }
}

fn until_term() {
    // SAFETY: the pointers are to valid values for the duration of each call.
    unsafe {
        let mut term: libc::sigset_t = mem::zeroed();
        libc::sigaddset(&mut term, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &term, ptr::null_mut());
        println!("my-job waits");
        libc::sigwaitinfo(&term, ptr::null_mut());
    }
    println!("my-job got SIGTERM");
}

/// What it may do, one fact a line.
fn about() {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let parent = fs::read_to_string("/proc/1/comm").expect("/proc");
    println!("process 1: {}", parent.trim_end());
    for line in status.lines() {
        if let Some((name @ ("PPid" | "Uid" | "CapEff" | "CapBnd" | "NoNewPrivs"), value)) = line.split_once(":\t") {
            println!("{name}: {}", value.replace('\t', " "));
        }
    }
    println!("writable root: {}", fs::write("/x", "").is_ok());
    println!("/tmp: {}", Path::new("/tmp").exists());
}
