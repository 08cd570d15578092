// Reading the audit log.

import { expect, test } from "vitest";
import { parseAuditLog } from "./audit-log.ts";

const entry = { verb: "create", requestURI: "/api/v1/namespaces", user: { username: "admin" } };

test("each complete line is one entry", () => {
  expect(parseAuditLog(`${JSON.stringify(entry)}\n${JSON.stringify(entry)}\n`)).toEqual([entry, entry]);
});

test("a line that is still being written is left out", () => {
  expect(parseAuditLog(`${JSON.stringify(entry)}\n{"verb":"del`)).toEqual([entry]);
});

test("an empty log has no entries", () => {
  expect(parseAuditLog("")).toEqual([]);
});
