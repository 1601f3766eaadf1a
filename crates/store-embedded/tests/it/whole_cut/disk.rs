//! The disk below recorded processes: what it has for certain, and what it may have, at every moment.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::node::{Content, Names, Node, What};
use super::surviving::SurvivingWrites;
use super::trace::{Call, Event, Trace};

/// The node of the vault's directory.
const ROOT: usize = 0;

/// Files and directories, with their bytes: directories have none.
pub(crate) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Flushes that a disk says it has done, and has not, once the store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    Nothing,
    /// Of segments.
    Log,
    /// Of the names of segments.
    Names,
    /// Of the view.
    View,
    /// Of SQLite's own log.
    ViewLog,
}

#[derive(Clone)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
    /// Names of directories as processes see them.
    seen: HashMap<usize, Names>,
    skipped: Skipped,
    /// The number of the last change.
    changes: u64,
    /// Steps that were acknowledged.
    pub(crate) acknowledged: Option<u64>,
    process: Process,
}

/// What goes with the process that writes.
#[derive(Clone, Default)]
struct Process {
    /// By the call that opened it.
    open: HashMap<usize, Open>,
    /// What calls that have not returned change, or will have made durable.
    changing: HashMap<usize, usize>,
    flushing: HashMap<usize, (usize, Vec<u64>)>,
}

#[derive(Clone)]
struct Open {
    node: usize,
    at: usize,
}

impl Disk {
    /// A disk with an empty directory.
    pub(crate) fn new(skipped: Skipped) -> Self {
        Self {
            nodes: vec![Node::directory()],
            seen: HashMap::from([(ROOT, Names::new())]),
            skipped,
            changes: 0,
            acknowledged: None,
            process: Process::default(),
        }
    }

    /// The disk after a power cut: what is left is durable.
    pub(crate) fn after_cut(&self, left: &Image, skipped: Skipped) -> Self {
        let mut disk = Self { acknowledged: self.acknowledged, ..Self::new(skipped) };
        // In the order of paths a directory comes before what is in it.
        for (path, bytes) in left.iter().filter(|(path, _)| path.iter().next().is_some()) {
            let (parent, name) = disk.place(path);
            let node =
                disk.make(bytes.as_ref().map_or_else(Node::directory, |bytes| Node::durable_file(bytes)));
            if bytes.is_none() {
                disk.seen.insert(node, Names::new());
            }
            disk.seen.get_mut(&parent).unwrap().insert(name.clone(), node);
            disk.nodes[parent].durable_name(name, node);
        }
        disk
    }

    /// The process has ended, and another begins. What was not flushed is still not.
    pub(crate) fn next_process(&mut self) {
        for node in &mut self.nodes {
            self.process.changing.keys().for_each(|call| node.returned(*call));
        }
        self.process = Process::default();
    }

    /// Something has happened.
    pub(crate) fn happens(&mut self, trace: &Trace, event: Event) {
        match event {
            Event::Begins(call) => {
                if let Some(made) = &trace.calls[call] {
                    self.begins(trace, call, made);
                }
            }
            Event::Ends(call) => {
                if let Some(node) = self.process.changing.remove(&call) {
                    self.nodes[node].returned(call);
                }
                if let Some((node, covered)) = self.process.flushing.remove(&call) {
                    self.nodes[node].flush(&covered);
                }
            }
        }
    }

    fn begins(&mut self, trace: &Trace, call: usize, made: &Call) {
        match made {
            Call::Acknowledge(steps) => self.acknowledged = Some(*steps),
            Call::Open { path, create, truncate } => self.open(call, path, *create, *truncate),
            Call::Write { file, at, bytes } => {
                let open = self.process.open.get_mut(file).unwrap();
                let from = at.unwrap_or(open.at);
                if at.is_none() {
                    open.at += bytes.len();
                }
                let node = open.node;
                self.change(call, node, What::Bytes(from, bytes.as_slice().into()));
            }
            Call::Truncate { file, length } => {
                self.change(call, self.process.open[file].node, What::Length(*length));
            }
            Call::Flush { file } => self.flush(call, trace.path(*file), self.process.open[file].node),
            Call::MakeDirectory { path } => {
                let (parent, name) = self.place(path);
                let node = self.make(Node::directory());
                self.seen.insert(node, Names::new());
                self.name(call, parent, vec![(name, Some(node))]);
            }
            Call::Rename { from, to } => {
                let ((parent, from), (parent_to, to)) = (self.place(from), self.place(to));
                assert_eq!(parent, parent_to, "nothing moves from one directory to another");
                let node = self.seen[&parent][&from];
                self.name(call, parent, vec![(from, None), (to, Some(node))]);
            }
            Call::Remove { path } => {
                let (parent, name) = self.place(path);
                self.name(call, parent, vec![(name, None)]);
            }
        }
    }

    fn open(&mut self, call: usize, path: &Path, create: bool, truncate: bool) {
        let node = match self.node(path) {
            Some(node) => {
                if truncate {
                    self.change(call, node, What::Length(0));
                }
                node
            }
            None => {
                assert!(create, "{} is opened and is not there", path.display());
                let (parent, name) = self.place(path);
                let node = self.make(Node::file());
                self.name(call, parent, vec![(name, Some(node))]);
                node
            }
        };
        self.process.open.insert(call, Open { node, at: 0 });
    }

    fn flush(&mut self, call: usize, path: &Path, node: usize) {
        let of = match path.to_str().unwrap() {
            "log" => Skipped::Names,
            "view.sqlite" => Skipped::View,
            "view.sqlite-wal" => Skipped::ViewLog,
            name if name.starts_with("log/") => Skipped::Log,
            _ => Skipped::Nothing,
        };
        if of == Skipped::Nothing || of != self.skipped {
            self.process.flushing.insert(call, (node, self.nodes[node].done()));
        }
    }

    fn make(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn change(&mut self, call: usize, node: usize, what: What) {
        self.process.changing.insert(call, node);
        self.nodes[node].change(call, what, &mut self.changes);
    }

    fn name(&mut self, call: usize, directory: usize, changes: Vec<(String, Option<usize>)>) {
        let names = self.seen.get_mut(&directory).unwrap();
        for (name, node) in &changes {
            match node {
                Some(node) => drop(names.insert(name.clone(), *node)),
                None => drop(names.remove(name)),
            }
        }
        self.change(call, directory, What::Names(changes));
    }

    /// The directory of a path, and its name there.
    fn place(&self, path: &Path) -> (usize, String) {
        let parent = self.node(path.parent().unwrap()).unwrap();
        (parent, path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    fn node(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(ROOT, |node, name| self.seen.get(&node)?.get(name.to_str()?).copied())
    }

    /// Whether anything of a file or directory is not durable.
    pub(crate) fn is_open(&self, path: &str) -> bool {
        self.node(Path::new(path)).is_some_and(|node| self.nodes[node].open().next().is_some())
    }

    /// What is left when the power is cut now.
    pub(crate) fn cut(&self, seed: u64) -> Image {
        let mut surviving = SurvivingWrites::new(seed, self.nodes.iter().flat_map(Node::open).collect());
        self.image(&mut |node| node.left(&mut surviving))
    }

    /// What processes see.
    pub(crate) fn seen(&self) -> Image {
        self.image(&mut Node::seen)
    }

    /// What nothing can take away.
    pub(crate) fn durable(&self) -> Image {
        self.image(&mut Node::durable)
    }

    fn image(&self, content: &mut dyn FnMut(&Node) -> Content) -> Image {
        let mut image = Image::new();
        let mut to_do = vec![(PathBuf::new(), ROOT)];
        while let Some((path, node)) = to_do.pop() {
            match content(&self.nodes[node]) {
                Content::Bytes(bytes) => drop(image.insert(path, Some(bytes))),
                Content::Names(names) => {
                    to_do.extend(names.into_iter().map(|(name, node)| (path.join(name), node)));
                    image.insert(path, None);
                }
            }
        }
        // Whoever has the lock and what is mapped do not outlive a power cut.
        image.retain(|path, _| path != Path::new("lock") && !path.to_string_lossy().ends_with("-shm"));
        image
    }
}

/// Writes an image into a directory.
pub(crate) fn write(image: &Image, directory: &Path) {
    // In the order of paths a directory comes before what is in it.
    for (path, bytes) in image {
        let path = directory.join(path);
        match bytes {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => drop(std::fs::create_dir_all(path)),
        }
    }
}
