// Starts a container's command in namespaces of its own, tells when and how it ended, and signals it.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { ContainerLog } from "./container-log.ts";
import { type ContainerScriptInput, containerScript } from "./container-script.ts";

export interface ContainerProcessInput extends ContainerScriptInput {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined: the node's own network. */
  readonly networkNamespace: string | undefined;
  readonly log: ContainerLog;
}

export interface ContainerProcess {
  /** The number of the container's process 1 among the node's processes. */
  readonly pid: number;
  /** The exit code, 128 plus its number for a signal. Resolves when all processes have ended and their output is read. */
  readonly exited: Promise<number>;
  /** Like a container runtime: process 1 ignores signals that it has no handler for, except SIGKILL. */
  terminate(): void;
  kill(): void;
}

/** What a shell says about a killed child ("Killed") is not the container's output: that goes to descriptor 4. */
const waiterScript = 'exec 4>&2 2>/dev/null; "$@"; exit $?';

/** The set-up of the container failed: a mount, a namespace, a control group. */
export class ContainerStartError extends Error {
  readonly code = "CreateContainerError";
}

/** @throws ContainerStartError with what the failed program said; nothing is left running then. */
export async function startContainerProcess(input: ContainerProcessInput): Promise<ContainerProcess> {
  const { tools, networkNamespace, log } = input;
  const network = networkNamespace === undefined ? [] : [tools.nsenter, `--net=${networkNamespace}`, "--"];
  // The one that waits is a shell, because `unshare --fork` reports a child that was killed as exit code 1.
  const waiter = [tools.unshare, "--mount", "--pid", "--", tools.sh, "-c", waiterScript, "waiter"];
  const setUp = [tools.sh, "-c", containerScript(input), "sh"];
  // Killing the process node kills the waiter, and that kills process 1 and its namespaces: nothing outlives who started it.
  const dieTogether = [tools.setpriv, "--pdeathsig", "KILL", "--"];
  const [program = "", ...args] = [...dieTogether, ...network, ...waiter, ...dieTogether, ...setUp, ...input.argv];
  const child = spawn(program, args, {
    cwd: "/",
    env: input.environment,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const exited = whenExited(child);
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => log.append(stream, text));
  }
  const pid = await whenSetUp(child, exited);
  const signal = (name: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) trySignal(pid, name);
  };
  return { pid, exited, terminate: () => signal("SIGTERM"), kill: () => signal("SIGKILL") };
}

function whenExited(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    // "close" does not follow when the program could not be started at all.
    child.on("error", () => resolve(128));
    child.on("close", (exitCode, signal) =>
      resolve(exitCode ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

/** Reads descriptor 3 until the script says its process number or ends. */
function whenSetUp(child: ChildProcess, exited: Promise<number>): Promise<number> {
  const channel = child.stdio[3] as Readable;
  let said = "";
  return new Promise((resolve, reject) => {
    channel.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const match = /^pid (\d+)$/m.exec(said);
      if (match === null) return;
      resolve(Number(match[1]));
      channel.destroy();
    });
    void exited.then((exitCode) => {
      reject(new ContainerStartError(`the container could not be set up: ${said.trim() || `exit code ${exitCode}`}`));
    });
  });
}

function trySignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
