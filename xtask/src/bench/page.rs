//! `docs/performance.md`: the parts that are written by the benchmark stand between marks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::run;

/// The page, in memory.
pub(super) struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("docs/performance.md");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path, text })
    }

    /// Replaces what stands between `<!-- name -->` and `<!-- /name -->`.
    pub(super) fn put(&mut self, name: &str, part: &str) -> anyhow::Result<()> {
        self.text = replaced(&self.text, name, part)?;
        Ok(())
    }

    /// Describes this machine, and the disk that `directory` is on.
    pub(super) fn machine(&mut self, directory: &Path) -> anyhow::Result<()> {
        let part = machine(directory)?;
        self.put("machine", &part)
    }

    pub(super) fn write(&self) -> anyhow::Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn replaced(text: &str, name: &str, part: &str) -> anyhow::Result<String> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let found = text.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
    let Some((before, after)) = found else { bail!("docs/performance.md has no marks for {name}") };
    Ok(format!("{before}{open}\n{}\n\n{close}{after}", part.trim()))
}

/// This machine, in words, and the file system that `directory` is on.
pub(super) fn machine(directory: &Path) -> anyhow::Result<String> {
    let said = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let out = run::output(run::command(program, directory, arguments))?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let memory_kib: f64 = field(&meminfo, "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(format!(
        "{}: {cores} × {}, {:.0} GiB of memory, Linux {}, {} file system.",
        said("date", &["-u", "+%Y-%m-%d"])?,
        field(&cpuinfo, "model name"),
        memory_kib / f64::from(1 << 20),
        fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        said("stat", &["-f", "-c", "%T", "."])?,
    ))
}

/// The first `name : value` of a file below `/proc`.
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n";
        let expected = "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n";
        let once = replaced(text, "x", "new\n").unwrap();
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "x", "new").unwrap(), expected);
        assert!(replaced(text, "z", "new").is_err());
    }

    #[test]
    fn reads_fields() {
        assert_eq!(field("model name\t: A CPU\nMemTotal:  12 kB\n", "model name"), "A CPU");
        assert_eq!(field("MemTotal:  12 kB\n", "MemTotal"), "12 kB");
        assert_eq!(field("", "MemTotal"), "unknown");
    }
}
