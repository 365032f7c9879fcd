import { expect, it } from "vitest";
import { changes } from "./changed";
import { parse } from "./parse";

it("sets an update's old values beside the new, the telling fields first", () => {
  const json = parse(
    '{"data":{"stateId":"b","title":"t","updatedAt":2,"same":1},"updatedFrom":{"updatedAt":1,"stateId":"a","dueDate":"x","same":1,"sortOrder":3}}',
  );
  expect(changes(json)).toEqual([
    { field: "stateId", before: '"a"', after: '"b"' },
    { field: "dueDate", before: '"x"', after: null },
    { field: "updatedAt", before: "1", after: "2" },
  ]);
});

it("says nothing where nothing is said", () => {
  expect(changes(parse('{"data":{}}'))).toEqual([]);
  expect(changes(parse('{"updatedFrom":null}'))).toEqual([]);
  expect(changes(parse("[1]"))).toEqual([]);
});
