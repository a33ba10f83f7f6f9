//! The rooms of the `wrapper` binary, in the order in which a run goes through them:
//! [`cli`] → [`plugin`] → [`process`] → [`sandbox`] → [`hooks`] → [`report`]. The story is told in `main`.

pub mod cli;
pub mod hooks;
pub mod install;
pub mod plugin;
pub mod process;
pub mod report;
pub mod sandbox;
