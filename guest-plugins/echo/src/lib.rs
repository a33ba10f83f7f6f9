//! `echo`: logs what it was told. The smallest plugin there is.

use wrapper_hook::{ExitStatus, job, log};

wrapper_hook::after_exit!(echo);

fn echo(status: ExitStatus) -> Result<(), String> {
    log::info!("{} {status}, {} ms after its start", job::name(), job::elapsed().as_millis());
    Ok(())
}
