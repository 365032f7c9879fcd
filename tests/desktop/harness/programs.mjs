// Where the programs are that the tests run.
import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** Another build than target/debug, taken as it is. */
export const OTHER = process.env.POSTERN_BIN_DIR;

/** A program of ours. */
export async function program(name) {
  const path = join(OTHER ?? join(ROOT, "target/debug"), name);
  await access(path).catch(() => {
    throw new Error(`${path} is missing: cargo build --workspace --all-targets`);
  });
  return path;
}
