//! Containers and pods of podman, which needs no daemon: the images of `scripts/images`, in a place of their own.
//!
//! Where they are missing the tests that need them are skipped, but not under `CI=true`.

use crate::{Run, run_program, skip_unless_ci};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// podman with storage of its own, which ends with the test.
#[derive(Debug)]
pub struct Podman {
    own: TempDir,
    images: PathBuf,
}

impl Podman {
    /// None where the images are not there, which is said.
    pub fn find() -> Option<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let images = tests.join("../target/containers/images");
        // Of the binaries that there are: a digest for each file, as sha256sum(1) has them.
        let root = tests.join("..");
        let current = Command::new("sha256sum")
            .args(["--check", "--status", "target/containers/built-from"])
            .current_dir(&root)
            .output();
        if !current.is_ok_and(|output| output.status.success()) {
            skip_unless_ci("it needs images of the binaries in target/dist, which `make images` builds as root");
            return None;
        }
        // A short path, since podman takes no runroot of more than 50 characters.
        Some(Self { own: tempfile::tempdir_in("/tmp").unwrap(), images: images.canonicalize().unwrap() })
    }

    /// One of its commands, such as `run` or `wait`.
    pub fn command(&self, arguments: &[&str]) -> Run {
        let own = |folder: &str| self.own.path().join(folder).into_os_string();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("containers/containers.conf");
        let images = format!("overlay.imagestore={}", self.images.display());
        let mut words = vec!["--root".into(), own("root"), "--runroot".into(), own("run")];
        words.extend(["--tmpdir".into(), own("tmp"), "--storage-driver".into(), "overlay".into()]);
        words.extend(["--storage-opt".into(), images.into()]);
        words.extend(arguments.iter().map(Into::into));
        run_program("podman", words).env("CONTAINERS_CONF", config).env("HOME", self.own.path())
    }

    /// What a command prints, which must be content.
    #[track_caller]
    pub fn output(&self, arguments: &[&str]) -> String {
        self.command(arguments).outcome().exits(0).stdout.trim_end().to_owned()
    }

    /// A container as a cautious cluster would have it: no network, nothing to write to, no capability, no new privileges.
    #[must_use]
    pub fn confined(&self, options: &[&str], image: &str, command: &[&str]) -> Run {
        let confined =
            ["run", "--rm", "--pull", "never", "--network", "none", "--read-only", "--read-only-tmpfs=false"];
        let unprivileged = ["--cap-drop", "all", "--security-opt", "no-new-privileges"];
        self.command(&[&confined[..], &unprivileged, options, &[image], command].concat())
    }

    /// The files of an image.
    pub fn files(&self, image: &str) -> Image {
        let id = self.output(&["create", "--pull", "never", image, "/none"]);
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("files.tar");
        self.output(&["export", "--output", archive.to_str().unwrap(), &id]);
        self.output(&["rm", &id]);
        let untar = Command::new("tar").arg("-C").arg(folder.path()).arg("-xf").arg(&archive).status().unwrap();
        assert!(untar.success());
        fs::remove_file(archive).unwrap();
        Image { folder }
    }

    /// A command at the end of a test, which may be a panic: so this one does not panic.
    pub fn put_away(&self, arguments: &[&str]) {
        drop(self.command(arguments).under(&["timeout", "--kill-after=5", "60"]).start().wait());
    }

    /// A folder of this test's own, for files that containers are given.
    pub fn folder(&self) -> &Path {
        self.own.path()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Whatever still runs, and the mounts, without which the folder could not be removed.
        self.put_away(&["pod", "rm", "--all", "--force", "--time", "0"]);
        self.put_away(&["rm", "--all", "--force", "--time", "0"]);
        drop(Command::new("umount").arg(self.own.path().join("root/overlay")).output());
    }
}

/// What is in an image.
#[derive(Debug)]
pub struct Image {
    folder: TempDir,
}

impl Image {
    /// Its files, as paths from its root, in order. What a runtime puts there to mount things at is left out.
    pub fn names(&self) -> Vec<String> {
        let find =
            Command::new("find").args([".", "-type", "f", "-size", "+0"]).current_dir(&self.folder).output().unwrap();
        let mut names: Vec<_> = String::from_utf8(find.stdout)
            .unwrap()
            .lines()
            .map(|name| name.trim_start_matches('.').to_owned())
            .collect();
        names.sort();
        names
    }

    /// A file's bytes.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name.trim_start_matches('/'))).unwrap()
    }
}
