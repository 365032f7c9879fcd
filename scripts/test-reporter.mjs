// A reporter for `node --test`: one JSON line per finished test, for
// scripts/test to count. Suites are not tests and are left out.
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite") continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const outcome = skipped ? "skipped" : type === "test:pass" ? "passed" : "failed";
    yield JSON.stringify({ name: data.name, file: data.file, outcome }) + "\n";
  }
}
