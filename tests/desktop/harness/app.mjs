// The built app: which binary, and how it is started.
import { access, copyFile, mkdir, readFile, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Page } from "./webdriver.mjs";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** Another build than target/debug, taken as it is. */
const OTHER = process.env.POSTERN_BIN_DIR;

/**
 * The app: a copy of the debug build that no later `cargo build` touches. It
 * must have the present user interface inside: `npm run build`, then `cargo
 * build --features custom-protocol`.
 */
export async function binary() {
  const built = await program("postern-desktop");
  if (OTHER) return built;
  const scripts = (await readdir(join(ROOT, "ui/dist/assets")).catch(() => [])).filter((name) => name.endsWith(".js"));
  const code = await readFile(built);
  if (scripts.length === 0 || !scripts.every((name) => code.includes(`/assets/${name}`))) {
    throw new Error(`${built} does not have the present user interface inside: run
  npm run build && cargo build -p postern-desktop --features custom-protocol`);
  }
  const copy = join(ROOT, "target/e2e/postern-desktop");
  await mkdir(dirname(copy), { recursive: true });
  // Replaced in one step: another test may be running the old one.
  await copyFile(built, `${copy}.${process.pid}`);
  await rename(`${copy}.${process.pid}`, copy);
  return copy;
}

/** A program of ours. */
export async function program(name) {
  const path = join(OTHER ?? join(ROOT, "target/debug"), name);
  await access(path).catch(() => {
    throw new Error(`${path} is missing: cargo build -p ${name}`);
  });
  return path;
}

/** The app in a session, driven. */
export async function launch(session, env = {}) {
  return Page.open(session, await binary(), env);
}

/** The app in a session, left to itself. */
export async function start(session, env = {}) {
  return session.start(await binary(), [], { env });
}
