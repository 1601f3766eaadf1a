//! A server that answers anything at all.

use core::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use panvault_store::{CvvFault, CvvKeyComponent, CvvStore};
use panvault_testkit::conformance::rows::servers_of;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

use crate::support::{block_on, card, connected, cvv, is_ready, ticket};

const INFO: &str = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:0123456789012345678901234567890123456789\r\n\
    rdb_bgsave_in_progress:0\r\nrdb_saves:0\r\nrdb_last_bgsave_time_sec:-1\r\naof_enabled:0\r\naof_rewrite_in_progress:0\r\n\
    aof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:-1\r\nsync_full:0\r\nrole:master\r\nconnected_slaves:0\r\ncluster_enabled:0\r\n";

/// Passes every look, and answers all else with what it is told to.
struct Hostile {
    port: u16,
    answer: Arc<Mutex<Answer>>,
}

/// What it says, and whether the connection ends with it.
#[derive(Clone, Default)]
struct Answer {
    bytes: Vec<u8>,
    is_last: bool,
}

impl Hostile {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::default());
        let its = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                tokio::spawn(served(node, Arc::clone(&its)));
            }
        });
        Self { port, answer }
    }

    fn answers(&self, bytes: Vec<u8>, is_last: bool) {
        *self.answer.lock().unwrap() = Answer { bytes, is_last };
    }
}

async fn served(mut node: TcpStream, answer: Arc<Mutex<Answer>>) {
    let mut read = Vec::new();
    loop {
        while let Some((words, length)) = command(&read) {
            read.drain(..length);
            let name = words[0].to_ascii_uppercase();
            let mut is_last = false;
            let said = match name.as_slice() {
                b"INFO" => bulk(INFO.as_bytes()),
                b"CONFIG" => {
                    let value: &[u8] = match words[2].as_slice() {
                        b"save" => b"",
                        b"appendonly" => b"no",
                        _ => b"noeviction",
                    };
                    [b"*2\r\n".to_vec(), bulk(&words[2]), bulk(value)].concat()
                }
                b"SCRIPT" => {
                    let script = redis::Script::new(core::str::from_utf8(&words[2]).unwrap());
                    bulk(script.get_hash().as_bytes())
                }
                // A look counts whenever it comes.
                b"EVALSHA" if words.get(4).is_some_and(|until| until == u64::MAX.to_string().as_bytes()) => {
                    bulk(&ours(&[]))
                }
                b"EVALSHA" => {
                    let answer = answer.lock().unwrap().clone();
                    is_last = answer.is_last;
                    answer.bytes
                }
                _ => b"+OK\r\n".to_vec(),
            };
            if node.write_all(&said).await.is_err() || is_last {
                return;
            }
        }
        let mut more = [0; 4_096];
        match node.read(&mut more).await {
            Ok(count @ 1..) => read.extend_from_slice(&more[..count]),
            Ok(0) | Err(_) => return,
        }
    }
}

/// A whole command, if there is one, and its length.
fn command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut at = 0;
    let line = |at: &mut usize| {
        let rest = bytes.get(*at..)?;
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        *at += end + 2;
        core::str::from_utf8(&rest[1..end]).ok()?.parse::<usize>().ok()
    };
    let count = line(&mut at)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = line(&mut at)?;
        words.push(bytes.get(at..at + length)?.to_vec());
        at += length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// What one of our scripts answers, at a moment and with counts of nothing.
fn ours(body: &[u8]) -> Vec<u8> {
    [&[0][..], &[0; 34], body].concat()
}

/// The same with everything as large as it can be.
fn vast(body: &[u8]) -> Vec<u8> {
    [&[0][..], &[0xff; 32], &[0, 1], &[0xff; 21], body].concat()
}

/// The bug that is looked for: an answer that is none ends the process, is taken for a CVV that there is not, or keeps the next request from being answered.
#[test]
fn whatever_a_server_answers_is_an_answer_or_a_fault() {
    block_on(async {
        let server = Hostile::start().await;
        let cvvs = connected(&format!("redis://127.0.0.1:{}", server.port)).await;
        let claimed = [&[1][..], &[0xff; 8], &[0xff; 4], &[0xff; 16], &[0xff; 57]].concat();
        // What is answered, whether a CVV may come of it, and whether it is all that comes.
        let answers = [
            (bulk(&[]), false, false),
            (bulk(&[0]), false, false),
            (bulk(&[9]), false, false),
            (bulk(&[0xff; 3_000]), false, false),
            (bulk(&[0; 20]), false, false),
            (bulk(&ours(&[0xff; 300])), false, false),
            (bulk(&[&[0][..], &[0; 32], &[0xff; 2]].concat()), false, false),
            (bulk(&vec![0x41; 1 << 20]), false, false),
            // A claim that took a CVV of which everything is the largest that there is: the vault holds it against its seal.
            (bulk(&ours(&claimed)), true, false),
            (bulk(&vast(&claimed)), true, false),
            (b"$-1\r\n".to_vec(), false, false),
            (b"*0\r\n".to_vec(), false, false),
            (b"*-7\r\n".to_vec(), false, true),
            (b":5\r\n".to_vec(), false, false),
            (b"+OK\r\n".to_vec(), false, false),
            (b"-ERR 4111111111111111\r\n".to_vec(), false, false),
            (b"-MOVED 1 127.0.0.1:1\r\n".to_vec(), false, false),
            (b"\r\n\r\n\0\0\0".to_vec(), false, true),
            (b"$5\r\nab\r\n+OK\r\n:1\r\n".to_vec(), false, true),
            (b"$99999999999999999999\r\n".to_vec(), false, true),
            (b"*1\r\n".repeat(20_000), false, true),
            // As many as fit in no memory, and then nothing.
            (b"*2147483647\r\n".to_vec(), false, true),
            (b"*9223372036854775807\r\n".to_vec(), false, true),
            (b"%9223372036854775807\r\n".to_vec(), false, true),
            (b"|1\r\n+a\r\n+b\r\n".to_vec(), false, true),
            (b">2\r\n+message\r\n+b\r\n".to_vec(), false, true),
        ];
        for (answer, may_claim, is_last) in answers {
            let what = String::from_utf8_lossy(&answer[..answer.len().min(24)]).into_owned();
            server.answers(answer, is_last);
            is_ready(&cvvs).await;
            let component = CvvKeyComponent::new(NonZeroU32::MIN, Zeroizing::new([7; 32]));
            let claimed = cvvs.cvv_claim(card(1), ticket(1), Some([1; 16])).await;
            assert!(may_claim || claimed.is_err(), "{what}: {claimed:?}");
            is_ready(&cvvs).await;
            let held = cvvs.cvv_hold(card(1), servers_of(1), 1, cvv(1)).await;
            assert!(may_claim || held.is_err(), "{what}: {held:?}");
            is_ready(&cvvs).await;
            let _shown = cvvs.cvv_read_many(vec![card(1), card(2)]).await;
            is_ready(&cvvs).await;
            let _current = cvvs.cvv_key_current(component).await.map(drop);
            // What is counted is shown, and counted on.
            let counts = cvvs.counts();
            let _room = (counts.held, cvvs.cvv_room(servers_of(1)));
        }
        server.answers(bulk(&ours(&[1])), false);
        is_ready(&cvvs).await;
        assert_eq!(cvvs.cvv_hold(card(1), servers_of(1), 1, cvv(1)).await, Ok(true), "the control");
        server.answers(bulk(&ours(&[0])), false);
        assert_eq!(cvvs.cvv_hold(card(1), servers_of(1), 1, cvv(1)).await, Ok(false));
        server.answers(bulk(&ours(&[2])), false);
        assert_eq!(cvvs.cvv_hold(card(1), servers_of(1), 1, cvv(1)).await, Err(CvvFault::NoRoom));
    });
}
