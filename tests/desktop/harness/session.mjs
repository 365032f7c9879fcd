// A desktop session as a user has one: a display, a session bus, folders of
// its own, an unlocked keyring, a notification service. Nothing is shared
// with the machine's real session or with another test.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./programs.mjs";
import { Program, eventually, run } from "./processes.mjs";

/** Variables of the test's own environment that a program needs to run. */
const INHERITED = ["PATH", "LANG", "LC_ALL", "TERM", "USER", "LOGNAME"];

/** A bus on which every program of the session may do everything. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/** Where a tray icon of the app is on the bus. */
const TRAY = "/org/ayatana/NotificationItem/tray_icon_tray_app_postern";

export class Session {
  #stop = [];
  #bin;
  #choice;
  #tray;

  /**
   * Begins a session that ends with test `t`. The keyring is `unlocked`,
   * `locked` or `absent`; a window manager is there only where focus matters,
   * a panel that shows tray icons only where asked for.
   */
  static async begin(t, { keyring = "unlocked", notifications = true, trayHost = false, windowManager = false, size = "1360x860" } = {}) {
    const session = new Session();
    t.after(() => session.end());
    session.folder = await mkdtemp(join(tmpdir(), "postern-desktop-"));
    session.env = Object.fromEntries(INHERITED.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
    for (const [name, folder] of [
      ["HOME", "home"],
      ["XDG_RUNTIME_DIR", "run"],
      ["XDG_DATA_HOME", "data"],
      ["XDG_CONFIG_HOME", "config"],
      ["XDG_CACHE_HOME", "cache"],
      ["XDG_STATE_HOME", "state"],
    ]) {
      session.env[name] = join(session.folder, folder);
      await mkdir(session.env[name], { mode: 0o700 });
    }
    session.env.XDG_SESSION_TYPE = "x11";
    session.#bin = join(session.folder, "bin");
    await mkdir(session.#bin);
    session.env.PATH = `${session.#bin}:${session.env.PATH}`;
    // Accessibility's bus would outlive the session's.
    session.env.NO_AT_BRIDGE = "1";

    // Its number comes back on file descriptor 3. Without -noreset it begins anew
    // whenever its last client goes, and refuses who comes just then.
    const display = session.start("Xvfb", ["-displayfd", "3", "-noreset", "-screen", "0", `${size}x24`, "-nolisten", "tcp"], { extra: ["pipe"] });
    session.env.DISPLAY = `:${(await display.says(/^(\d+)\n/m))[1]}`;

    session.env.DBUS_SESSION_BUS_ADDRESS = await session.anotherBus();
    if (keyring !== "absent") await session.#startKeyring(keyring);
    if (notifications) {
      // Who asks for a notification's menu chooses in it what stands in a file.
      session.#choice = join(session.folder, "choice");
      await session.program("choose", `exec grep -m 1 -F -f '${session.#choice}'`);
      await mkdir(join(session.env.XDG_CONFIG_HOME, "dunst"));
      await writeFile(join(session.env.XDG_CONFIG_HOME, "dunst/dunstrc"), `[global]\ndmenu = ${join(session.#bin, "choose")}\n`);
      session.start("dunst", []);
      await session.#named("org.freedesktop.Notifications");
    }
    if (trayHost) {
      session.start(await program("examples/tray-host"), []);
      await session.#named("org.kde.StatusNotifierWatcher");
    }
    if (windowManager) {
      // The first key of a program has the server change keyboards, and a window manager bind its keys anew: one pressed
      // meanwhile is lost.
      await session.run("xdotool", "key", "Shift_L");
      const manager = session.start("openbox", []);
      await eventually("the window manager", async () => {
        if (!manager.running) throw new Error(`openbox ended:\n${manager.output}`);
        return (await session.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK")).includes("window id");
      });
    }
    return session;
  }

  /** Starts a program that ends with the session. */
  start(command, args, { env = {}, ...options } = {}) {
    const program = new Program(command, args, { ...options, env: { ...this.env, ...env } });
    this.#stop.push(() => program.stop());
    return program;
  }

  /** Puts a shell script before the system's programs. */
  async program(name, script) {
    await writeFile(join(this.#bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  /** What a program that ends by itself says. */
  async run(command, ...args) {
    return run(command, args, { env: this.env });
  }

  /** Takes a picture of the whole screen. */
  async photograph(file) {
    await this.run("import", "-window", "root", "-define", "png:exclude-chunks=date,time", file);
  }

  /** All items of ours in the keyring, as `secret-tool` shows them to the user. */
  async keyringItems() {
    return this.run("secret-tool", "search", "--all", "--unlock", "service", "Postern");
  }

  /** A session bus of its own, without services that start by themselves; its address. */
  async anotherBus() {
    const config = join(this.folder, "bus.conf");
    await writeFile(config, BUS);
    const bus = this.start("dbus-daemon", [`--config-file=${config}`, "--nofork", "--nopidfile", "--print-address"]);
    return (await bus.says(/^(unix:\S+)\n/m))[1];
  }

  /** Visible windows with this title. */
  async windows(title) {
    const found = await this.run("xdotool", "search", "--onlyvisible", "--name", `^${title}$`).catch(() => "");
    return found.split("\n").filter(Boolean);
  }

  /** Where a window is and how large: `{x, y, width, height}`. */
  async geometry(title) {
    const said = await this.run("xdotool", "getwindowgeometry", "--shell", (await this.windows(title))[0]);
    const { X, Y, WIDTH, HEIGHT } = Object.fromEntries(said.split("\n").map((line) => line.split("=")));
    return { x: Number(X), y: Number(Y), width: Number(WIDTH), height: Number(HEIGHT) };
  }

  /** Minimises a window. */
  async putAside(title) {
    await this.run("xdotool", "windowminimize", "--sync", (await this.windows(title))[0]);
  }

  /** Closes a window as its user does. */
  async closeWindow(title) {
    const [window] = await eventually(`the window ${title}`, async () => {
      const found = await this.windows(title);
      return found.length > 0 && found;
    });
    await this.run("xdotool", "windowactivate", "--sync", window, "key", "alt+F4");
  }

  /** Notifications on the screen are put away; gives all there were, newest first. */
  async notifications() {
    await this.run("dunstctl", "close-all");
    const { data } = JSON.parse(await this.run("dunstctl", "history"));
    return data[0].map((note) => ({ summary: note.summary.data, body: note.body.data, id: note.id.data }));
  }

  /** Chooses a button, by its name, in the menu of the notifications on the screen. */
  async pressNotification(button) {
    await writeFile(this.#choice, `#${button} (`);
    await this.run("dunstctl", "context");
  }

  /** How many notifications are on the screen. */
  async notificationsShown() {
    return Number(await this.run("dunstctl", "count", "displayed"));
  }

  /** The tray icon's menu as a panel gets it, submenus' items after their own: `[{label, enabled, checked, press()}]`. */
  async trayMenu() {
    this.#tray ??= await this.#findTray();
    if (!this.#tray) return undefined;
    const menu = [this.#tray, `${TRAY}/Menu`, "com.canonical.dbusmenu"];
    const layout = await this.run("busctl", "--user", "--json=short", "call", "--", ...menu, "GetLayout", "iias", "0", "-1", "0").catch(() => undefined);
    if (layout === undefined) return undefined;
    const whole = ({ data: [, , items] }) => items.flatMap((item) => [item, ...whole(item)]);
    return whole({ data: JSON.parse(layout).data[1] })
      .map(({ data: [id, properties] }) => ({
        // A lone underscore makes a key of the letter after it; two are one.
        label: properties.label?.data?.replace(/_(_?)/g, "$1"),
        enabled: properties.enabled?.data ?? true,
        checked: properties["toggle-state"]?.data === 1,
        press: () => this.run("busctl", "--user", "call", ...menu, "Event", "isvu", String(id), "clicked", "s", "", "0"),
      }))
      .filter((item) => item.label);
  }

  /** Looks for the tray icon anew: another process has it now. */
  forgetTray() {
    this.#tray = undefined;
    return this;
  }

  /** The connection that has the tray icon; the app's others answer nothing. */
  async #findTray() {
    const connections = (await this.run("busctl", "--user", "list", "--no-legend", "--unique")).split("\n");
    for (const [name, , process] of connections.map((line) => line.split(/\s+/))) {
      // The kernel shortens a process's name to 15 letters.
      if (!process?.startsWith("postern-deskto")) continue;
      const tree = await this.run("busctl", "--user", "--timeout=1", "--list", "tree", name).catch(() => "");
      if (tree.includes(TRAY)) return name;
    }
    return undefined;
  }

  async end() {
    for (const stop of this.#stop.splice(0).reverse()) await stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** A keyring with the password `test`: the first start makes it. */
  async #startKeyring(state) {
    const daemon = (...args) => this.start("gnome-keyring-daemon", ["--foreground", "--components=secrets", ...args], { input: "test" });
    const unlocked = daemon("--unlock");
    await this.#named("org.freedesktop.secrets");
    if (state === "locked") {
      await unlocked.stop();
      daemon();
      await this.#named("org.freedesktop.secrets");
    }
  }

  /** Waits until somebody owns a name on the session bus. */
  async #named(name) {
    await eventually(`${name} on the session bus`, async () => {
      const owned = await this.run("gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path",
        "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus.NameHasOwner", name); // prettier-ignore
      return owned.includes("true");
    });
  }
}
