//! Which programs of this machine listen: what a rule may forward to, offered
//! where an address is asked for.
//!
//! Linux says it in `/proc`, other users' programs included; on macOS and Windows
//! a library asks. Elsewhere nothing is offered, and an address is typed in as ever.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The ports of Postern's own on this machine: never anybody's target. The
/// receiver's may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnPorts(Arc<RwLock<Vec<u16>>>);

impl OwnPorts {
    pub(crate) fn new(ports: Vec<u16>) -> Self {
        Self(Arc::new(RwLock::new(ports)))
    }

    /// All of them.
    pub(crate) fn now(&self) -> Vec<u16> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn exchange(&self, old: u16, new: u16) {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ports.retain(|port| *port != old);
        ports.push(new);
    }
}

/// The program that listens on a port, where it may be known.
pub(crate) fn holder(port: u16) -> Option<String> {
    listening().into_iter().find(|(at, _)| *at == port)?.1
}

/// Lower ones are the system's: nobody's web server in the making.
const LOWEST: u16 = 1024;
/// The lower ones that are web servers'.
const WEB: [u16; 2] = [80, 443];

/// The ports on which something listens that loopback reaches, in order, with
/// the program's name where it may be known; but for `own` and other parts of
/// Postern.
pub(crate) fn local(own: &[u16]) -> Vec<(u16, Option<String>)> {
    let offered = |port: &u16| (*port >= LOWEST || WEB.contains(port)) && !own.contains(port);
    let ours = |program: &Option<String>| program.as_ref().is_some_and(|name| name.starts_with("postern"));
    let mut ports = BTreeMap::new();
    for (port, program) in listening() {
        if offered(&port) && !ours(&program) {
            // One may listen on both families: known once is known.
            ports
                .entry(port)
                .and_modify(|known: &mut Option<_>| *known = known.take().or(program.clone()))
                .or_insert(program);
        }
    }
    ports.into_iter().collect()
}

#[cfg(target_os = "linux")]
use linux::listening;

#[cfg(any(target_os = "macos", target_os = "windows"))]
use library::listening;

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
fn listening() -> Vec<(u16, Option<String>)> {
    Vec::new()
}

/// Whether loopback comes to a socket that listens there.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
fn is_reached(listens: std::net::IpAddr) -> bool {
    let listens = listens.to_canonical();
    listens.is_loopback() || listens.is_unspecified()
}

// On Linux for its test alone: nobody has run Postern elsewhere.
#[cfg(any(test, target_os = "macos", target_os = "windows"))]
mod library {
    use listeners::{Protocol, SocketState};

    pub(super) fn listening() -> Vec<(u16, Option<String>)> {
        let all = listeners::get_all().unwrap_or_default().into_iter();
        let listens = all.filter(|socket| {
            socket.protocol == Protocol::TCP
                && socket.state == SocketState::Listen
                && super::is_reached(socket.socket.ip())
        });
        let named = |name: String| name.chars().filter(|c| !c.is_control()).collect();
        listens.map(|socket| (socket.socket.port(), Some(named(socket.process.name)))).collect()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{HashMap, HashSet};
    use std::fs;
    use std::net::IpAddr;
    use std::path::Path;

    /// Sockets that wait for connections, in the kernel's numbering.
    const LISTEN: &str = "0A";

    pub(super) fn listening() -> Vec<(u16, Option<String>)> {
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let sockets: Vec<_> =
            tables.iter().flat_map(|table| table.lines().skip(1).filter_map(socket)).collect();
        let programs = programs(&sockets.iter().map(|(_, inode)| inode.as_str()).collect());
        sockets.iter().map(|(port, inode)| (*port, programs.get(inode).cloned())).collect()
    }

    /// The port and the inode of a socket that listens where loopback comes.
    pub(super) fn socket(line: &str) -> Option<(u16, String)> {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (address, port) = local.split_once(':')?;
        let here = address_of(address)?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (*state == LISTEN && super::is_reached(here)).then(|| (port, (*inode).to_owned()))
    }

    /// Each four bytes of an address are written as this machine reads them.
    fn address_of(hex: &str) -> Option<IpAddr> {
        let bytes: Option<Vec<[u8; 4]>> = hex
            .as_bytes()
            .chunks(8)
            .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(u32::to_ne_bytes))
            .collect();
        let bytes = bytes?.concat();
        let four = <[u8; 4]>::try_from(&bytes[..]).map(IpAddr::from);
        four.or_else(|_| <[u8; 16]>::try_from(&bytes[..]).map(IpAddr::from)).ok()
    }

    /// The names of the programs that have these sockets, by inode; of other
    /// users' programs only where we may look.
    fn programs(inodes: &HashSet<&str>) -> HashMap<String, String> {
        let mut found = HashMap::new();
        let Ok(processes) = fs::read_dir("/proc") else { return found };
        for process in processes.flatten() {
            let is_process =
                process.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
            if !is_process || found.len() == inodes.len() {
                continue;
            }
            for inode in sockets_of(&process.path()) {
                if inodes.contains(inode.as_str())
                    && let Ok(name) = fs::read_to_string(process.path().join("comm"))
                {
                    found
                        .entry(inode)
                        .or_insert_with(|| name.trim_end().chars().filter(|c| !c.is_control()).collect());
                }
            }
        }
        found
    }

    /// The inodes of a process's open sockets.
    fn sockets_of(process: &Path) -> Vec<String> {
        let Ok(open) = fs::read_dir(process.join("fd")) else { return Vec::new() };
        let links = open.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let inodes = links
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()));
        inodes.collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    #[test]
    fn what_listens_on_loopback_is_offered_but_for_our_own() {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let all = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let offered = local(&[]);
        let program = |port: u16| offered.iter().find(|(at, _)| *at == port).map(|(_, program)| program);
        // Tests are named after the crate, which is a part of Postern.
        for listener in [Some(&four), Some(&all), six.as_ref()].into_iter().flatten() {
            let listening = listening().into_iter().find(|(at, _)| *at == port(listener));
            assert!(listening.unwrap().1.unwrap().starts_with("postern"));
            assert_eq!(program(port(listener)), None);
        }
        assert!(local(&[]).iter().all(|(port, _)| *port >= LOWEST || WEB.contains(port)));
    }

    #[test]
    fn other_systems_library_finds_the_same() {
        let listeners =
            [TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))];
        for listener in listeners.into_iter().flatten() {
            let port = listener.local_addr().unwrap().port();
            let found = |all: Vec<(u16, Option<String>)>| all.into_iter().find(|(at, _)| *at == port);
            let own = found(listening());
            assert!(own.is_some());
            assert_eq!(found(library::listening()), own);
            assert_eq!(holder(port), own.and_then(|(_, program)| program));
            drop(listener);
            assert_eq!(found(library::listening()), None);
        }
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = |local: &str, state: &str| {
            linux::socket(&format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0"
            ))
        };
        let is = |port| Some((port, "4711".to_owned()));
        assert_eq!(line("0100007F:0BB8", "0A"), is(3000));
        assert_eq!(line("00000000:0BB8", "0A"), is(3000));
        assert_eq!(line("00000000000000000000000000000000:1F90", "0A"), is(8080));
        assert_eq!(line("00000000000000000000000001000000:1F90", "0A"), is(8080));
        assert_eq!(line("0000000000000000FFFF00000100007F:1F90", "0A"), is(8080));
        assert_eq!(line("0100007F:0BB8", "01"), None, "a connection");
        assert_eq!(line("0A00A8C0:0BB8", "0A"), None, "another network's");
        assert_eq!(line("00000000000000000000000002000000:1F90", "0A"), None);
        for broken in ["", "0: 0100007F 0 0A", "x", "0: 7F:zz 0 0A 0 0 0 0 0 1"] {
            assert_eq!(linux::socket(broken), None, "{broken}");
        }
    }
}
