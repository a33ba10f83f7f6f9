//! Tells a server on localhost how the job ended.

use serde::Serialize;
use wrapper_hook::{
    ExitStatus, job,
    localhost::{Error, Request},
    log,
};

const PORT: u16 = 8080;

/// What is sent, as JSON.
#[derive(Serialize)]
struct Report {
    job: String,
    outcome: String,
    /// None where the job never started.
    duration_ms: Option<u128>,
}

wrapper_hook::after_exit!(tell);

fn tell(status: ExitStatus) -> Result<(), String> {
    let report = Report {
        job: job::name(),
        outcome: match status {
            ExitStatus::NotStarted(why) => format!("did not start: {why}"),
            ended => ended.to_string(),
        },
        duration_ms: job::duration().map(|duration| duration.as_millis()),
    };
    let after = report.duration_ms.map(|ms| format!(" after {ms} ms")).unwrap_or_default();
    log::info!("{} {}{after}", report.job, report.outcome);

    let body = serde_json::to_vec(&report).map_err(|error| error.to_string())?;
    match Request::post(PORT, "/jobs").header("Content-Type", "application/json").body(body).send() {
        Ok(answer) if (200..300).contains(&answer.status) => {
            log::info!("localhost:{PORT} answered {}", answer.status);
            Ok(())
        }
        Ok(answer) => Err(format!("localhost:{PORT} answered {}", answer.status)),
        Err(Error::Refused) => {
            log::info!("nobody listens on localhost:{PORT}");
            Ok(())
        }
        Err(error) => Err(format!("localhost:{PORT}: {error}")),
    }
}
