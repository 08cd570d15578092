// The operator under test: a process of its own, so that a kill is a real loss of memory.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { until } from "../integration/until.ts";

const main = join(import.meta.dirname, "../../operator/main.ts");

export interface SubjectOptions {
  readonly kubeconfig: string;
  readonly prometheusAddress: string;
  /** Its log; further starts are appended. */
  readonly log: string;
  readonly flags?: readonly string[];
}

export class Subject {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#port = port;
    this.#ended = once(child, "exit");
  }

  /** Starts an operator outside the cluster's network; it need not become ready. It ends with the thread that calls this. */
  static async start({ kubeconfig, prometheusAddress, log, flags = [] }: SubjectOptions): Promise<Subject> {
    const file = openSync(log, "a");
    const port = await freePort();
    const command = [
      process.execPath,
      main,
      "run",
      `--kubeconfig=${kubeconfig}`,
      `--prometheus-address=${prometheusAddress}`,
      "--server-image=plimsoll/server:dev",
      "--namespace=default",
      "--scrape-interval=2",
      "--tick-interval=0.5",
      "--external-metrics-port=0",
      // Nobody listens there: external metrics are not what is tested.
      "--external-metrics-endpoint=10.10.0.1:16443",
      `--endpoints-port=${port}`,
      ...flags,
    ];
    const child = spawn("setpriv", ["--pdeathsig=KILL", ...command], { stdio: ["ignore", file, file] });
    return new Subject(child, port);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("the operator could not be started");
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it has had this many more ticks of the autoscaler, or has ended. */
  async atWork(ticks: number, timeoutSeconds = 60): Promise<void> {
    const ended = async () => (await this.metric("plimsoll_operator_autoscaler_tick_seconds_count")) ?? 0;
    const before = await ended();
    const what = `the operator has had ${ticks} ticks`;
    const isDone = async () => !this.isRunning || (await ended()) >= before + ticks;
    await until(isDone, { what, timeoutSeconds, intervalMs: 100 });
  }

  /** A metric's sum over its series; undefined while the operator does not answer or has none. */
  async metric(name: string): Promise<number | undefined> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/metrics`).catch(() => undefined);
    const lines = (await answer?.text())?.split("\n").filter((line) => line.startsWith(name)) ?? [];
    if (lines.length === 0) return undefined;
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Returns at once; `ended` says when it is gone. */
  signal(signal: "SIGKILL" | "SIGTERM"): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<void> {
    if (this.isRunning) await this.#ended;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }

  static log(file: string): Promise<string> {
    return readFile(file, "utf8");
  }
}
