import { describe, expect, it } from "vitest";
import { find, MOST } from "./find";
import { parse } from "./parse";

/** The rows found, as `key` or the value. */
const found = async (text: string, query: string) => {
  const json = parse(text);
  const hits = await find(json, query);
  return [...(hits?.nodes ?? [])].map((node) => {
    const end = json.keyEnd[node] ?? 0;
    return end > 0
      ? JSON.parse(text.slice(json.key[node], end))
      : text.slice(json.start[node], json.end[node]);
  });
};

describe("find", () => {
  it("looks into keys and values, whatever the case, each row once", async () => {
    const text = '{"Title":"a title, titled","state":{"name":"TITLE"},"n":[12,"x12",true]}';
    expect(await found(text, "title")).toEqual(["Title", "name"]);
    expect(await found(text, "12")).toEqual(["12", '"x12"']);
    expect(await found(text, "TRUE")).toEqual(["true"]);
    expect(await found(text, "state")).toEqual(["state"]);
    expect(await found(text, "")).toEqual([]);
  });
  it("does not look at punctuation, nor across it", async () => {
    const text = '{"a":1,"b":[1,1],"c":"1,1:{"}';
    expect(await found(text, "1,")).toEqual(["c"]);
    expect(await found(text, '"')).toEqual([]);
    expect(await found(text, "{")).toEqual(["c"]);
    expect(await found(text, 'a":1')).toEqual([]);
  });
  it("reads through escapes", async () => {
    const text = '{"a":"M\\u00FCller \\ud83d\\ude00 \\/ \\"q\\" \\\\ \\n","b":"😀ü/"}';
    expect(await found(text, "müller")).toEqual(["a"]);
    expect(await found(text, "😀")).toEqual(["a", "b"]);
    expect(await found(text, "/")).toEqual(["a", "b"]);
    expect(await found(text, '"Q"')).toEqual(["a"]);
    expect(await found(text, "\\ \n")).toEqual(["a"]);
    // Not the letters of an escape.
    expect(await found(text, "00fc")).toEqual([]);
    expect(await found(text, "de00")).toEqual([]);
    expect(await found('["\\n","n","\\\\n","\\\\\\n"]', "n")).toEqual(['"n"', '"\\\\n"']);
  });
  it("takes what means something in a pattern as it is", async () => {
    expect(await found('["a.b*(c)","axb"]', "a.b*(")).toEqual(['"a.b*(c)"']);
    expect(await found('["[x]","-","}"]', "]")).toEqual(['"[x]"']);
  });
  it("ends at a bound", async () => {
    const json = parse(`[${"7,".repeat(MOST)}7]`);
    const hits = await find(json, "7");
    expect(hits?.nodes.length).toBe(MOST);
    expect(hits?.more).toBe(true);
  });
  it("lets the page go on, and can be given up", async () => {
    const json = parse(`[${"1,".repeat(400_000)}1]`);
    const given = new AbortController();
    let turns = 0;
    const turn = setInterval(() => (turns += 1));
    const hits = find(json, ",", given.signal);
    setTimeout(() => given.abort());
    expect(await hits).toBeNull();
    clearInterval(turn);
    expect(turns).toBeGreaterThan(0);
  });
});
