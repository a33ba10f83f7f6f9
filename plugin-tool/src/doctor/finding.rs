//! What can be found in a pod: each kind has an id that stays, a level and a meaning. `doctor --list` prints them, and a test holds
//! the table of `docs/doctor.md` against that.

use std::fmt;

/// Whether a pod ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It ends when its job has ended.
    #[default]
    Ends,
    /// Something decides that the pod does not show.
    MayNotEnd,
    /// Something keeps it.
    DoesNotEnd,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ends => "ends",
            Self::MayNotEnd => "may not end",
            Self::DoesNotEnd => "does not end",
        })
    }
}

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub id: &'static str,
    pub level: Level,
    pub means: &'static str,
}

macro_rules! kinds {
    ($($name:ident $id:literal $level:ident $means:literal)*) => {
        $(pub const $name: &Kind = &Kind { id: $id, level: Level::$level, means: $means };)*

        /// All of them, the gravest first.
        pub const KINDS: &[&Kind] = &[$($name),*];
    };
}

kinds! {
    NO_WRAPPER "no-wrapper" Error
        "a plain sidecar runs for ever, and no container of the pod is under the wrapper"
    NO_QUIT "no-quit" Error
        "a container is under the wrapper, and none of its hooks asks the sidecar to quit"
    NO_ENDPOINT "no-endpoint" Error
        "a plain sidecar has no endpoint that a hook can reach"
    ENDPOINT_OFF "endpoint-off" Error
        "the sidecar's quit endpoint is off, as far as the pod tells"
    OTHER_PORT "other-port" Error
        "the sidecar's quit endpoint is on another port than the plugin asks"
    TOKEN_MISSING "token-missing" Error
        "the sidecar asks for a token, and the job's container does not have it"
    SETTINGS_REJECTED "settings-rejected" Error
        "the wrapper rejects its settings: exit code 125, and no hook runs"
    WRAPPER_MISSING "wrapper-missing" Error
        "the command begins with a wrapper in an empty volume, and no init container installs one there"
    INSTALL_LOST "install-lost" Error
        "an init container installs the wrapper to a place where it cannot be written or is not kept"
    LABEL_REFUSED "label-refused" Error
        "the policies of the label wrapper.example.com/inject refuse the pod"
    PLACEHOLDER "placeholder" Error
        "the command has a word that stands for the image's own ENTRYPOINT"
    RESTART_POLICY "restart-policy" Error
        "a Job's template has a restartPolicy that Kubernetes rejects"
    KEEPS_POD "keeps-pod" Error
        "the jobs have ended, and this container still runs"
    QUIT_CONDITIONAL "quit-conditional" Warning
        "the hook that ends the sidecar does not run after each job"
    QUIT_BEFORE_RETRY "quit-before-retry" Warning
        "a job that failed runs again in the same pod, and its sidecar has been ended"
    QUITS_ITSELF "quits-itself" Warning
        "the job's own command is to end the sidecar"
    SEVERAL_QUIT "several-quit" Warning
        "several wrapped containers end the same sidecar, and the first to end takes it from the others"
    VARIABLE_MISSING "variable-missing" Warning
        "nobody tells the wrapper whether there is a sidecar, so it gives up on one that is late"
    VARIABLE_WRONG "variable-wrong" Warning
        "the variable that tells whether there is a sidecar tells something else"
    VARIABLE_TYPO "variable-typo" Warning
        "a variable is one typo away from one of the wrapper's"
    SETTING_UNKNOWN "setting-unknown" Warning
        "a setting comes from a ConfigMap, a Secret or the like, whose value the pod does not tell"
    PLUGIN_UNKNOWN "plugin-unknown" Warning
        "a plugin that is not built in may or may not end the sidecar"
    NATIVE_ASKED "native-asked" Warning
        "a hook asks a native sidecar to quit, which the kubelet ends anyway"
    GRACE_SHORT "grace-short" Warning
        "when the pod is deleted, the wrapper may be killed before its hooks are done"
    NOEXEC_VOLUME "noexec-volume" Warning
        "the wrapper comes from an image volume, which the kubelet of a node mounts noexec"
    REPORT_LOST "report-lost" Warning
        "the account of the run goes to a place that is read-only"
    INSTALL_OWNER "install-owner" Warning
        "the init container's user may not be able to write to the volume that it installs the wrapper into"
    MEMORY_SMALL "memory-small" Warning
        "the container's memory limit is less than its plugins may take"
    WAITS_IN_VAIN "waits-in-vain" Warning
        "a hook waits for a sidecar that the pod does not have, and then the job is not started"
    LABEL_MISPLACED "label-misplaced" Warning
        "the label wrapper.example.com/inject is on an object that is no pod's template"
    IMAGE_MISSING "image-missing" Warning
        "a container waits for its image"
    NOT_STARTED "not-started" Warning
        "a wrapped container ended with 125, 126 or 127: its job was not started, or ended so itself"
    OUT_OF_MEMORY "out-of-memory" Warning
        "a container was killed as it had no more memory"
    DRAINS "drains" Note
        "the job has just ended, and the sidecar may still be draining"
    DEADLINE "deadline" Note
        "activeDeadlineSeconds ends a pod that does not end by itself, and the Job has failed then"
    INJECTED "injected" Note
        "an injector will add a sidecar that the manifest does not have"
    LABELLED "labelled" Note
        "a label asks for the wrapper, which the manifest does not have"
    NATIVE "native" Note
        "the kubelet ends a native sidecar"
    VERSION_UNKNOWN "version-unknown" Note
        "the sidecar's version decides whether it can be asked to quit, and the pod does not tell it"
    ENTRYPOINT_HIDDEN "entrypoint-hidden" Note
        "the pod has settings for the wrapper, and its image's ENTRYPOINT decides whether the wrapper runs"
    UNKNOWN_CONTAINER "unknown-container" Note
        "a container next to the job that is not known as a sidecar counts as a job that ends by itself"
    NO_SIDECAR "no-sidecar" Note
        "a hook looks for a sidecar that the pod does not have"
    IMAGE_VOLUME "image-volume" Note
        "the wrapper comes from an image volume, which needs Kubernetes 1.36"
    NOEXEC_CODE "noexec-code" Note
        "a plugin that was compiled ahead of time is in an image volume, which may be mounted noexec"
    NOT_PINNED "not-pinned" Note
        "a plugin's file, or the volume that it is in, can be replaced"
    MEMORY_GROUP "memory-group" Note
        "if the job exceeds the memory limit, the kernel kills the wrapper with it, and no hook runs"
}

/// Something that was found.
#[derive(Debug)]
pub struct Finding {
    pub kind: &'static Kind,
    /// The container in question.
    pub container: Option<String>,
    /// What is so.
    pub says: String,
    /// What to do. Empty if there is nothing to do.
    pub cure: String,
    /// What it makes of the pod.
    pub effect: Verdict,
}

impl Finding {
    /// One that decides nothing.
    pub fn new(kind: &'static Kind, container: &str, says: impl Into<String>, cure: impl Into<String>) -> Self {
        let container = (!container.is_empty()).then(|| container.to_owned());
        Self { kind, container, says: says.into(), cure: cure.into(), effect: Verdict::Ends }
    }

    /// The same, which keeps the pod or may do so.
    pub fn so(self, effect: Verdict) -> Self {
        Self { effect, ..self }
    }
}
