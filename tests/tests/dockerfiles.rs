//! What `docker build` would make of the Dockerfiles, by the code of BuildKit, which it is: `docker buildx` needs a daemon and
//! a registry, its plan needs neither.

use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use wrapper_tests::{run_program, skip_unless_ci, tool};

/// How an image for one platform would be built.
#[derive(Debug, Deserialize)]
struct Plan {
    platform: String,
    warnings: Vec<String>,
    images: Vec<Step>,
    commands: Vec<Step>,
    user: String,
    labels: Option<BTreeMap<String, String>>,
}

/// An image that is taken, or a command that is run, and the CPU that it is for.
#[derive(Debug, Deserialize)]
struct Step {
    cpu: String,
    what: String,
}

/// The platforms that `make arm64 riscv64 s390x` builds for, and amd64.
const PLATFORMS: [&str; 4] = ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The plans for all platforms on a machine of this one, or none where the tool is missing.
fn plans(here: &str, dockerfile: &str, target: &str) -> Option<Vec<Plan>> {
    if !root().join("target/tools/dockerfiles/dockerfiles").exists() {
        skip_unless_ci("it needs what `scripts/setup dockerfiles` builds");
        return None;
    }
    let file = root().join(dockerfile);
    let arguments = [&[here, file.to_str().unwrap(), target], &PLATFORMS[..]].concat();
    let outcome = run_program(tool("dockerfiles/dockerfiles"), arguments).outcome();
    Some(outcome.exits(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn whatever_the_platform_it_is_compiled_by_the_machine_that_builds() {
    for here in ["linux/amd64", "linux/arm64"] {
        for target in ["wrapper", "slim", "tool", "plugins", ""] {
            let Some(plans) = plans(here, "Dockerfile", target) else { return };
            assert_eq!(plans.iter().map(|plan| plan.platform.as_str()).collect::<Vec<_>>(), PLATFORMS);
            for plan in plans {
                let cpu = |step: &Step| format!("linux/{}", step.cpu);
                assert!(plan.warnings.is_empty(), "{target}: {:?}", plan.warnings);
                assert_eq!(plan.commands.len(), 2, "setup and build: {plan:?}");
                assert!(plan.commands.iter().all(|command| cpu(command) == here), "{plan:?}");
                let (rust, base): (Vec<_>, _) =
                    plan.images.iter().partition(|image| image.what == "docker.io/library/rust:1.95-bookworm");
                assert!(rust.len() == 1 && cpu(rust[0]) == here, "{plan:?}");
                let expected = if target == "plugins" { [].as_slice() } else { &["gcr.io/distroless/static:nonroot"] };
                assert_eq!(base.iter().map(|image| image.what.as_str()).collect::<Vec<_>>(), expected);
                assert!(base.iter().all(|image| cpu(image) == plan.platform), "{plan:?}");
                assert_eq!(plan.user, if target == "plugins" { "" } else { "65532:65532" });
                let label =
                    |name: &str| plan.labels.as_ref().unwrap()[&format!("org.opencontainers.image.{name}")].as_str();
                assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
                let expected = match target {
                    "" | "wrapper" => "wrapper",
                    "tool" => "wrapper-plugin",
                    "slim" => "wrapper-slim",
                    _ => "wrapper-plugins",
                };
                assert_eq!(label("title"), expected);
            }
        }
    }
}

#[test]
fn the_dockerfiles_of_the_examples_are_for_every_platform_too() {
    for name in ["copied", "compiled", "plugin-file"] {
        let Some(plans) = plans("linux/amd64", &format!("examples/images/{name}/Dockerfile"), "") else { return };
        for plan in plans {
            assert!(plan.warnings.is_empty(), "{name}: {:?}", plan.warnings);
            assert_eq!(plan.user, "65532:65532", "{name}");
            for step in plan.images.iter().chain(&plan.commands) {
                // The compiler of plugins runs where the image is built: what it makes is not for one CPU.
                let builds = step.what.contains("wrapper-plugin");
                let expected = if builds { "linux/amd64" } else { &plan.platform };
                assert_eq!(format!("linux/{}", step.cpu), expected, "{name}: {step:?}");
            }
        }
    }
}
