//! The machine that was measured on, with the cost of two things that each start of a program does and that a hypervisor
//! makes dear: CPUID, which the C library asks what the CPU can do, and the first touch of a page.

use crate::job::now;
use anyhow::{Result, ensure};
use std::{env::consts::ARCH, fmt::Write as _, fs, io, process::Command, ptr, thread};

/// How many single calls a median is of.
const CALLS: usize = 1_000;

/// Who makes the CPU: `AMD`, `Intel`, `Arm`. The page has a section for each.
pub fn maker() -> Result<&'static str> {
    Ok(maker_in(&cpuinfo()?, ARCH))
}

/// CPUs, hypervisor, kernel, the two costs, and the versions of these Debian packages.
pub fn line(packages: &[&str]) -> Result<String> {
    let cpus = cpuinfo()?;
    let model = field(&cpus, "model name").unwrap_or("an unknown CPU");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let count = thread::available_parallelism()?;
    let mut text = format!("{count} × {model}, {}, Linux {}", hypervisor(&cpus), kernel.trim());
    if let Some(cpuid) = cpuid() {
        write!(text, ", CPUID {}", time(cpuid))?;
    }
    write!(text, ", page fault {}", time(page_fault()?))?;
    for package in packages {
        let version = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output();
        if let Ok(output) = version
            && output.status.success()
        {
            write!(text, ", {package} {}", String::from_utf8_lossy(&output.stdout))?;
        }
    }
    Ok(text + ".")
}

/// Today in UTC, as `2026-11-26`.
pub fn today() -> String {
    // SAFETY: time accepts a null pointer (time(2)).
    date(unsafe { libc::time(ptr::null_mut()) })
}

fn date(seconds: libc::time_t) -> String {
    // SAFETY: tm is plain data, and both pointers are valid for the duration of the call.
    let day = unsafe {
        let mut day: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&seconds, &mut day);
        day
    };
    format!("{:04}-{:02}-{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday)
}

fn cpuinfo() -> io::Result<String> {
    fs::read_to_string("/proc/cpuinfo")
}

/// A field of the first CPU.
fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|pair| pair.1.trim())
}

/// A vendor is in the file on x86 and s390x only. An Arm CPU is `Arm`, no matter who sells it.
fn maker_in(cpuinfo: &str, arch: &'static str) -> &'static str {
    match (field(cpuinfo, "vendor_id"), arch) {
        (Some("AuthenticAMD"), _) => "AMD",
        (Some("GenuineIntel"), _) => "Intel",
        (_, "aarch64") => "Arm",
        (_, "riscv64") => "RISC-V",
        (_, "s390x") => "IBM",
        _ => arch,
    }
}

/// The hypervisor's name, and in parentheses what the firmware calls the machine: clouds put the type of an instance there.
fn hypervisor(cpuinfo: &str) -> String {
    let read =
        |file: &str| fs::read_to_string(file).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = under(field(cpuinfo, "flags"), signature, read("/sys/hypervisor/type"));
    let firmware: Vec<_> =
        ["sys_vendor", "product_name"].iter().filter_map(|file| read(&format!("/sys/class/dmi/id/{file}"))).collect();
    if firmware.is_empty() { name } else { format!("{name} ({})", firmware.join(", ")) }
}

/// `flags` are those of an x86 CPU, one of which tells that there is a hypervisor. Other CPUs have no such flag.
fn under(flags: Option<&str>, signature: fn() -> Option<[u8; 12]>, kind: Option<String>) -> String {
    if flags.is_some_and(|flags| !flags.split(' ').any(|flag| flag == "hypervisor")) {
        return "no hypervisor".to_owned();
    }
    signature().and_then(named).or(kind).unwrap_or_else(|| "hypervisor unknown".to_owned())
}

/// Signatures as hypervisors document them; Linux has the same ones in `arch/x86/kernel/cpu`.
fn named(signature: [u8; 12]) -> Option<String> {
    let name = match &signature {
        b"KVMKVMKVM\0\0\0" => "KVM",
        b"Microsoft Hv" => "Hyper-V",
        b"TCGTCGTCGTCG" => "QEMU without KVM",
        b"VMwareVMware" => "VMware",
        b"XenVMMXenVMM" => "Xen",
        other => str::from_utf8(other).ok()?.trim_matches(['\0', ' ']),
    };
    let printable = !name.is_empty() && name.chars().all(|character| character == ' ' || character.is_ascii_graphic());
    printable.then(|| name.to_owned())
}

#[cfg(target_arch = "x86_64")]
fn signature() -> Option<[u8; 12]> {
    let leaf = core::arch::x86_64::__cpuid(0x4000_0000);
    let mut bytes = [0; 12];
    for (place, register) in bytes.chunks_exact_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        place.copy_from_slice(&register.to_le_bytes());
    }
    Some(bytes)
}

#[cfg(not(target_arch = "x86_64"))]
fn signature() -> Option<[u8; 12]> {
    None
}

/// One CPUID, in nanoseconds.
#[cfg(target_arch = "x86_64")]
fn cpuid() -> Option<u64> {
    Some(median(|_| {
        std::hint::black_box(core::arch::x86_64::__cpuid(0));
    }))
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid() -> Option<u64> {
    None
}

/// The first touch of a page of anonymous memory, in nanoseconds.
fn page_fault() -> Result<u64> {
    // SAFETY: the mapping is new and this function's own, each write is within it, and nothing of it is used afterwards.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let start = libc::mmap(ptr::null_mut(), CALLS * page, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        ensure!(start != libc::MAP_FAILED, "memory to touch: {}", io::Error::last_os_error());
        // Else a touch may bring many pages at once. A kernel without large pages refuses it, which is as good.
        libc::madvise(start, CALLS * page, libc::MADV_NOHUGEPAGE);
        let touch = median(|call| start.cast::<u8>().add(call * page).write_volatile(1));
        libc::munmap(start, CALLS * page);
        Ok(touch)
    }
}

/// The median of single calls, in nanoseconds, without what it takes to read the clock.
fn median(call: impl FnMut(usize)) -> u64 {
    fn timed(mut call: impl FnMut(usize)) -> u64 {
        let once = |number| {
            let started = now();
            call(number);
            now() - started
        };
        let mut times: Vec<_> = (0..CALLS).map(once).collect();
        times.sort_unstable();
        times[CALLS / 2]
    }
    timed(call).saturating_sub(timed(|_| ()))
}

fn time(nanoseconds: u64) -> String {
    if nanoseconds < 1_000 { format!("{nanoseconds} ns") } else { format!("{:.1} µs", nanoseconds as f64 / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_is_the_vendor_and_without_one_the_architecture_tells() {
        assert_eq!(maker_in("processor\t: 0\nvendor_id\t: AuthenticAMD\n", "x86_64"), "AMD");
        assert_eq!(maker_in("vendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\n", "x86_64"), "Intel");
        assert_eq!(maker_in("vendor_id\t: another\n", "x86_64"), "x86_64");
        assert_eq!(maker_in("processor\t: 0\nCPU implementer\t: 0xc0\n", "aarch64"), "Arm");
        assert_eq!(maker_in("vendor_id       : IBM/S390\n", "s390x"), "IBM");
    }

    #[test]
    fn a_hypervisor_has_its_name_and_is_unknown_only_if_nothing_tells() {
        let kvm = || Some(*b"KVMKVMKVM\0\0\0");
        assert_eq!(under(Some("fpu hypervisor lahf_lm"), kvm, None), "KVM");
        assert_eq!(under(Some("fpu lahf_lm"), kvm, None), "no hypervisor");
        assert_eq!(under(Some("hypervisor"), || Some(*b"bhyve bhyve "), None), "bhyve bhyve");
        assert_eq!(under(Some("hypervisor"), || Some([0; 12]), Some("xen".to_owned())), "xen");
        assert_eq!(under(Some("hypervisor"), || Some([0xff; 12]), None), "hypervisor unknown");
        assert_eq!(under(None, || None, None), "hypervisor unknown");
    }

    #[test]
    fn a_date_is_that_of_utc() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(1_709_251_199), "2024-02-29");
        assert_eq!(date(1_709_251_200), "2024-03-01");
    }

    #[test]
    fn a_page_fault_takes_time() {
        assert!(page_fault().unwrap() > 0);
    }
}
