// Runs the small system programs (ip, mount, nsenter, ...) that the process node is made of.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

const required = {
  ip: "iproute2",
  mount: "mount",
  nsenter: "util-linux",
  setpriv: "util-linux",
  sh: "dash",
  umount: "mount",
  unshare: "util-linux",
} as const;

/** Absolute paths, so that a container's own PATH cannot replace a program of the set-up. */
export type Tools = Readonly<Record<keyof typeof required, string>>;

/** @throws Error that names every missing program and the package it comes from. */
export function findTools(searchPath: string): Tools {
  const directories = [...searchPath.split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
  const found: Record<string, string> = {};
  const missing: string[] = [];
  for (const [name, packageName] of Object.entries(required)) {
    const path = directories.map((directory) => join(directory, name)).find(isExecutable);
    if (path === undefined) missing.push(`${name} (Debian package ${packageName})`);
    else found[name] = path;
  }
  if (missing.length > 0)
    throw new Error(`the process node needs programs that are not installed: ${missing.join(", ")}`);
  return found as Tools;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end.
 * @throws Error with the command line and what the program wrote to stderr, when it exits with another code than 0.
 */
export async function runCommand(argv: readonly string[], input = ""): Promise<void> {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  // A program that ends before it has read its input is reported by its exit code.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${argv.join(" ")} failed: ${errors.trim() || `exit code ${code}`}`);
}

/** `text` as one word of a shell script. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
