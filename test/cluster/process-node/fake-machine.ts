// A file system made of a list, for tests of what containers see.

import { dirname, join } from "node:path";
import type { Machine } from "./root-directory.ts";

/** @param entries files by path, `file`, or `-> TARGET` for a link; their directories exist too */
export function fakeMachine(entries: Readonly<Record<string, string>>): Machine {
  const directories = new Set(["/"]);
  for (const path of Object.keys(entries)) {
    for (let directory = dirname(path); directory !== "/"; directory = dirname(directory)) directories.add(directory);
  }
  const machine: Machine = {
    kind(path) {
      if (directories.has(path)) return "directory";
      const entry = entries[path];
      if (entry === undefined) return "missing";
      return entry.startsWith("-> ") ? "link" : "file";
    },
    list: (path) => [
      ...new Set(
        [...directories, ...Object.keys(entries)]
          .filter((candidate) => candidate !== "/" && dirname(candidate) === path)
          .map((candidate) => candidate.slice(path === "/" ? 1 : path.length + 1)),
      ),
    ],
    readLink: (path) => (entries[path] ?? "").slice(3),
    realPath(path) {
      let real = "/";
      for (const part of path.split("/").filter((name) => name !== "")) {
        const next = join(real, part);
        const kind = machine.kind(next);
        if (kind === "missing") return undefined;
        real = kind === "link" ? join("/", machine.readLink(next)) : next;
      }
      return real;
    },
  };
  return machine;
}
