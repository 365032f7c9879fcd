// The built app: which binary, and how it is started.
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { OTHER, ROOT, program } from "./programs.mjs";
import { Page } from "./webdriver.mjs";

/** The .deb, unpacked. */
export const PACKAGE = join(ROOT, "target/e2e/app");

/**
 * The app out of its .deb, as `scripts/package-debug` unpacks it. It must be
 * the present build, with the present user interface inside.
 */
export async function binary() {
  const built = await program("postern-desktop");
  if (OTHER) return built;
  const scripts = (await readdir(join(ROOT, "ui/dist/assets")).catch(() => [])).filter((name) => name.endsWith(".js"));
  const packed = await stat(join(PACKAGE, "packed")).catch(() => undefined);
  const app = join(PACKAGE, "usr/bin/postern-desktop");
  const present = packed !== undefined && packed.mtimeMs >= (await stat(built)).mtimeMs;
  const code = present && (await readFile(app));
  if (!present || scripts.length === 0 || !scripts.every((name) => code.includes(`/assets/${name}`))) {
    throw new Error(`${app} is not the present build: run
  npm run build && cargo build --workspace --features postern-desktop/custom-protocol && scripts/package-debug`);
  }
  return app;
}

/** The app in a session, driven. */
export async function launch(session, env = {}, args = []) {
  return Page.open(session, await binary(), env, args);
}

/** The app in a session, left to itself. */
export async function start(session, env = {}, args = []) {
  return session.start(await binary(), args, { env });
}
