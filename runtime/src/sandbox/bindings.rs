//! The generated side of the WIT contract.
#![allow(missing_docs, reason = "documented in wit/hook.wit")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "lifecycle",
    imports: {
        "wrapper:hook/localhost.send": async,
        "wrapper:hook/localhost.send-for-head": async,
        "wrapper:hook/localhost.send-to": async,
        "wrapper:hook/localhost.send-for-status": async,
    },
    exports: { default: async },
});
