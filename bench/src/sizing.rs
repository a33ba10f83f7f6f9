//! `docs/sizing.md`: what a cluster pays that starts 100,000 wrapped jobs an hour, reckoned from what one costs.

use crate::{
    costs::{Cost, Install},
    machine,
    simulation::Simulation,
};
use anyhow::Result;

/// What the page assumes of the cluster.
const JOBS: f64 = 100_000.0;
const SECONDS: f64 = 60.0;
const NODES: f64 = 200.0;

/// What a sidecar requests where nobody says otherwise: `global.proxy.resources.requests` of Istio's chart.
const SIDECAR_CORES: f64 = 0.1;
const SIDECAR_MIB: f64 = 128.0;

/// What is known of scuttle, which this run does not measure.
struct Scuttle {
    name: &'static str,
    wall: f64,
    private_dirty: f64,
    rss: f64,
    bytes: f64,
}

const SCUTTLE: Scuttle =
    Scuttle { name: "scuttle, an earlier run", wall: 3.88, private_dirty: 1176.0, rss: 7736.0, bytes: 10.6e6 };

/// The whole page.
pub fn page(costs: &[Cost], installs: &[Install], simulation: &Simulation) -> Result<String> {
    let machine = machine::line(&["tini", "dash", "curl", "busybox-static"])?;
    let jobs = grouped(JOBS);
    let libraries = costs.iter().find(|cost| cost.name == "sh, curl").map_or(0, |cost| cost.files.count);
    Ok(format!(
        "# Sizing

What a cluster pays that starts {jobs} wrapped jobs an hour, beside other ways to end the sidecar: reckoned from what one
run costs. `scripts/setup scale && scripts/bench --scale` measures it, all but scuttle, and writes this page. It is arithmetic,
not a cluster: put your own numbers in.

{machine}

## One run

{cost_table}
Time and CPU are on top of what the job takes by itself, a `sleep` of half a second; medians of {rounds}, contenders by turns,
each run checked for its exit code and its request. The sidecar is a stub on loopback that answers 200; *tini* sends nothing.
The shells keep the job's exit code, `job; code=$?; curl …; exit $code`. CPU is user and system of all processes of the run.
Memory is that of the process above the job while it sleeps, one sample: *private dirty* is what each pod adds, *resident* counts
pages of the program too, which pods with the same image share on a node. In its first 50 ms a wrapper has the process of its hook
beside it, which is not in these columns; the run of {count} has it. *Largest process* is the most that one of a run of
`/bin/true` has, for some milliseconds at the end: a pod's memory limit must have room for it.

*In the image* is what `distroless/static` lacks: the program, and where it is not static the loader and the libraries that
`ldd` lists for it. The wrapper, the Go launcher and Debian's static busybox are one file; `sh, curl` are {libraries}, Debian's
dash and its curl with theirs. *Packed* is each file through `gzip`.

What the shells do not do is to pass a SIGTERM on to the job.

scuttle is not in this run. Its figures are of an earlier one, on a machine with two CPUs, where the job was `/bin/true` and `sh`
with `curl` took 8.11 ms; its CPU time was not measured. The *Go launcher* stands for it here: some 40 lines of Go that
start the job, pass signals on and post the request with `net/http`. scuttle does more.

## {jobs} jobs an hour

| | | |
|---|---|---|
| *J* | jobs an hour | {jobs} |
| *D* | mean time that a job takes | {SECONDS} s |
| *P* | pods at a time, *J* × *D* ÷ 3600 (Little's law) | {pods} |
| *N* | nodes | {NODES} |

### CPU

CPU-seconds an hour are *J* × CPU of a run; cores are that ÷ 3600.

{cpu_table}
### Memory

Memory at a time is *P* × that of a run, and as many MiB-hours an hour: *J* runs × *D* ÷ 3600 hours × MiB is the same product.
*Resident* is what it would be if no two pods shared a page; the truth is between the two.

{memory_table}
### Image pulls

A node pulls a layer once for each version of it, not for each job: that is what `imagePullPolicy: IfNotPresent`
[does](https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy), and under `Always` too only the digest is asked
for. So a version costs *N* × packed in transfer and *N* × bytes on disk, for each image that has a layer of its own for it.
A version a day is a twenty-fourth of this an hour.

{image_table}
### `--install`

Where an init container copies the wrapper into an `emptyDir`, the image need not have it, and each pod pays for a copy:
bytes × *J* are written an hour, and bytes × *P* lie there at a time, on the nodes' disks, and what is not written back yet in
their memory. With `medium: Memory` all of it is the pods' memory. Nor are the pages of a copy shared with another pod's: count
*resident* for such a wrapper. It is also a container more to start in each pod, which is
not measured here. In the image the wrapper costs nothing of this.

{install_table}
### From an image volume

A node pulls the wrapper's image once, and each pod mounts it ([nothing-copied.yaml](../examples/kubernetes/nothing-copied.yaml)). So
what the table above counts is saved: nothing is copied, no container is added, and all pods of a node share the pages of one file.

### API server

None of them speaks to it. `--install` adds a container to a pod's specification and status, {jobs} an hour.

### Beside it: the sidecar

Istio's sidecar [requests](https://github.com/istio/istio/blob/master/manifests/charts/istio-control/istio-discovery/values.yaml)
100m of CPU and 128 MiB by default. What is requested is reserved, used or not.

{sidecar_table}
## {count} wrapped jobs, {at_once} at a time

Run on this one machine with `wrapper` and `istio-quit`, each job with a sidecar's stub of its own on a port of its own. Of
twenty jobs fifteen exit 0, three exit 3, one is killed by SIGKILL and one by SIGTERM; one in ten lasts 10 ms, the others 0.6 to
3.4 s. Fifty at a time of 1.8 s on average are 28 a second, {jobs} an hour; that the table has less is the end, where slots
stay empty. A run has failed where the exit code is not the job's, where the sidecar has not been asked exactly once or was
asked before the job's end, where it takes over a minute; the whole has where a process or a zombie is left at the end.

{simulation_table}
The stubs, the jobs and what measures share the CPUs with the wrappers. The first {at_once} start in the same moment.

## What is not in it

A container's start; the time that a real sidecar takes to end; the kernel's own memory for a process; nodes whose caches are
cold or whose CPUs are busy, where times are longer; other hooks than `istio-quit`.
",
        rounds = costs.first().map_or(0, |cost| cost.rounds),
        cost_table = cost_table(costs),
        pods = grouped(pods()),
        cpu_table = cpu_table(costs),
        memory_table = memory_table(costs),
        image_table = image_table(costs),
        install_table = install_table(installs),
        sidecar_table = sidecar_table(costs),
        count = grouped(simulation.jobs as f64),
        at_once = simulation.at_once,
        simulation_table = simulation.table(),
    ))
}

fn pods() -> f64 {
    JOBS * SECONDS / 3600.0
}

fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn gigabytes(bytes: f64) -> String {
    format!("{} GB", short(bytes / 1e9))
}

/// Three digits, or all before the point.
fn short(number: f64) -> String {
    match number {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => grouped(number),
    }
}

/// A Markdown table.
fn table(head: &str, rows: impl IntoIterator<Item = String>) -> String {
    let columns = head.matches('|').count() - 1;
    let rows: String = rows.into_iter().map(|row| row + "\n").collect();
    format!("{head}\n{}|\n{rows}", "|---".repeat(columns))
}

fn cost_table(costs: &[Cost]) -> String {
    let row = |cost: &Cost| {
        let peak = cost.peak.map_or_else(String::new, |peak| format!("{} KiB", grouped(peak)));
        format!(
            "| {} | {:.2} ms | {:.2} ms | {} KiB | {} KiB | {} KiB | {peak} | {} | {} |",
            cost.name,
            cost.wall,
            cost.cpu,
            grouped(cost.memory.private_dirty as f64),
            grouped(cost.memory.pss as f64),
            grouped(cost.memory.rss as f64),
            megabytes(cost.files.bytes as f64),
            megabytes(cost.files.packed as f64),
        )
    };
    let head = "| | time | CPU | private dirty | PSS | resident | largest process | in the image | packed |";
    let scuttle = format!(
        "| {} | {:.2} ms | | {} KiB | | {} KiB | | {} | |",
        SCUTTLE.name,
        SCUTTLE.wall,
        grouped(SCUTTLE.private_dirty),
        grouped(SCUTTLE.rss),
        megabytes(SCUTTLE.bytes),
    );
    table(head, costs.iter().map(row).chain([scuttle]))
}

fn cpu_table(costs: &[Cost]) -> String {
    let row = |cost: &Cost| {
        let seconds = cost.cpu * JOBS / 1e3;
        let run = format!("{:.2} ms × {}", cost.cpu, grouped(JOBS));
        format!("| {} | {run} | {} s | {:.3} |", cost.name, grouped(seconds), seconds / 3600.0)
    };
    let scuttle = format!("| {} | not measured | | |", SCUTTLE.name);
    table("| | a run × *J* | CPU-seconds an hour | cores |", costs.iter().map(row).chain([scuttle]))
}

fn memory_table(costs: &[Cost]) -> String {
    let row = |name: &str, private_dirty: f64, rss: f64| {
        let all = |kibibytes: f64| format!("{} MiB", grouped(kibibytes * pods() / 1024.0));
        let product = format!("{} KiB × {}", grouped(private_dirty), grouped(pods()));
        format!("| {name} | {product} | {} | {} |", all(private_dirty), all(rss))
    };
    let rows = costs.iter().map(|cost| row(cost.name, cost.memory.private_dirty as f64, cost.memory.rss as f64));
    let scuttle = row(SCUTTLE.name, SCUTTLE.private_dirty, SCUTTLE.rss);
    table("| | private dirty × *P* | at a time, private dirty | at a time, resident |", rows.chain([scuttle]))
}

fn image_table(costs: &[Cost]) -> String {
    let row = |cost: &Cost| {
        let (bytes, packed) = (cost.files.bytes as f64, cost.files.packed as f64);
        let product = format!("{} × {NODES}", megabytes(packed));
        format!("| {} | {product} | {} | {} |", cost.name, gigabytes(packed * NODES), gigabytes(bytes * NODES))
    };
    let scuttle = format!("| {} | not known | | {} |", SCUTTLE.name, gigabytes(SCUTTLE.bytes * NODES));
    table("| | packed × *N* | transfer a version | on disk |", costs.iter().map(row).chain([scuttle]))
}

fn install_table(installs: &[Install]) -> String {
    let row = |install: &Install| {
        let bytes = install.bytes as f64;
        format!(
            "| {} | {:.2} ms | {} × {} | {} | {} | {} s |",
            install.name,
            install.wall,
            megabytes(bytes),
            grouped(JOBS),
            gigabytes(bytes * JOBS),
            gigabytes(bytes * pods()),
            grouped(install.cpu * JOBS / 1e3),
        )
    };
    let head = "| | time of a copy | bytes × *J* | written an hour | at a time | CPU-seconds an hour |";
    table(head, installs.iter().map(row))
}

fn sidecar_table(costs: &[Cost]) -> String {
    let row = |what: &str, count: f64| {
        let memory = SIDECAR_MIB * count / 1024.0;
        format!("| {what} | {} | {} | {} GiB |", grouped(count), short(SIDECAR_CORES * count), short(memory))
    };
    let mut rows = vec![
        row("that run while their jobs do, *P*", pods()),
        row("left running by one job in a thousand, each for an hour", JOBS / 1e3),
        row("left running by every job, each for an hour", JOBS),
    ];
    if let Some(wrapper) = costs.iter().find(|cost| cost.name == "wrapper") {
        let memory = wrapper.memory.rss as f64 * pods() / 1024.0 / 1024.0;
        let cores = wrapper.cpu * JOBS / 3.6e6;
        rows.push(format!("| for comparison, all wrappers, *resident* | | {} | {} GiB |", short(cores), short(memory)));
    }
    table("| sidecars | at a time | cores | memory |", rows)
}
