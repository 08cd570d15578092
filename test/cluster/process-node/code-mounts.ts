// Keeps this machine's code in the containers' sight where it lies below a directory that each container has for itself.

import { dirname, parse } from "node:path";
import type { Machine, Mount } from "./root-directory.ts";
import { privateDirectories } from "./root-directory.ts";

/**
 * Mounts for the given paths that a private directory such as /tmp or /home would hide, for example of a clone in /tmp.
 * A file brings its directory along, since programs load their parts from beside them.
 */
export function codeMounts(paths: readonly string[], machine: Machine): Mount[] {
  const mounts: Mount[] = [];
  for (const path of paths) {
    const kind = machine.kind(path);
    if (!isHidden(path) || kind === "missing") continue;
    const isDirectory = machine.kind(machine.realPath(path) ?? path) === "directory";
    // The file's directory may be the private one itself: that must stay the container's own.
    const source = isDirectory || isTopLevel(dirname(path)) ? path : dirname(path);
    if (isTopLevel(source) || mounts.some((mount) => `${source}/`.startsWith(`${mount.target}/`))) continue;
    const type = isDirectory || source !== path ? "directory" : "file";
    mounts.push({ source, target: source, readOnly: false, type });
  }
  return mounts;
}

function isHidden(path: string): boolean {
  return path.startsWith("/") && privateDirectories.has(path.split("/")[1] ?? "");
}

function isTopLevel(path: string): boolean {
  return dirname(path) === parse(path).root;
}
