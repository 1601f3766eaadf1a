use crate::parts::Parts;
use crate::workspace::Workspace;
use crate::{architecture, exposures, openapi, run, test, tidy, web};

/// What CI runs: the quick checks first, so that a slip shows early; all of them, so that it shows alone.
pub(crate) fn ci(workspace: &Workspace) -> bool {
    let root = &workspace.root;
    let mut parts = Parts::default();
    parts.check("Cargo.lock is in sync", || {
        run::output(run::cargo(root, &["metadata", "--locked", "--format-version", "1"])).map(drop)
    });
    parts.check("format", || run::succeed(run::cargo(root, &["fmt", "--all", "--check"])));
    parts.check("architecture", || architecture::check(workspace));
    parts.check("sources and manifests", || tidy::check(workspace));
    parts.check("exposures", || exposures::check(workspace));
    parts.check("clippy", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        run::succeed(run::cargo(root, &arguments))
    });
    parts.check("docs that are made from the code", || openapi::check(workspace));
    parts.check("what browsers load", || web::check(workspace));
    test::tests(workspace, &test::Without::default(), &mut parts);
    parts.finish()
}
