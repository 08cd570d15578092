// For tests: the program as a process of its own, its log line by line, and what the system says of it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { vi } from "vitest";

export const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

const DEADLINE = { timeout: 30_000, interval: 20 };

export interface Program {
  readonly process: ChildProcess;
  /** Those logged so far. */
  readonly lines: readonly Record<string, unknown>[];
  /** What was written to stderr so far. */
  readonly errors: () => string;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface Address {
  readonly port: number;
  readonly grpcPort: number;
  /** Of HTTP. */
  readonly url: string;
}

const programs = new Set<Program>();

/** The program with these arguments. */
export function startProgram(...argv: string[]): Program {
  return startProcess([process.execPath, MAIN, ...argv]);
}

/** The program with the model "m" on free ports, not calibrated unless asked to. @param terminationLog a file */
export function startServing(model: string, terminationLog: string, ...argv: string[]): Program {
  return startProgram(...servingArguments(model, terminationLog, ...argv));
}

export function servingArguments(model: string, terminationLog: string, ...argv: string[]): string[] {
  const ports = ["--http-port", "0", "--grpc-port", "0"];
  const shared = ["--model-name", "m", ...ports, "--termination-log", terminationLog, "--calibration-seconds", "0"];
  return [...shared, "--storage-uri", model, ...argv];
}

/** Any command whose output is such a log. */
export function startProcess([command = "", ...argv]: readonly string[]): Program {
  const child = spawn(command, argv, { stdio: ["ignore", "pipe", "pipe"] });
  const lines: Record<string, unknown>[] = [];
  let errors = "";
  let unfinished = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (unfinished + chunk).split("\n");
    unfinished = parts.pop() ?? "";
    lines.push(...parts.map((line) => JSON.parse(line) as Record<string, unknown>));
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const exit: Program["exit"] = once(child, "close").then(([code, signal]) => ({ code, signal }));
  const program = { process: child, lines, errors: () => errors, exit };
  programs.add(program);
  return program;
}

/** Ends all that were started, whatever they do. */
export async function killPrograms(): Promise<void> {
  for (const program of programs) {
    program.process.kill("SIGKILL");
    await program.exit;
  }
  programs.clear();
}

/** The first line with that message, once it is there. Rejects when the program ends without it. */
export async function logged(program: Program, message: string): Promise<Record<string, unknown>> {
  const find = () => program.lines.find(({ msg }) => msg === message);
  const appears = vi.waitFor(() => find() ?? Promise.reject(new Error(`no line "${message}" yet`)), DEADLINE);
  const ends = program.exit.then((exit) => {
    const last = JSON.stringify(program.lines.at(-1));
    return find() ?? Promise.reject(new Error(`ended (${JSON.stringify(exit)}): ${program.errors()} ${last}`));
  });
  return Promise.race([appears, ends]);
}

/** Where the server listens, which it does before the model is loaded. */
export async function listening(program: Program): Promise<Address> {
  const { port, grpcPort } = (await logged(program, "listening")) as { port: number; grpcPort: number };
  return { port, grpcPort, url: `http://127.0.0.1:${port}` };
}

/** The same, once the server is ready. */
export async function ready(program: Program): Promise<Address> {
  await logged(program, "ready");
  return listening(program);
}

/** Bytes of memory that the process has now, and the most that it ever had. */
export async function memoryOf(program: Program): Promise<{ now: number; most: number }> {
  const status = await readFile(`/proc/${program.process.pid}/status`, "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  return { now: kilobytes("VmRSS") * 1024, most: kilobytes("VmHWM") * 1024 };
}
