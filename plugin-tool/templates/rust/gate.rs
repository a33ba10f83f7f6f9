//! Lets the job start when a server on localhost is ready.

use wrapper_hook::localhost::{Error, Request};

const PORT: u16 = 8080;

wrapper_hook::before_start!(ask_ready);

fn ask_ready() -> Result<(), String> {
    let trouble = match Request::get(PORT, "/ready").send() {
        Ok(answer) if answer.status == 200 => return Ok(()),
        Ok(answer) => format!("it answered {}", answer.status),
        Err(Error::Refused) => "nobody listens there".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("localhost:{PORT} is not ready: {trouble}"))
}
