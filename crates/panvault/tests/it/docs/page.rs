use std::fs;
use std::path::Path;

/// A page of the documentation.
pub(super) struct Page {
    pub(super) name: String,
    fences: Vec<Fence>,
    lines: usize,
}

/// A fenced part.
struct Fence {
    language: String,
    /// The line of the opening fence, from 1.
    line: usize,
    text: Vec<String>,
}

/// A part that is run, with what it is shown to print.
pub(super) struct Block<'a> {
    pub(super) line: usize,
    pub(super) sample: Option<Sample<'a>>,
}

/// What is shown, and how it is to be read.
pub(super) struct Sample<'a> {
    /// The line of its opening fence.
    pub(super) line: usize,
    pub(super) is_json: bool,
    pub(super) lines: &'a [String],
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap();
        Self::parse(name, &fs::read_to_string(path).unwrap())
    }

    pub(super) fn parse(name: &str, text: &str) -> Self {
        let mut fences: Vec<Fence> = Vec::new();
        let mut is_open = false;
        for (at, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), is_open) {
                (Some(language), false) => {
                    is_open = true;
                    fences.push(Fence { language: language.to_owned(), line: at + 1, text: Vec::new() });
                }
                (Some(_), true) => is_open = false,
                (None, true) => fences.last_mut().unwrap().text.push(line.to_owned()),
                (None, false) => {}
            }
        }
        assert!(!is_open, "{name}: a fence is not closed");
        for fence in &fences {
            let is_known = ["sh", "console", "json", "text"].contains(&fence.language.as_str());
            assert!(is_known, "{name}:{}: a block is sh, console, json or text", fence.line);
        }
        Self { name: name.to_owned(), fences, lines: text.lines().count() }
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.fences.iter().enumerate().filter(|(_, fence)| fence.language == "sh").map(|(at, fence)| {
            let next = self.fences.get(at + 1);
            let sample = next.filter(|next| ["json", "text"].contains(&next.language.as_str()));
            let sample = sample.map(|next| Sample {
                line: next.line,
                is_json: next.language == "json",
                lines: &next.text,
            });
            Block { line: fence.line, sample }
        })
    }

    /// Whether what is run uses a variable that is set by hand.
    pub(super) fn wants(&self, variable: &str) -> bool {
        let run = self.fences.iter().filter(|fence| fence.language == "sh");
        run.flat_map(|fence| &fence.text).any(|line| line.contains(&format!("\"${variable}\"")))
    }

    /// The page as a script: what is run stands in the same line as on the page, so that the shell says the right one, and what it
    /// prints goes to a file that is named by the block's line.
    pub(super) fn script(&self, printed: &Path) -> String {
        let mut lines = vec![String::new(); self.lines];
        // A page begins with its title.
        lines[0] = "trap 'echo \"$0:$LINENO: failed\" >&2' ERR".to_owned();
        for fence in self.fences.iter().filter(|fence| fence.language == "sh") {
            lines[fence.line - 1] = format!("exec > '{}'", printed.join(fence.line.to_string()).display());
            lines[fence.line..fence.line + fence.text.len()].clone_from_slice(&fence.text);
        }
        lines.join("\n") + "\n"
    }
}
