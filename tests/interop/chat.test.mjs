// A chat over WebSockets behind a public tunnel: the server and its guests use
// the `ws` package, as most of Node's chats do.
import { deepEqual, equal } from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { eventually } from "./http.mjs";
import { TUNNELS, startProxy, startTunnel } from "./programs.mjs";

/** A room in which everybody hears what anybody says. */
async function room(t) {
  const server = createServer();
  const chat = new WebSocketServer({ server, handleProtocols: () => "chat.v1", perMessageDeflate: true });
  const left = [];
  chat.on("connection", (guest, request) => {
    const name = new URL(request.url, "http://x").searchParams.get("name");
    guest.on("message", (data, binary) => {
      if (binary) return guest.send(createHash("sha256").update(data).digest("hex"));
      if (String(data) === "throw me out") return guest.close(4001, "as you wish");
      for (const other of chat.clients) other.send(`${name}: ${data}`);
    });
    guest.on("close", (code, reason) => left.push([name, code, String(reason)]));
  });
  server.on("upgrade", (request, socket) => socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const guest of chat.clients) guest.terminate();
    server.close();
  });
  return { port: server.address().port, left };
}

/** A guest who has come in; `hears` awaits what is heard next. */
async function guest(t, url, name) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/room?name=${name}`, ["chat.v2", "chat.v1"]);
  t.after(() => socket.terminate());
  const heard = [];
  const waiting = [];
  socket.on("message", (data) => (waiting.shift() ?? ((text) => heard.push(text)))(String(data)));
  await once(socket, "open");
  const hears = () => (heard.length ? Promise.resolve(heard.shift()) : new Promise((resolve) => waiting.push(resolve)));
  return { socket, hears };
}

test("a chat", async (t) => {
  const proxy = await startProxy(t, TUNNELS);
  const { port, left } = await room(t);
  const { path } = await startTunnel(t, proxy, port);
  const [ada, bob] = [await guest(t, path, "ada"), await guest(t, path, "bob")];
  equal(ada.socket.protocol, "chat.v1");
  for (let n = 0; n < 50; n++) {
    const [speaker, name] = n % 2 ? [ada, "ada"] : [bob, "bob"];
    const text = "ünïcode ".repeat(n * 20) + n;
    speaker.socket.send(text);
    deepEqual(await Promise.all([ada.hears(), bob.hears()]), [`${name}: ${text}`, `${name}: ${text}`]);
  }
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 4 << 20]) {
    const bytes = randomBytes(size);
    ada.socket.send(bytes);
    equal(await ada.hears(), createHash("sha256").update(bytes).digest("hex"), `${size} bytes`);
  }
  ada.socket.ping("are you there?");
  const [pong] = await once(ada.socket, "pong");
  equal(String(pong), "are you there?");
  bob.socket.send("throw me out");
  const [code, reason] = await once(bob.socket, "close");
  deepEqual([code, String(reason)], [4001, "as you wish"]);
  ada.socket.close(1001, "going home");
  await eventually("both to have left", () => left.length === 2);
  deepEqual(left, [
    ["bob", 4001, "as you wish"],
    ["ada", 1001, "going home"],
  ]);
});
