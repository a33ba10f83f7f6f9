//! What one run of a hook has: the host's side of everything it may import.

use super::{
    bindings::wrapper::hook::{job, localhost, log, plugin, sidecar, types},
    body,
    client::{Client, Reading},
    egress::{EgressPolicy, Port},
    guest_log::{GuestLog, LineStream},
    limits::{self, Limiter},
    request::http_request,
};
use crate::report::printable;
use http::Request;
use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, timeout_at};
use tracing::Level;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as WasiError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// A request ends this long before the hook's deadline, or a tenth of its time where that is less, so that the hook can say
/// what it waited for.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What a plugin may have beyond what every plugin has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The loopback ports that it may reach; empty for every port.
    pub ports: Vec<Port>,
    /// Environment variables that it may see beside those named `HOOK_…`.
    pub env: Vec<String>,
    /// Its memory in bytes, all linear memories of one run together.
    pub memory: u64,
}

/// What a guest may know of its plugin beyond the name.
#[derive(Clone, Debug)]
pub struct PluginFacts {
    /// Whether the pod has its sidecar.
    pub sidecar: sidecar::Presence,
    /// How late that may start if nobody knows: after the job's start, and after its end.
    pub lateness: (Duration, Duration),
}

/// What a guest may know of the job.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// The file name of the command.
    pub name: String,
    /// Its start, once it was started.
    pub started: Option<Started>,
    /// How it ended, once it has.
    pub status: Option<types::ExitStatus>,
    /// From its start to its end, where it had both.
    pub ran: Option<Duration>,
    /// Whether a signal has asked it, or the wrapper, to end. It may become so while a hook runs.
    pub asked_to_end: &'static AtomicBool,
}

/// The start of the job.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// Its process id.
    pub pid: u32,
    /// The time, for people.
    pub at: SystemTime,
    /// The time, for measuring.
    pub clock: std::time::Instant,
}

/// The host's state of one run.
pub struct State {
    pub(super) limiter: Limiter,
    name: String,
    plugin: PluginFacts,
    job: JobFacts,
    log: GuestLog,
    /// Its stdout and stderr.
    streams: [LineStream; 2],
    client: Client,
    deadline: Instant,
    /// That of its requests.
    last_request: Instant,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
}

impl State {
    /// A fresh state: nothing of one run is seen by the next.
    pub fn new(name: &str, plugin: PluginFacts, grants: &Grants, job: JobFacts, deadline: Instant) -> Self {
        let log = GuestLog::new(name);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::REQUEST_HEADERS);
        let mut wasi = WasiCtx::builder();
        let streams = [Level::INFO, Level::WARN].map(|level| log.stream(level));
        wasi.stdout(streams[0].clone()).stderr(streams[1].clone()).max_random_size(limits::RANDOM_BYTES);
        for (variable, value) in env::vars_os() {
            let Ok(variable) = variable.into_string() else { continue };
            if !variable.starts_with("HOOK_") && !grants.env.contains(&variable) {
                continue;
            }
            match value.into_string() {
                Ok(value) => {
                    wasi.env(variable, value);
                }
                // A guest's environment is text.
                Err(_) => tracing::warn!(plugin = name, "{} is not UTF-8 and so not shown to it", printable(&variable)),
            }
        }
        Self {
            limiter: Limiter::new(grants.memory),
            name: name.to_owned(),
            plugin,
            client: Client::new(EgressPolicy::new(grants.ports.clone()), GuestLog::of_remarks(name)),
            wasi: wasi.build(),
            job,
            log,
            streams,
            deadline,
            last_request: last_request(deadline),
            table,
            http,
        }
    }
}

/// When the last request of a run ends that has this deadline.
fn last_request(deadline: Instant) -> Instant {
    let last_words = deadline.saturating_duration_since(Instant::now()) / 10;
    deadline.checked_sub(last_words.min(LAST_WORDS)).unwrap_or(deadline)
}

impl State {
    /// Tells a guest that was made ready before what has come since.
    pub fn tell(&mut self, job: JobFacts, deadline: Instant) {
        self.job = job;
        self.deadline = deadline;
        self.last_request = last_request(deadline);
    }

    /// Whether the guest was refused memory in this run.
    pub fn memory_refused(&self) -> bool {
        self.limiter.memory_refused
    }

    /// The memory that the guest had in this run, in bytes.
    pub fn memory_given(&self) -> u64 {
        self.limiter.memory_given()
    }

    /// Logs what the guest wrote last, where it did not end its line.
    pub fn end_lines(&self) {
        self.streams.iter().for_each(LineStream::end);
    }
}

impl types::Host for State {}

impl job::Host for State {
    fn name(&mut self) -> String {
        self.job.name.clone()
    }

    fn pid(&mut self) -> Option<u32> {
        self.job.started.map(|started| started.pid)
    }

    fn started_at(&mut self) -> Option<u64> {
        let since_epoch = self.job.started?.at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        u64::try_from(since_epoch.as_millis()).ok()
    }

    fn elapsed(&mut self) -> u64 {
        self.job.started.map_or(0, |started| milliseconds(started.clock.elapsed()))
    }

    fn status(&mut self) -> Option<types::ExitStatus> {
        self.job.status.clone()
    }

    fn duration(&mut self) -> Option<u64> {
        self.job.ran.map(milliseconds)
    }

    fn asked_to_end(&mut self) -> bool {
        self.job.asked_to_end.load(Ordering::Relaxed)
    }
}

impl plugin::Host for State {
    fn name(&mut self) -> String {
        self.name.clone()
    }

    fn time_left(&mut self) -> u64 {
        milliseconds(self.deadline.saturating_duration_since(Instant::now()))
    }
}

impl sidecar::Host for State {
    fn known(&mut self) -> sidecar::Presence {
        self.plugin.sidecar.clone()
    }

    fn lateness(&mut self) -> (u64, u64) {
        let (start, end) = self.plugin.lateness;
        (milliseconds(start), milliseconds(end))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        self.log.line(level, &message);
    }
}

/// What is handed to a guest of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// All of it, or there is no response.
    Whole,
    /// None of it.
    Unread,
    /// Its beginning: it is read to its end, but does not matter.
    HeardOut,
}

impl localhost::Host for State {
    async fn send(&mut self, request: localhost::Request) -> Result<localhost::Response, localhost::Error> {
        self.exchange("localhost", request, Body::Whole).await
    }

    async fn send_for_head(&mut self, request: localhost::Request) -> Result<localhost::Response, localhost::Error> {
        self.exchange("localhost", request, Body::Unread).await
    }

    async fn send_to(
        &mut self,
        address: String,
        request: localhost::Request,
    ) -> Result<localhost::Response, localhost::Error> {
        self.exchange(&address, request, Body::Whole).await
    }

    async fn send_for_status(
        &mut self,
        address: String,
        request: localhost::Request,
    ) -> Result<localhost::Response, localhost::Error> {
        self.exchange(&address, request, Body::HeardOut).await
    }
}

impl State {
    async fn exchange(
        &mut self,
        address: &str,
        request: localhost::Request,
        wanted: Body,
    ) -> Result<localhost::Response, localhost::Error> {
        let own = request.timeout_ms.map(|timeout| Instant::now() + Duration::from_millis(timeout.into()));
        let deadline = own.map_or(self.last_request, |own| own.min(self.last_request));
        let request = http_request(address, request)?;
        let connect_timeout = Some(deadline.saturating_duration_since(Instant::now()));
        let options = RequestOptions { connect_timeout, ..RequestOptions::default() };
        let reading = if wanted == Body::HeardOut { Reading::Status } else { Reading::Head };
        let head = timeout_at(deadline, self.client.send(request, options, reading));
        let (head, body) = head.await.map_err(|_| localhost::Error::TimedOut)??.into_parts();
        let body = match wanted {
            Body::Whole => timeout_at(deadline, body::read(body)).await.map_err(|_| localhost::Error::TimedOut)??,
            Body::Unread => Vec::new(),
            Body::HeardOut => {
                let mut beginning = Vec::new();
                let until = deadline.min(Instant::now() + limits::HEARD_OUT.1);
                // What was read until then will do.
                drop(timeout_at(until, body::hear_out(body, &mut beginning)).await);
                beginning
            }
        };
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(localhost::Response { status: head.status.as_u16(), headers: headers.collect(), body })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.client }
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), WasiError>> + Send>);

/// `wasi:http`, held to the same policy.
impl WasiHttpHooks for Client {
    /// All schemes come as far as the policy, which says why it refuses one.
    fn is_supported_scheme(&mut self, _: &http::uri::Scheme) -> bool {
        true
    }

    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        Some(http::uri::Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), WasiError>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, WasiError>> + Send> {
        let client = self.clone();
        Box::new(async move {
            let response = client.send(request, options.unwrap_or_default(), Reading::Head).await?;
            let connection_is_held_by_the_body: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((response, connection_is_held_by_the_body))
        })
    }
}
