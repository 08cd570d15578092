// Names from archives, listings and models, which must stay inside the model's folder.

import { posix } from "node:path";

import { LoadError } from "../load-error.ts";

/** @param what names the culprit, such as "the archive holds ../x", and what is wrong with it */
export function unsafePath(what: string): LoadError {
  return new LoadError("download", "UNSAFE_PATH", `${what}; everything must stay inside the model's folder`);
}

/** A name from outside, for messages: in quotes, and not of any length, since messages have little room in a pod's status. */
export function quote(name: string): string {
  return JSON.stringify(name.length > MAX_QUOTED ? `${name.slice(0, MAX_QUOTED)}...` : name);
}

const MAX_QUOTED = 200;

/**
 * The path in its plain form, with "/" between segments, "" being the folder itself; undefined where it is absolute or
 * leads out, or holds what file systems and other programs read in different ways.
 */
export function plainRelativePath(name: string): string | undefined {
  // A backslash or a drive letter is harmless here and a way out elsewhere.
  if (/[\\\0]/.test(name) || /^[a-z]:/i.test(name) || name.startsWith("/")) {
    return undefined;
  }
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  return segments.includes("..") ? undefined : segments.join("/");
}

/**
 * What a link at `linkPath` points to, from the folder that holds everything; undefined where that lies outside.
 * Right only where no folder on the way is a link itself.
 */
export function linkTarget(linkPath: string, target: string): string | undefined {
  if (target === "" || target.startsWith("/")) {
    return undefined;
  }
  const joined = posix.join(posix.dirname(linkPath), target);
  return joined === ".." || joined.startsWith("../") ? undefined : plainRelativePath(joined);
}
