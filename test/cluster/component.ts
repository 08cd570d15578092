// One long-running program of the cluster (etcd, the API server, ...): started, watched, stopped, started again.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { toolEnvironment } from "./tool.ts";

const sigtermGraceMs = 1000;

/** A program and when it counts as ready. All paths are absolute. */
export interface ComponentSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A component ended although nobody stopped it. `code` is `COMPONENT_EXITED`. */
export class ComponentExitedError extends Error {
  readonly code = "COMPONENT_EXITED";
  override readonly name = "ComponentExitedError";
}

export class Component {
  readonly spec: ComponentSpec;
  readonly logFile: string;
  readonly #onUnexpectedExit: (error: ComponentExitedError) => void;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(spec: ComponentSpec, logFile: string, onUnexpectedExit: (error: ComponentExitedError) => void) {
    this.spec = spec;
    this.logFile = logFile;
    this.#onUnexpectedExit = onUnexpectedExit;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Starts the program; its output is appended to `logFile`. Does nothing when it runs already. */
  start(): void {
    if (this.#child !== undefined) return;
    const log = openSync(this.logFile, "a");
    const child = spawn(this.spec.command, this.spec.args, {
      stdio: ["ignore", log, log],
      env: toolEnvironment({ ...process.env, ...this.spec.environment }),
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const ended = (what: string) => {
        resolve();
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#onUnexpectedExit(new ComponentExitedError(`${this.spec.name} ${what}; its log: ${this.logFile}`));
      };
      child.once("error", (error) => ended(`could not be started: ${error.message}`));
      child.once("exit", (code, signal) => ended(`ended unasked with ${signal ?? `code ${code}`}`));
    });
  }

  /** Ends the program with SIGTERM, a second later with SIGKILL, and resolves when it is gone. */
  async stop(graceMs: number = sigtermGraceMs): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
