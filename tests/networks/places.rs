//! Three networks on one machine: the proxy's, a translator's, and the
//! laptop's, which nobody outside can reach.
//!
//! ```text
//! this process, proxy          nat                     laptop
//! 203.0.113.10 ── 203.0.113.1 │ 192.168.77.1 ── 192.168.77.2
//! ```
//!
//! They are made within namespaces of the kernel's that belong to this process
//! and end with it.

use std::process::Command;

/// The proxy's address.
pub(crate) const PROXY: &str = "203.0.113.10";
/// The laptop's, which the proxy's network has no route to.
pub(crate) const LAPTOP: &str = "192.168.77.2";

/// Says that this process is inside.
const INSIDE: &str = "POSTERN_TEST_NETWORK";

/// Runs the test of this name in networks of its own: `true` there. Outside,
/// where the test is not root's or the kernel gives no networks, it says that
/// the test was left out.
///
/// # Panics
/// When the test fails inside.
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut possible = Command::new("unshare");
    let possible = possible.args(["--net", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"]).output();
    if !possible.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: {test} makes network namespaces, which takes root ({possible:?})");
        return false;
    }
    let this = std::env::current_exe().expect("a test knows its own path");
    let ran = Command::new("unshare")
        .args(["--net", "--mount"])
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .status();
    assert!(ran.expect("unshare runs").success(), "{test} failed in its networks");
    false
}

/// Runs a program to its end, which must be a good one.
///
/// # Panics
/// When it is not.
pub(crate) fn run(line: &str) {
    let mut words = line.split_whitespace();
    let ran = Command::new(words.next().expect("a program")).args(words).output();
    let ran = ran.unwrap_or_else(|error| panic!("{line}: {error} (scripts/setup test installs it)"));
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// The three networks.
pub(crate) struct Places;

impl Places {
    /// Makes them, and this process's address. Nothing passes between the
    /// other two yet.
    pub(crate) fn new() -> Self {
        // `ip netns` keeps its names here: ours go with this process.
        run("mount -t tmpfs tmpfs /run");
        for line in [
            "ip link set lo up",
            "ip netns add nat",
            "ip netns add laptop",
            "ip link add wan0 type veth peer name wan1 netns nat",
            &format!("ip address add {PROXY}/24 dev wan0"),
            "ip link set wan0 up",
            "ip -n nat link set lo up",
            "ip -n nat address add 203.0.113.1/24 dev wan1",
            "ip -n nat link set wan1 up",
            "ip -n nat link add lan1 type veth peer name lan0 netns laptop",
            "ip -n nat address add 192.168.77.1/24 dev lan1",
            "ip -n nat link set lan1 up",
            "ip -n laptop link set lo up",
            "ip netns exec nat sysctl -qw net.ipv4.ip_forward=1",
        ] {
            run(line);
        }
        Self
    }

    /// Puts the laptop behind address translation: it may go out to `port` of
    /// this process's address, and nothing comes in that it did not ask for.
    pub(crate) fn translate(&self, port: u16) {
        let rules = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let text = format!(
            "table ip translator {{
               chain forward {{
                 type filter hook forward priority 0; policy drop;
                 ct state established,related accept
                 iifname lan1 ip daddr {PROXY} tcp dport {port} accept
               }}
               chain leaving {{ type nat hook postrouting priority 100; oifname wan1 masquerade; }}
             }}\n"
        );
        std::fs::write(&rules, text).expect("the rules can be written");
        run(&format!("ip netns exec nat nft -f {}", rules.path().display()));
        self.plug();
    }

    /// The laptop's link is there, and what a network gives with it.
    pub(crate) fn plug(&self) {
        run("ip -n laptop link set lan0 up");
        run(&format!("ip -n laptop address add {LAPTOP}/24 dev lan0"));
        run("ip -n laptop route add default via 192.168.77.1");
    }

    /// The laptop's link is gone, with its address and its routes, as a laptop
    /// that leaves a network drops them.
    pub(crate) fn unplug(&self) {
        run("ip -n laptop address flush dev lan0");
        run("ip -n laptop link set lan0 down");
    }
}
