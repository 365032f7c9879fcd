// A gRPC service behind a public tunnel, by gRPC's own library at both ends:
// every kind of call, over the proxy's own TLS and in clear.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import grpc from "@grpc/grpc-js";
import { TUNNELS, certificate, startProxy, startTunnel } from "./programs.mjs";

const method = (name, requestStream, responseStream) => ({
  path: `/chat.Room/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (text) => Buffer.from(text),
  requestDeserialize: String,
  responseSerialize: (text) => Buffer.from(text),
  responseDeserialize: String,
});
const ROOM = {
  say: method("Say", false, false),
  hear: method("Hear", false, true),
  tell: method("Tell", true, false),
  talk: method("Talk", true, true),
};

/** A local server; what it saw of calls that were given up. */
async function room(t) {
  const cancelled = [];
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  server.addService(ROOM, {
    say({ request, metadata }, answer) {
      if (request === "nonsense") {
        const details = new grpc.Metadata();
        details.set("why-bin", Buffer.from([0, 255, 10, 13]));
        return answer({ code: grpc.status.INVALID_ARGUMENT, details: "no: ü", metadata: details });
      }
      const trailer = new grpc.Metadata();
      trailer.set("x-trailer", "after");
      answer(null, `${metadata.get("x-who")[0]}: ${request}`, trailer);
    },
    hear(call) {
      if (call.request === "for ever") {
        call.on("cancelled", () => cancelled.push("hear"));
        return void call.write("begun");
      }
      for (let n = 0; n < Number(call.request); n++) call.write(`message ${n}`);
      call.end();
    },
    tell(call, answer) {
      let length = 0;
      call.on("data", (text) => (length += text.length));
      call.on("end", () => answer(null, String(length)));
    },
    talk(call) {
      call.on("data", (text) => call.write(`${text}!`));
      call.on("end", () => call.end());
    },
  });
  const insecure = grpc.ServerCredentials.createInsecure();
  const port = await new Promise((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", insecure, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  t.after(() => server.forceShutdown());
  return { port, cancelled };
}

/** A client of what the tunnel leads to, at this address of the proxy. */
function client(t, url, credentials, options = {}) {
  const Room = grpc.makeGenericClientConstructor(ROOM, "Room");
  const { port } = new URL(url);
  const wanted = { "grpc.default_authority": "app.localhost", "grpc.max_receive_message_length": -1, ...options };
  const made = new Room(`127.0.0.1:${port}`, credentials, wanted);
  t.after(() => made.close());
  return made;
}

const asked = (call) => new Promise((resolve, reject) => call((error, text) => (error ? reject(error) : resolve(text))));

async function everyKindOfCall(room, cancelled) {
  const who = new grpc.Metadata();
  who.set("x-who", "ada");
  let trailers;
  const said = await new Promise((resolve, reject) => {
    const call = room.say("hello", who, (error, text) => (error ? reject(error) : resolve(text)));
    call.on("status", ({ metadata }) => (trailers = metadata));
  });
  equal(said, "ada: hello");
  equal(trailers.get("x-trailer")[0], "after");
  const refused = await asked((done) => room.say("nonsense", who, done)).catch((error) => error);
  deepEqual([refused.code, refused.details], [grpc.status.INVALID_ARGUMENT, "no: ü"]);
  deepEqual(refused.metadata.get("why-bin")[0], Buffer.from([0, 255, 10, 13]));

  const heard = [];
  for await (const text of room.hear("1000")) heard.push(text);
  deepEqual([heard.length, heard.at(-1)], [1000, "message 999"]);

  const large = "x".repeat(1 << 20);
  const length = await asked((done) => {
    const call = room.tell(done);
    for (let n = 0; n < 8; n++) call.write(large);
    call.end();
  });
  equal(length, String(8 << 20));

  // Each is sent when the answer to the last has come.
  const call = room.talk();
  const answers = call[Symbol.asyncIterator]();
  for (let n = 0; n < 50; n++) {
    call.write(`turn ${n}`);
    equal((await answers.next()).value, `turn ${n}!`);
  }
  call.end();
  ok((await answers.next()).done);

  // What is given up here is given up there.
  const endless = room.hear("for ever");
  await new Promise((resolve) => endless.once("data", resolve));
  const ended = new Promise((resolve) => endless.once("error", resolve));
  endless.cancel();
  equal((await ended).code, grpc.status.CANCELLED);
  while (cancelled.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));

  const many = Array.from({ length: 200 }, (_, n) => asked((done) => room.say(String(n), who, done)));
  deepEqual(await Promise.all(many), Array.from({ length: 200 }, (_, n) => `ada: ${n}`));
}

test("gRPC over the proxy's own TLS", async (t) => {
  const { cert, settings } = await certificate(t);
  const proxy = await startProxy(t, [...TUNNELS, ...settings]);
  const { port, cancelled } = await room(t);
  await startTunnel(t, proxy, port, { SSL_CERT_FILE: cert });
  const trusted = grpc.credentials.createSsl(await readFile(cert));
  await everyKindOfCall(client(t, proxy.url, trusted), cancelled);
});

test("gRPC in clear, and a tunnel that is not there", async (t) => {
  const proxy = await startProxy(t, TUNNELS);
  const { port, cancelled } = await room(t);
  await startTunnel(t, proxy, port);
  const plain = grpc.credentials.createInsecure();
  await everyKindOfCall(client(t, proxy.url, plain), cancelled);
  const lost = client(t, proxy.url, plain, { "grpc.default_authority": "other.localhost" });
  await rejects(asked((done) => lost.say("hello", new grpc.Metadata(), done)), { code: grpc.status.UNIMPLEMENTED });
});
