// A page of Vite's dev server behind a public tunnel, as somebody sees it who was
// sent the address: modules and styles load, and what its developer changes shows
// without a reload.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "vite";
import { expect, test } from "./fixtures.js";

const MODULE = (text: string) => `
export function render() { document.querySelector("h1").textContent = ${JSON.stringify(text)}; }
import.meta.hot?.accept((module) => module.render());
`;

test("a visitor sees a Vite page change while it is edited", async ({ page, machine }) => {
  const root = await mkdtemp(join(tmpdir(), "postern-vite-"));
  const file = (name: string, text: string) => writeFile(join(root, name), text);
  await file("index.html", '<h1></h1><script type="module" src="/main.js"></script>');
  await file("main.js", 'import "./style.css";\nimport { render } from "./title.js";\nrender();');
  await file("title.js", MODULE("as it was"));
  await file("style.css", "h1 { color: rgb(1, 2, 3) }");
  // Vite does not look for a configuration above the folder.
  const server = await createServer({
    root,
    configFile: false,
    logLevel: "silent",
    server: { port: 0, host: "127.0.0.1" },
    cacheDir: join(root, ".vite"),
  });
  try {
    await server.listen();
    const { port } = server.httpServer?.address() as AddressInfo;
    const url = await machine.tunnel(port);
    const sockets: string[] = [];
    page.on("websocket", (socket) => sockets.push(socket.url()));
    const connected = page.waitForEvent("console", (message) => message.text().includes("[vite] connected"));
    await page.goto(`${url}/`);
    const title = page.getByRole("heading");
    await expect(title).toHaveText("as it was");
    await expect(title).toHaveCSS("color", "rgb(1, 2, 3)");
    await connected;
    await page.evaluate(() => Object.assign(window, { kept: "the same page" }));

    await file("title.js", MODULE("as it is now"));
    await expect(title).toHaveText("as it is now");
    await file("style.css", "h1 { color: rgb(4, 5, 6) }");
    await expect(title).toHaveCSS("color", "rgb(4, 5, 6)");
    expect(await page.evaluate(() => (window as { kept?: string }).kept)).toBe("the same page");
    expect(sockets.map((socket) => new URL(socket).host)).toEqual([new URL(url).host]);
  } finally {
    await server.close();
    await rm(root, { recursive: true, force: true });
  }
});
