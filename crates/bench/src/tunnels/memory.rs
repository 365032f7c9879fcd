//! What a proxy and its workers hold in memory: idle, with a thousand tunnels,
//! and with a thousand WebSockets open through one of them besides.

use super::origin;
use super::postern::Postern;
use super::visitor::Visitor;
use crate::Result;
use crate::options::Options;
use std::net::SocketAddr;
use std::time::Duration;

/// How many of either.
const MANY: usize = 1_000;
/// The same, to see that it works.
const FEW: usize = 100;
/// A worker serves at most 200 names.
const WORKERS: usize = 5;
/// What was just done with is given back by then.
const SETTLED: Duration = Duration::from_secs(2);

/// Measures; the table.
///
/// # Errors
/// When a tunnel does not come online, or a WebSocket is refused.
pub(super) async fn measure(options: &Options, to: SocketAddr) -> Result<Vec<Vec<String>>> {
    let many = if options.is_quick() { FEW } else { MANY };
    let mut postern = Postern::start(options, None).await?;
    for _ in 1..WORKERS {
        postern.employ(options).await?;
    }
    let head = ["what is there", "proxy MiB", "first worker MiB", "second worker MiB"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut look = async |what: String| {
        tokio::time::sleep(SETTLED).await;
        let ends = postern.ends();
        let shown =
            ends.iter().take(3).map(|end| end.memory().map_or("–".into(), |mib| format!("{mib:.0}")));
        let row: Vec<String> = std::iter::once(what).chain(shown).collect();
        println!("  {}", row.join(", "));
        rows.push(row);
    };
    println!("memory in MiB: the proxy's, and that of two of its workers");
    look(format!("{WORKERS} workers")).await;
    let names: Vec<String> = (0..many).map(|n| format!("app-{n:04}")).collect();
    for (worker, names) in postern.workers.iter().zip(names.chunks(many / WORKERS)) {
        worker.lead(names, to.port(), true).await?;
    }
    look(format!("{many} tunnels online, {} at each worker", many / WORKERS)).await;
    let address = postern.address("app-0000")?;
    let mut open = Vec::new();
    for _ in 0..many {
        let mut visitor = Visitor::connect(&address).await?;
        visitor.open_websocket(origin::WEBSOCKET).await?;
        open.push(visitor);
    }
    look(format!("and {many} WebSockets open through the first worker")).await;
    Ok(rows)
}
