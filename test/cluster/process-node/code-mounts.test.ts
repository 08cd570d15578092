// Tests of which code stays visible in containers.

import { expect, test } from "vitest";
import { codeMounts } from "./code-mounts.ts";
import { fakeMachine } from "./fake-machine.ts";

const machine = fakeMachine({
  "/tmp/clone/server/main.ts": "file",
  "/tmp/clone/node": "file",
  "/tmp/alone.mjs": "file",
  "/home/me/.nvm/bin/node": "file",
  "/opt/app/main.js": "file",
});

test.each([
  ["code outside of the private directories needs no mount", ["/opt/app", "/opt/app/main.js"], []],
  [
    "a clone in /tmp is mounted whole, once",
    ["/tmp/clone", "/tmp/clone/server/main.ts"],
    [["/tmp/clone", "directory"]],
  ],
  ["a program brings its directory along", ["/home/me/.nvm/bin/node"], [["/home/me/.nvm/bin", "directory"]]],
  ["a file in /tmp itself does not bring all of /tmp", ["/tmp/alone.mjs"], [["/tmp/alone.mjs", "file"]]],
  ["words that are no paths, or lead nowhere, are left alone", ["node", "/tmp/missing", "--port"], []],
  ["a private directory itself stays private", ["/tmp", "/home"], []],
])("%s", (_sentence, paths, expected) => {
  const mounts = codeMounts(paths, machine);
  expect(mounts.map(({ source, type }) => [source, type])).toEqual(expected);
  for (const mount of mounts) expect(mount.target).toBe(mount.source);
});
