//! Which of the hosts that a URL names is the primary.

use core::future::Future;
use core::pin::Pin;

use deadpool_postgres::Connect;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::Host;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket};

use crate::fault::is_away;
use crate::limits::OTHER_HOSTS_TIME;

/// Asks all hosts at once. One that is silent, because its machine is gone or hangs, keeps nobody from the others; and of several that take writes, as where an
/// old primary was cut off and not ended, that one is taken which was promoted last.
pub(crate) struct Primary<T> {
    hosts: Vec<Config>,
    tls: T,
}

/// A host that takes writes.
struct Reached {
    client: Client,
    task: JoinHandle<()>,
    /// Counts promotions; 0 of what does not say.
    timeline: u32,
}

impl<T> Primary<T> {
    pub(crate) const fn new(hosts: Vec<Config>, tls: T) -> Self {
        Self { hosts, tls }
    }
}

/// A configuration for each host that one names, with nothing else set than where it is, who asks, and for which database.
pub(crate) fn each_host(config: &Config) -> Vec<Config> {
    let (hosts, ports) = (config.get_hosts(), config.get_ports());
    let of = |(at, host): (usize, &Host)| {
        let mut one = Config::new();
        match host {
            Host::Tcp(name) => one.host(name),
            Host::Unix(path) => one.host_path(path),
        };
        if let Some(port) = ports.get(at).or_else(|| ports.first()) {
            one.port(*port);
        }
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(name) = config.get_dbname() {
            one.dbname(name);
        }
        one
    };
    hosts.iter().enumerate().map(of).collect()
}

impl<T> Connect for Primary<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let whole = config.clone();
        Box::pin(async move {
            let [_, _, ..] = self.hosts.as_slice() else {
                let one = self.hosts.first().cloned().unwrap_or(whole);
                return reach(one, self.tls.clone()).await;
            };
            let mut asked = JoinSet::new();
            for host in &self.hosts {
                let (host, tls) = (host.clone(), self.tls.clone());
                asked.spawn(async move {
                    let (client, task) = reach(host, tls).await?;
                    let timeline = timeline(&client).await;
                    Ok(Reached { client, task, timeline })
                });
            }
            match newest(asked).await {
                Ok(Reached { client, task, .. }) => Ok((client, task)),
                Err(Some(error)) => Err(error),
                Err(None) => reach(whole, self.tls.clone()).await,
            }
        })
    }
}

/// Whoever was promoted last of those that take writes. Once one answers, the others have a moment to do so too.
async fn newest(mut asked: JoinSet<Result<Reached, Error>>) -> Result<Reached, Option<Error>> {
    let mut found: Option<(Reached, Instant)> = None;
    let mut failed: Option<Error> = None;
    loop {
        let answer = match &found {
            None => asked.join_next().await,
            Some((_, until)) => timeout_at(*until, asked.join_next()).await.unwrap_or(None),
        };
        let Some(answer) = answer else { break };
        match answer {
            Ok(Ok(reached)) => match &mut found {
                None => found = Some((reached, Instant::now() + OTHER_HOSTS_TIME)),
                Some((before, _)) if before.timeline < reached.timeline => *before = reached,
                Some(_) => {}
            },
            Ok(Err(error)) => {
                // A refused password says more than that another host is a standby.
                if failed.as_ref().is_none_or(|failed| !is_telling(failed)) {
                    failed = Some(error);
                }
            }
            // It has been said where it ended.
            Err(_) => {}
        }
    }
    found.map(|(reached, _)| reached).ok_or(failed)
}

fn is_telling(error: &Error) -> bool {
    error.code().is_some_and(|code| !is_away(code))
}

async fn reach<T>(config: Config, tls: T) -> Result<(Client, JoinHandle<()>), Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    // Why it ends is told to whoever waits for an answer.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok((client, task))
}

/// How often its like was promoted before it. What speaks like PostgreSQL and is another database does not say, and has no old primaries.
async fn timeline(client: &Client) -> u32 {
    let rows = client.query_typed("SELECT pg_walfile_name(pg_current_wal_lsn())", &[]).await;
    let file: Option<String> = rows.ok().and_then(|rows| rows.first().and_then(|row| row.try_get(0).ok()));
    file.and_then(|file| timeline_of(&file)).unwrap_or(0)
}

/// The first eight digits of a name such as `0000000200000000000000A3`.
fn timeline_of(file: &str) -> Option<u32> {
    u32::from_str_radix(file.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_in_the_name_of_a_file() {
        assert_eq!(timeline_of("0000000A00000000000000A3"), Some(10));
        assert_eq!(timeline_of("0000000"), None);
        assert_eq!(timeline_of("0000000G00000000000000A3"), None);
    }

    #[test]
    fn each_host_has_its_port() {
        let config: Config = "postgres://vault@one,[::1],three:5433/panvault".parse().unwrap();
        let hosts = each_host(&config);
        let shown: Vec<_> = hosts.iter().map(|host| (host.get_hosts().len(), host.get_ports())).collect();
        assert_eq!(shown, [(1, &[5432][..]), (1, &[5432][..]), (1, &[5433][..])]);
        assert!(
            hosts
                .iter()
                .all(|host| host.get_user() == Some("vault") && host.get_dbname() == Some("panvault"))
        );
    }
}
