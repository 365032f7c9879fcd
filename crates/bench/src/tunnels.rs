//! Public tunnels: the same requests to the same local server directly, through
//! nginx, through bore, and through Postern; in turns.

mod bodies;
mod bore;
mod certificate;
mod load;
mod memory;
mod nginx;
mod origin;
mod postern;
mod subject;
mod tables;
mod visitor;

pub(crate) use origin::serve as serve_origin;

use crate::Result;
use crate::options::Options;
use certificate::Certificate;
use postern::Postern;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use subject::Subject;
use tokio::net::{TcpListener, TcpStream};
use visitor::Address;

/// How many connections ask at once.
const CONNECTIONS: [usize; 3] = [1, 50, 200];
/// The size of the large bodies, in MiB; and to see that it works.
const LARGE: usize = 256;
const LESS: usize = 16;
/// The names of the tunnels.
const INSPECTED: &str = "app";
const BARE: &str = "bare";
/// Between two looks at whether a program listens, and how many.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 500;

/// A measurement of one kind.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// Requests without pause.
    Rates,
    /// Requests on a beat.
    Beat,
    /// Large bodies, and requests beside them.
    Bodies,
    /// Memory.
    Memory,
}

/// What this measurement is told.
#[derive(clap::Args)]
pub(crate) struct TunnelOptions {
    #[command(flatten)]
    all: Options,
    /// Measure only this; several times for several.
    #[arg(long, value_enum)]
    step: Vec<Step>,
    /// Measure only those with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

/// Measures and prints the tables.
///
/// # Errors
/// When a program does not start, or a request is not answered.
pub(crate) async fn run(options: &TunnelOptions) -> Result<()> {
    let TunnelOptions { all: options, step, only } = options;
    let wanted = |what: Step| step.is_empty() || step.contains(&what);
    let folder = options.folder()?;
    let (_origin, origin) = origin::start().await?;
    let (mut subjects, _running) = subjects(options, folder.path(), origin).await?;
    subjects.retain(|subject| subject.name.contains(only.as_str()));

    println!("warming up");
    for subject in &mut subjects {
        load::flood(subject.address.clone(), CONNECTIONS[1], Duration::from_secs(1)).await?;
    }
    let mib = if options.is_quick() { LESS } else { LARGE };
    for round in 1..=options.rounds() {
        println!("round {round} of {}", options.rounds());
        for (at, connections) in CONNECTIONS.iter().enumerate().filter(|_| wanted(Step::Rates)) {
            println!(" {connections} connections");
            for subject in &mut subjects {
                subject.flood(at, options.length()).await?;
            }
        }
        if wanted(Step::Beat) {
            println!(" 200 requests a second");
            for subject in &mut subjects {
                subject.beat(options.length()).await?;
            }
        }
        if wanted(Step::Bodies) {
            println!(" bodies of {mib} MiB");
            for subject in &mut subjects {
                subject.bodies(mib, options.length()).await?;
            }
        }
    }
    let mut made = Vec::new();
    if wanted(Step::Rates) {
        made.extend([tables::rates(&subjects), tables::compared(&subjects)]);
    }
    if wanted(Step::Beat) {
        made.push(tables::beat(&subjects));
    }
    if wanted(Step::Bodies) {
        made.push(tables::bodies(&subjects, mib));
    }
    if wanted(Step::Memory) {
        made.push(memory::measure(options, origin).await?);
    }
    options.publish_all("Tunnels: GETs of 100 bytes", &made)
}

/// Everything that leads to the local server, and what of it has to be kept.
async fn subjects(
    options: &Options,
    folder: &Path,
    origin: SocketAddr,
) -> Result<(Vec<Subject>, [Postern; 2])> {
    let plain = |socket| Address { socket, host: "localhost".into(), tls: None };
    let certificate = Certificate::make(folder)?;
    let mut subjects = vec![Subject::new(tables::DIRECT, plain(origin), Vec::new())];
    match nginx::start(folder, origin, &certificate).await? {
        Some((process, [socket, tls])) => {
            let ends = vec![Arc::new(process)];
            subjects.push(Subject::new(tables::NGINX, plain(socket), ends.clone()));
            let over_tls = Address { tls: Some(certificate.trusting.clone()), ..plain(tls) };
            subjects.push(Subject::new(tables::NGINX_TLS, over_tls, ends));
        }
        None => println!("nginx is left out: it is not installed (Debian's nginx-light)"),
    }
    match bore::start(origin).await {
        Ok(Some((ends, socket))) => {
            subjects.push(Subject::new(tables::BORE, plain(socket), ends.map(Arc::new).to_vec()));
        }
        Ok(None) => println!("bore is left out: it is not installed (cargo install bore-cli)"),
        Err(error) => println!("bore is left out: {error}"),
    }
    let clear = Postern::start(options, None).await?;
    for (name, inspect, subject) in [(INSPECTED, true, tables::POSTERN), (BARE, false, tables::UNINSPECTED)] {
        clear.workers[0].lead(&[name.to_owned()], origin.port(), inspect).await?;
        subjects.push(Subject::new(subject, clear.address(name)?, clear.ends()));
    }
    let over_tls = Postern::start(options, Some(certificate)).await?;
    over_tls.workers[0].lead(&[INSPECTED.to_owned()], origin.port(), true).await?;
    subjects.push(Subject::new(tables::POSTERN_TLS, over_tls.address(INSPECTED)?, over_tls.ends()));
    Ok((subjects, [clear, over_tls]))
}

/// A port that was free a moment ago.
async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?.port())
}

/// Returns once something listens there.
async fn listening(socket: SocketAddr) -> Result<()> {
    for _ in 0..LOOKS {
        if TcpStream::connect(socket).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(format!("nothing listens on {socket}").into())
}
