//! `check`: what a plugin is, what becomes of each of its imports, and what it will cost; or why it is none, and the cure.

pub mod inspect;
mod remedy;

use crate::{
    files::{self, say},
    own,
    progress::telling,
};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;
use std::{path::PathBuf, process::Stdio, time::Duration};
use wrapper::report::{millis, size};

/// Say what a plugin is: its hooks, its imports and how each is treated, its size, what compiling it takes
///
/// Nothing of it runs. Where it cannot be used, this says why, and how to mend it; the exit code is then 1.
#[derive(Debug, Args)]
pub struct Check {
    /// The component
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,

    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Prints what there is to say, and returns whether the wrapper can use it.
    pub fn run(self) -> Result<bool> {
        let bytes = files::read(&self.plugin)?;
        // By its path, as a name without a slash might be a built-in's; a comma would begin the keys of a plugin.
        let path = std::path::absolute(&self.plugin)?;
        if path.as_os_str().as_encoded_bytes().contains(&b',') {
            bail!("{} has a comma in its path, which no plugin can have; rename it", path.display());
        }
        let spec = path.to_str();
        let spec =
            spec.with_context(|| format!("{} is not UTF-8, as a plugin's path must be; rename it", path.display()))?;
        let mut inspect = own::command("inspect", [spec])?;
        let output = telling(&self.plugin, || inspect.stderr(Stdio::inherit()).output())?;
        if !output.status.success() {
            bail!("{} could not be looked into", self.plugin.display());
        }
        let mut facts: Value = serde_json::from_slice(&output.stdout)?;
        let refused = facts["refused"].as_str().map(str::to_owned);
        let remedy = refused.as_ref().and_then(|why| remedy::of(&bytes, why, &self.plugin));
        if self.json {
            facts["source"] = self.plugin.display().to_string().into();
            facts["size-bytes"] = bytes.len().into();
            facts["contract"] = contract(&facts).into();
            facts["remedy"] = remedy.into();
            say!("{facts}\n");
        } else {
            self.tell(&facts, bytes.len(), remedy.as_deref());
        }
        Ok(refused.is_none())
    }

    fn tell(&self, facts: &Value, length: usize, remedy: Option<&str>) {
        let path = self.plugin.display();
        match facts["refused"].as_str() {
            Some(why) => say!("{path}: refused: it {why}\n"),
            None => {
                let hooks: Vec<_> = facts["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let contract = contract(facts).unwrap_or_else(|| "no interface".to_owned());
                say!("{path}: runs {}; built for {contract}\n", hooks.join(" and "));
            }
        }
        if let Some(remedy) = remedy {
            say!("  to mend it: {remedy}\n");
        }
        for import in facts["imports"].as_array().into_iter().flatten() {
            let text = |field| import[field].as_str().unwrap_or_default();
            say!("  {:<16}  {}\n", text("treatment"), text("name"));
        }
        if facts["refused"].is_null() {
            let took = Duration::from_secs_f64(facts["compile-ms"].as_f64().unwrap_or_default() / 1e3);
            let number = |field: &str| facts[field].as_u64().unwrap_or_default();
            say!("  {:<16}  {length} bytes\n", "size");
            say!(
                "  {:<16}  {}, with {:.0} MiB of memory\n",
                "compiling",
                millis(took),
                mib(number("compile-memory-bytes"))
            );
            say!("  {:<16}  begins with {}\n", "its memory", size(number("memory-bytes")));
            if took > Duration::from_secs(1) {
                say!(
                    "  a job that ends sooner waits for that: compile it in the image build (wrapper-plugin compile)\n"
                );
            }
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The version of the contract that the plugin was built for, as its imports name it.
fn contract(facts: &Value) -> Option<String> {
    let imports = facts["imports"].as_array()?;
    let version = imports.iter().filter_map(|import| import["name"].as_str()).find_map(|name| {
        name.strip_prefix("wrapper:hook/").and_then(|name| name.split_once('@')).map(|(_, version)| version)
    })?;
    Some(format!("wrapper:hook@{version}"))
}
