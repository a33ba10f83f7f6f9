//! Both hooks in one plugin.

mod after_exit;
mod before_start;
