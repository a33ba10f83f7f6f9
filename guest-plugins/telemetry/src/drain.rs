//! Waits, when the job is done, until a log router or a collector has passed on what it has: otherwise the last lines of the job
//! are lost with the pod.
//!
//! Its queue must be empty twice in a row. What the job wrote last may not be in the queue yet when it is looked at first.

mod length;

use length::{Length, length};
use sidecars_common::{
    late::{Door, at_most, seconds},
    said::{headers, is_sendable},
    settings::{Settings, duration},
    table::Queue,
};
use std::time::Duration;
use wrapper_hook::{
    localhost::{Error, Request, Response, Url},
    log, plugin,
};

/// For an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What is left of the time when it gives up, to say what it found, and the part of the time if that is less.
const LAST_WORDS: (Duration, u32) = (Duration::from_millis(120), 8);

/// How much longer than its pause a server that answers may not tell the length: it counts for the first time after its start.
const COUNTING: Duration = Duration::from_secs(2);

/// From one look to the next, at least: a hook has some thousand requests.
const SHORTEST: Duration = Duration::from_millis(20);

/// Waits for it within the hook's time.
pub fn drain(queue: &'static Queue, settings: &Settings) -> Result<(), String> {
    let Queue { title, pause, .. } = *queue;
    let url = url(queue, settings)?;
    let what = settings.own("LENGTH").map_or(queue.length, |(_, text)| text);
    if what.is_empty() {
        return Err(format!("{} is not set; it names the metric that tells the length", settings.name("LENGTH")));
    }
    let fields = settings.own_value("HEADERS", headers).unwrap_or_default();
    for (name, value) in &fields {
        is_sendable(name, value).map_err(|why| format!("{}: {why}", settings.name("HEADERS")))?;
    }
    let counting = Duration::from_millis(pause) + COUNTING;
    let pause = settings.own_value("PAUSE", duration).unwrap_or(Duration::from_millis(pause)).max(SHORTEST);

    let place = url.place();
    let mut request = Request::to("GET", &url);
    for (name, value) in &fields {
        request = request.header(name, value);
    }
    // The whole body counts.
    let send = |left: Duration| request.clone().timeout(left.min(ANSWER)).send();
    let share = plugin::time_left();
    let waited = || share.saturating_sub(plugin::time_left());
    let most = share.saturating_sub(LAST_WORDS.0.min(share / LAST_WORDS.1));
    let door = Door::new(settings, "no queue to wait for", queue.refused);
    let Some(mut answer) = door.knock(&place, share, send, |_| Ok(()))? else { return Ok(()) };
    log::info!("waiting until the queue of {title} on {place} is empty, at most {}", at_most(share));
    let mut before: Option<Found> = None;
    let mut uncounted: Option<Duration> = None;
    loop {
        let found = Found::of(&answer, what, queue, &place);
        match (&before, &found) {
            (Some(Found::Length(0)), Found::Length(0)) => {
                log::info!("the queue of {title} on {place} is empty after {}", seconds(waited()));
                return Ok(());
            }
            (Some(_), Found::Gone) => {
                log::info!("{place} no longer listens: there is no queue to wait for any more");
                return Ok(());
            }
            (_, Found::Not(why)) if waited() >= *uncounted.get_or_insert(waited()) + counting => {
                return Err(why.clone());
            }
            _ => {}
        }
        if !matches!(found, Found::Not(_)) {
            uncounted = None;
        }
        if before.as_ref() != Some(&found) {
            match &found {
                Found::Length(length) => log::info!("the queue of {title} on {place} has {length}"),
                Found::Not(why) => log::info!("{why}"),
                Found::Gone => {}
            }
        }
        let left = most.saturating_sub(waited());
        if left < pause {
            return Err(match found {
                Found::Length(0) => format!(
                    "the queue of {title} on {place} was empty once, and there was no time to look again; --hook-timeout or \
                     timeout= allows more"
                ),
                Found::Length(length) => format!(
                    "the queue of {title} on {place} still has {length} after {}; --hook-timeout or timeout= allows more",
                    seconds(waited())
                ),
                Found::Not(why) => why,
                Found::Gone => return Ok(()),
            });
        }
        before = Some(found);
        wrapper_hook::sleep(pause);
        answer = send(plugin::time_left());
    }
}

/// What a look at the queue found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// So much is in it.
    Length(u64),
    /// Its length is not known, and why.
    Not(String),
    /// Nothing listens.
    Gone,
}

impl Found {
    fn of(answer: &Result<Response, Error>, what: &str, queue: &Queue, place: &str) -> Self {
        match answer {
            Ok(response) if (200..300).contains(&response.status) => match length(&response.text(), what) {
                Length::Of(length) => Self::Length(length),
                Length::Absent => Self::Not(format!("{place} has no {what}: no queue is counted under that name")),
                Length::Invalid => Self::Not(format!("{place} does not tell {what} as a number")),
            },
            Ok(Response { status: 404, .. }) if !queue.absent.is_empty() => {
                Self::Not(format!("{place} answered 404: {}", queue.absent))
            }
            Ok(response) => Self::Not(format!("{place} answered {}", response.status)),
            Err(Error::Refused) => Self::Gone,
            Err(error) => Self::Not(format!("{place}: {error}")),
        }
    }
}

fn url(queue: &Queue, settings: &Settings) -> Result<Url, String> {
    match settings.own("URL") {
        Some((name, text)) => text.parse().map_err(|error| format!("{name}: {error}")),
        None if queue.source.is_empty() => Err(format!("{} is not set; it says what to ask", settings.name("URL"))),
        None => Ok(Url::new(queue.port, queue.path)),
    }
}
