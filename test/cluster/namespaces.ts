// The namespaces of a local cluster: how to start a program in new ones, how to enter them, and whether this machine allows it.

import { platform } from "node:os";
import { ClusterError } from "./errors.ts";
import { tryTool } from "./tool.ts";

const newNamespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** An ordinary user becomes root of a user namespace first, and may then make the others. */
function unshareArguments(): string[] {
  return isRoot() ? newNamespaces : ["--user", "--map-root-user", ...newNamespaces];
}

/**
 * The command line that runs `command` in new network, mount and PID namespaces; when it ends, however it ends, so does everything in them.
 * A shell is the first process there: unlike Node it collects the exit codes of orphans.
 */
export function inNewNamespaces(command: readonly string[]): readonly string[] {
  return ["unshare", ...unshareArguments(), "sh", "-c", '"$@"; exit $?', "init", ...command];
}

/** The command line that runs `command` in the network of process `pid`, and ends it when the thread that starts it ends. */
export function inNetworkOf(pid: number, command: readonly string[]): readonly string[] {
  const user = isRoot() ? [] : ["--user", "--preserve-credentials"];
  return ["nsenter", `--target=${pid}`, ...user, "--net", "setpriv", "--pdeathsig=KILL", ...command];
}

const waysOut = {
  root: "Run it on a machine or in a container that allows them (docker run --privileged), or use a kind cluster.",
  user: "Run it with sudo, or use a kind cluster.",
};

/** Throws `ClusterError` with the way out when this machine cannot run a local cluster. */
export async function requireNamespaces(): Promise<void> {
  if (platform() !== "linux") {
    throw new ClusterError(
      "NAMESPACES_NOT_ALLOWED",
      `The local cluster needs Linux namespaces, which ${platform()} does not have. Run it in a Linux virtual machine, or use a kind cluster.`,
    );
  }
  await requireTools();
  const probe = await tryTool("unshare", [...unshareArguments(), "true"]);
  if (probe.exitCode === 0) return;
  const [who, wayOut] = isRoot() ? ["root here", waysOut.root] : ["an ordinary user here", waysOut.user];
  throw new ClusterError(
    "NAMESPACES_NOT_ALLOWED",
    `The local cluster needs network, mount and PID namespaces, and ${who} may not make them (${probe.stderr.trim()}). ${wayOut}`,
  );
}

async function requireTools(): Promise<void> {
  const packages = {
    ip: "iproute2",
    unshare: "util-linux",
    nsenter: "util-linux",
    setpriv: "util-linux",
    mount: "mount",
  };
  for (const [tool, name] of Object.entries(packages)) {
    const found = await tryTool("sh", ["-c", 'command -v "$0"', tool]);
    if (found.exitCode !== 0) {
      throw new ClusterError(
        "TOOL_MISSING",
        `The local cluster needs the command ${tool}: install the package ${name}.`,
      );
    }
  }
}
