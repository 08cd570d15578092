// The programs of one scenario: each kept to its cores, its printed lines readable, all of them gone at the end.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { pinned } from "./cores.ts";

const STOP_TIMEOUT_MS = 15_000;
/** How much of what a program said is kept for messages. */
const KEPT_LINES = 20;

/** A program and where it runs. */
export interface Launch {
  /** For messages. */
  readonly name: string;
  readonly command: readonly string[];
  readonly cores: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
}

/** A running program that is talked to in lines. */
export class BenchProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #said: string[] = [];
  readonly #exited: Promise<string>;
  #isOver = false;

  constructor({ name, command, cores, environment, workingDirectory }: Launch) {
    this.name = name;
    const [program = "", ...args] = pinned(cores, command);
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...environment },
      ...(workingDirectory !== undefined && { cwd: workingDirectory }),
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const over = (how: string) => {
        this.#isOver = true;
        resolve(how);
      };
      child.once("error", (error) => over(`could not be started: ${error.message}`));
      child.once("exit", (code, signal) => over(`ended with ${signal ?? `code ${code}`}`));
    });
    // A program that has ended cannot be written to; whoever waits for its next line is told so.
    child.stdin.on("error", () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => this.#hear(line));
    }
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) {
      throw new Error(`${this.name} could not be started`);
    }
    return pid;
  }

  /**
   * The first thing that `read` makes of a line printed from now on, to either stream; undefined: not this line.
   * Rejects when the program ends, or after the time-out.
   */
  async next<T>(read: (line: string) => T | undefined, timeoutMs: number): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const listener = (line: string) => {
      try {
        const value = read(line);
        if (value !== undefined) resolve(value);
      } catch (error) {
        reject(error);
      }
    };
    const timer = setTimeout(() => reject(this.#failure(`did not answer within ${timeoutMs / 1000} s`)), timeoutMs);
    this.#listeners.add(listener);
    // Lines may still be on their way when a program has ended.
    void this.#exited.then((how) => setTimeout(() => reject(this.#failure(how)), 50));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    }
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** For ends that cannot wait. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** SIGTERM, then SIGKILL; resolves when the program is gone. */
  async stop(): Promise<void> {
    if (this.#isOver) {
      return;
    }
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #hear(line: string): void {
    this.#said.push(line);
    if (this.#said.length > KEPT_LINES) {
      this.#said.shift();
    }
    for (const listener of this.#listeners) {
      listener(line);
    }
  }

  #failure(how: string): Error {
    const said = this.#said.length === 0 ? "it printed nothing" : `it printed:\n  ${this.#said.join("\n  ")}`;
    return new Error(`${this.name} ${how}; ${said}`);
  }
}

/** Starts programs and ends them. */
export class ProcessGroup {
  readonly #processes: BenchProcess[] = [];

  start(launch: Launch): BenchProcess {
    const started = new BenchProcess(launch);
    this.#processes.push(started);
    return started;
  }

  /** At once, where nothing can be waited for any more. */
  killAll(): void {
    for (const each of this.#processes) {
      each.kill();
    }
  }

  /** The last one first. */
  async stopAll(): Promise<void> {
    for (const each of this.#processes.splice(0).toReversed()) {
      await each.stop();
    }
  }
}
