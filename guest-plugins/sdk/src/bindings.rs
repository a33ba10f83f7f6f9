//! The generated side of the WIT contract. Everything public goes through the other modules.
#![allow(missing_docs, reason = "documented where it is re-exported")]

wit_bindgen::generate!({
    inline: "
        package wrapper:sdk;
        world imports {
            import wrapper:hook/job@0.1.0;
            import wrapper:hook/plugin@0.1.0;
            import wrapper:hook/sidecar@0.1.0;
            import wrapper:hook/log@0.1.0;
            import wrapper:hook/localhost@0.1.0;
            import wasi:cli/environment@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:random/random@0.2.12;
        }
    ",
    path: "wit",
    generate_all,
});

pub use wrapper::hook::types::ExitStatus;

/// One world an exported interface, so that a plugin exports just what it has.
pub mod after_exit {
    wit_bindgen::generate!({
        inline: "package wrapper:sdk; world after-exit { export wrapper:hook/after-exit@0.1.0; }",
        path: "wit",
        with: { "wrapper:hook/types@0.1.0": crate::bindings::wrapper::hook::types },
        pub_export_macro: true,
    });
}

pub mod before_start {
    wit_bindgen::generate!({
        inline: "package wrapper:sdk; world before-start { export wrapper:hook/before-start@0.1.0; }",
        path: "wit",
        pub_export_macro: true,
    });
}
