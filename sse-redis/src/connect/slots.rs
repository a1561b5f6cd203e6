//! Which node of a cluster holds which slot.

use std::{collections::BTreeSet, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio::{task::JoinSet, time::timeout};

use super::{Address, Primaries, primaries::Owners};
use crate::keys::slot;

/// How much later than the first answer the others may come.
const LATE: Duration = Duration::from_millis(250);

/// What one node of a cluster says about all nodes.
#[derive(Debug, Default)]
struct View {
    claims: Vec<Claim>,
    nodes: Vec<String>,
}

/// A primary, and the slots that it claims. If two primaries claim a slot, the one with the greater config epoch (the
/// cluster's word) holds it.
#[derive(Debug)]
struct Claim {
    node: String,
    config_epoch: u64,
    slots: Vec<(u16, u16)>,
}

impl View {
    /// Parses the answer to CLUSTER NODES. If a node does not know its own host, its host is the one that was asked.
    fn parse(text: &str, asked: &str, is_tls: bool) -> Self {
        let mut view = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, place, flags, _, _, _, config_epoch, _, slots @ ..] = words.as_slice() else {
                continue;
            };
            let flags: Vec<&str> = flags.split(',').collect();
            if flags.iter().any(|flag| matches!(*flag, "noaddr" | "handshake")) {
                continue;
            }
            let Some(node) = node(place, asked, is_tls) else {
                continue;
            };
            if flags.contains(&"master") {
                view.claims.push(Claim {
                    node: node.clone(),
                    config_epoch: config_epoch.parse().unwrap_or(0),
                    slots: slots.iter().filter_map(|slots| range(slots)).collect(),
                });
            }
            view.nodes.push(node);
        }
        view
    }
}

/// Reads `<ip>:<port>@<port of the bus>[,<host name>]`. A certificate is for a name. So with TLS, the host name is used
/// if there is one.
fn node(place: &str, asked: &str, is_tls: bool) -> Option<String> {
    let mut parts = place.split(',');
    let (address, _) = parts.next()?.split_once('@')?;
    let (ip, port) = address.rsplit_once(':')?;
    let name = parts.next().filter(|name| is_tls && !name.is_empty());
    let host = name.unwrap_or(ip);
    let asked_host = || asked.rsplit_once(':').map(|(host, _)| host);
    let host = if host.is_empty() { asked_host()? } else { host };
    Some(if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

/// Reads `<first>-<last>`, or one slot. A slot that is moving, in brackets, is ignored.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn owners(views: &[View], groups: u16) -> Owners {
    let claims = || views.iter().flat_map(|view| &view.claims);
    let owner = |group| {
        let slot = slot(group);
        let of_slot = claims().filter(|claim| {
            let mut ranges = claim.slots.iter();
            ranges.any(|(first, last)| (*first..=*last).contains(&slot))
        });
        let newest = of_slot.max_by_key(|claim| claim.config_epoch);
        newest.map(|claim| claim.node.clone())
    };
    (0..groups).map(owner).collect()
}

impl Primaries {
    /// Asks the nodes of the cluster which of them holds which group. Each primary knows its own slots best, so all
    /// primaries are asked. If one of them does not answer, all nodes are asked. `None` if no node answers.
    pub(crate) async fn ask_owners(&self, groups: u16, limit: Duration) -> Option<Owners> {
        let Address::Cluster(seeds) = &self.connector().address else {
            let node = self.connector().address.shown();
            return Some(vec![Some(node); usize::from(groups)]);
        };
        let is_tls = self.connector().address.is_tls();
        let primaries = self.all();
        let mut views = Vec::new();
        let mut asked = BTreeSet::new();
        let mut asking = JoinSet::new();
        for primary in &primaries {
            if let Some(session) = primary.get() {
                asked.insert(primary.node.clone());
                asking.spawn(ask(
                    session.publishing.clone(),
                    primary.node.clone(),
                    is_tls,
                    limit,
                ));
            }
        }
        collect(&mut asking, &mut views).await;
        let is_enough = !primaries.is_empty() && views.len() == primaries.len() && self.is_whole();
        let mut others: Vec<String> = seeds.iter().map(|seed| seed.addr().to_string()).collect();
        // The nodes that are named in the answers are asked, too.
        for _ in 0..2 {
            if is_enough {
                break;
            }
            others.extend(views.iter().flat_map(|view| view.nodes.iter().cloned()));
            for node in std::mem::take(&mut others) {
                if !asked.insert(node.clone()) {
                    continue;
                }
                let connector = self.connector().to_node(&node);
                asking.spawn(async move {
                    let connection = connector.open(Some(limit), None).await.ok()?;
                    ask(connection, node, is_tls, limit).await
                });
            }
            collect(&mut asking, &mut views).await;
        }
        (!views.is_empty()).then(|| owners(&views, groups))
    }
}

/// Collects the answers. After the first answer, it waits only a short time for the others, because a server may be
/// frozen.
async fn collect(asking: &mut JoinSet<Option<View>>, views: &mut Vec<View>) {
    loop {
        let next = if views.is_empty() {
            asking.join_next().await
        } else {
            timeout(LATE, asking.join_next()).await.ok().flatten()
        };
        let Some(view) = next else { return };
        views.extend(view.ok().flatten());
    }
}

async fn ask(
    mut connection: MultiplexedConnection,
    node: String,
    is_tls: bool,
    limit: Duration,
) -> Option<View> {
    let mut call = redis::cmd("CLUSTER");
    call.arg("NODES");
    let answer = timeout(limit, call.query_async::<String>(&mut connection)).await;
    Some(View::parse(&answer.ok()?.ok()?, &node, is_tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
        aaa 10.0.0.1:7000@17000,one.internal myself,master - 0 0 5 connected 0-8191 [93->-bbb]\n\
        bbb 10.0.0.2:7001@17001 master - 0 1 3 connected 8192-16383 77\n\
        ccc 10.0.0.3:7002@17002 slave aaa 0 1 5 connected\n\
        ddd :0@0 master,noaddr - 0 1 9 disconnected 0-16383\n";

    #[test]
    fn the_owner_of_a_slot_is_the_one_of_the_greatest_epoch() {
        let older = View::parse(NODES, "10.0.0.1:7000", false);
        assert_eq!(older.nodes, ["10.0.0.1:7000", "10.0.0.2:7001", "10.0.0.3:7002"]);
        let before = owners(std::slice::from_ref(&older), 256);
        assert_eq!(before[0].as_deref(), Some("10.0.0.1:7000"));
        assert_eq!(before[255].as_deref(), Some("10.0.0.2:7001"));
        // A replica has taken over.
        let newer = "ccc :7002@17002 myself,master - 0 0 6 connected 0-8191";
        let newer = View::parse(newer, "10.0.0.3:7002", false);
        let after = owners(&[newer, older], 256);
        assert_eq!(after[0].as_deref(), Some("10.0.0.3:7002"));
        assert_eq!(after[255], before[255]);
    }

    #[test]
    fn with_tls_a_node_is_known_by_its_name() {
        let view = View::parse(NODES, "x:1", true);
        assert_eq!(view.nodes[..2], ["one.internal:7000", "10.0.0.2:7001"]);
        assert_eq!(
            node("fe80::1:7000@17000", "x:1", false).unwrap(),
            "[fe80::1]:7000"
        );
    }

    #[test]
    fn without_a_claim_a_group_has_no_owner() {
        let view = View::parse("aaa 1.1.1.1:1@2 master - 0 0 1 connected", "1.1.1.1:1", false);
        assert!(owners(&[view], 256).iter().all(Option::is_none));
    }
}
