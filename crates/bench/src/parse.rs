//! How the work of everything that reads what is not ours grows with its size: twice as much should cost twice as much, and hardly more.

use core::hint::black_box;
use core::time::Duration;
use std::fmt::Write;
use std::time::Instant;

use anyhow::{Context, ensure};
use panvault_bins::{About, Layout, import};
use panvault_card::{holds_card_number, masked_text};
use panvault_model::Timestamp;
use panvault_server::{ServerSettings, floor, fuzz};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Which parsers, and how they are measured.
#[derive(clap::Args)]
pub(crate) struct Parse {
    /// Rounds, of each of which every size is measured once; the quickest counts.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Run this one only, once, for its instructions to be counted.
    #[arg(long, requires = "bytes")]
    once: Option<String>,
    /// What that one reads.
    #[arg(long)]
    bytes: Option<usize>,
}

/// Time that one measurement takes at least, so that the clock's steps are nothing beside it.
const SAMPLE: Duration = Duration::from_micros(300);

/// A parser: what it is called, how many bytes it is given, and what prepares that many of the worst of them.
struct Case {
    name: &'static str,
    sizes: &'static [usize],
    prepare: fn(usize) -> anyhow::Result<Work>,
}

/// Reads what was prepared, once.
type Work = Box<dyn FnMut() -> anyhow::Result<()>>;

/// Up to the limit of a body, and beyond it where a reader has no other.
const BODY: &[usize] = &[1_024, 2_048, 4_096, 8_192, 16_384, 32_768];
const QUERY: &[usize] = &[512, 1_024, 2_048, 4_096, 8_192, 16_384];
const HEAD: &[usize] = &[512, 1_024, 2_048, 4_096];
const LIST: &[usize] = &[65_536, 131_072, 262_144, 524_288, 1_048_576];

static CASES: &[Case] = &[
    // Sixty-four bytes each: as many members as a body may have are as many bytes as it may have.
    Case { name: "body: members", sizes: BODY, prepare: |bytes| body(object(bytes, "")) },
    Case { name: "body: short members", sizes: BODY, prepare: |bytes| body(short_members(bytes)) },
    Case { name: "body: pairs", sizes: BODY, prepare: |bytes| body(object(bytes, "\"metadata\":")) },
    Case {
        name: "body: array",
        sizes: BODY,
        prepare: |bytes| body(format!("[{}1]", "1,".repeat(bytes / 2))),
    },
    Case { name: "body: depth", sizes: BODY, prepare: |bytes| body("{\"a\":[".repeat(bytes / 6)) },
    Case { name: "body: escapes", sizes: BODY, prepare: |bytes| body(text("\\u0034", bytes)) },
    Case { name: "body: digits", sizes: BODY, prepare: |bytes| body(text("4111 1111 1111 1112 ", bytes)) },
    Case { name: "query: conditions", sizes: QUERY, prepare: |bytes| query("brand=Visa&", bytes) },
    Case { name: "query: ids", sizes: QUERY, prepare: |bytes| query("_id=65f1c0de8a4b3c2d1e0f9a8b&", bytes) },
    Case { name: "query: unknown fields", sizes: QUERY, prepare: |bytes| query("a%41=%31&", bytes) },
    Case { name: "query: one long value", sizes: QUERY, prepare: |bytes| query("%34", bytes) },
    Case { name: "text: digits", sizes: BODY, prepare: |bytes| guarded("4", bytes) },
    Case { name: "text: groups", sizes: BODY, prepare: |bytes| guarded("4111-1111 ", bytes) },
    Case { name: "text: of any script", sizes: BODY, prepare: |bytes| guarded("٤1१", bytes) },
    Case { name: "text: escapes below escapes", sizes: BODY, prepare: |bytes| guarded("%252534", bytes) },
    Case { name: "mask: digits", sizes: BODY, prepare: |bytes| masked("4", bytes) },
    Case { name: "mask: groups", sizes: BODY, prepare: |bytes| masked("4111-1111 ", bytes) },
    Case { name: "mask: escapes below escapes", sizes: BODY, prepare: |bytes| masked("%252534", bytes) },
    Case { name: "head: headers", sizes: HEAD, prepare: |bytes| head(bytes, 128) },
    Case { name: "head: one long value", sizes: HEAD, prepare: |bytes| head(bytes, bytes) },
    Case {
        name: "issuers: rows",
        sizes: LIST,
        prepare: |bytes| issuers(bytes, |row| 400_000 + row % 100_000),
    },
    Case { name: "issuers: rows that overlap", sizes: LIST, prepare: |bytes| issuers(bytes, |_| 411_111) },
];

pub(crate) fn run(arguments: &Parse) -> anyhow::Result<()> {
    if let Some(once) = &arguments.once {
        let case = CASES.iter().find(|case| case.name == once).context("no parser has that name")?;
        let mut work = (case.prepare)(arguments.bytes.unwrap_or_default())?;
        // What is set up at first use is not of a size.
        work()?;
        return parse_counted(&mut work);
    }
    for case in CASES {
        let mut works: Vec<(usize, Work, Duration)> = Vec::new();
        for bytes in case.sizes {
            works.push((*bytes, (case.prepare)(*bytes)?, Duration::MAX));
        }
        // Sizes take turns, so that what else the machine does meets all of them.
        for _ in 0..arguments.rounds {
            for (_, work, quickest) in &mut works {
                *quickest = (*quickest).min(timed(work)?);
            }
        }
        for (bytes, _, quickest) in works {
            crate::line(format_args!("{}\t{bytes}\t{}", case.name, quickest.as_nanos()));
        }
    }
    Ok(())
}

/// Callgrind counts while this function runs, and finds it by its name.
#[inline(never)]
fn parse_counted(work: &mut Work) -> anyhow::Result<()> {
    work()
}

/// Time of one, of as many as take a while.
#[expect(clippy::disallowed_methods, reason = "a tool that measures needs a clock")]
fn timed(work: &mut Work) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut times = 0;
    while times == 0 || begun.elapsed() < SAMPLE {
        work()?;
        times += 1;
    }
    Ok(begun.elapsed() / times)
}

fn body(body: String) -> anyhow::Result<Work> {
    Ok(Box::new(move || {
        black_box(fuzz::body(black_box(body.as_bytes())));
        Ok(())
    }))
}

/// An object of members of 64 bytes, or one of its members that is such an object.
fn object(bytes: usize, name: &str) -> String {
    let mut members = String::new();
    for at in 0..(bytes / 64).max(1) {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(members, "{comma}\"{at:08}\":\"{:x<51}\"", "");
    }
    if name.is_empty() { format!("{{{members}}}") } else { format!("{{{name}{{{members}}}}}") }
}

fn short_members(bytes: usize) -> String {
    let members: Vec<String> = (0..bytes / 10).map(|at| format!("\"{at:05}\":1")).collect();
    format!("{{{}}}", members.join(","))
}

/// A body with one long text.
fn text(part: &str, bytes: usize) -> String {
    format!("{{\"user_agent\":\"{}\"}}", part.repeat(bytes / part.len()))
}

fn query(part: &str, bytes: usize) -> anyhow::Result<Work> {
    let query = part.repeat(bytes / part.len());
    Ok(Box::new(move || {
        black_box(fuzz::list_query(black_box(query.as_bytes())));
        Ok(())
    }))
}

fn guarded(part: &str, bytes: usize) -> anyhow::Result<Work> {
    let text = part.repeat(bytes / part.len());
    Ok(Box::new(move || {
        black_box(holds_card_number(black_box(&text)));
        Ok(())
    }))
}

fn masked(part: &str, bytes: usize) -> anyhow::Result<Work> {
    let text = part.repeat(bytes / part.len());
    Ok(Box::new(move || {
        black_box(masked_text(black_box(&text), text.len()));
        Ok(())
    }))
}

/// A request whose headers have so many bytes, in lines of so many; answered over a connection that stays.
fn head(bytes: usize, line: usize) -> anyhow::Result<Work> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut request = String::from("POST /v1/card HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n");
    for at in 0..bytes / line {
        let _ = write!(request, "x-{at:04}: {:x<1$}\r\n", "", line.saturating_sub(10));
    }
    request.push_str("\r\n");
    let mut connection = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(floor::serve(listener, ServerSettings::default(), core::future::pending()));
        TcpStream::connect(address).await
    })?;
    Ok(Box::new(move || asked(&runtime, &mut connection, request.as_bytes())))
}

fn asked(runtime: &Runtime, connection: &mut TcpStream, request: &[u8]) -> anyhow::Result<()> {
    runtime.block_on(async {
        connection.write_all(request).await?;
        let mut answer = [0; 4096];
        let read = connection.read(&mut answer).await?;
        // An empty body is none that can be read: it was looked at, so the head was taken.
        ensure!(answer.get(..read).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 4")), "another answer");
        Ok(())
    })
}

/// A list of issuers of so many bytes.
fn issuers(bytes: usize, bin: fn(usize) -> usize) -> anyhow::Result<Work> {
    let mut list =
        String::from("BIN,Brand,Type,Category,Issuer,IssuerPhone,IssuerUrl,isoCode2,isoCode3,CountryName\n");
    let mut row = 0;
    while list.len() < bytes {
        let _ = writeln!(list, "{},VISA,CREDIT,GOLD,Bank {row},,,NL,NLD,NETHERLANDS", bin(row));
        row += 1;
    }
    Ok(Box::new(move || {
        let about = About {
            version: 1,
            imported_at: Timestamp::from_unix_millis(0),
            source: "a benchmark".to_owned(),
            licence: "none".to_owned(),
            attribution: None,
        };
        black_box(import(black_box(list.as_bytes()), &Layout::BinListData, about, &mut |_| {})?);
        Ok(())
    }))
}
