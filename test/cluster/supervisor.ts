// Starts the cluster's components, each as soon as those that it needs are ready.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Component, ComponentExitedError } from "./component.ts";
import { get } from "./https-get.ts";
import type { StartStep } from "./inside-protocol.ts";

const pollMs = 50;

export interface SupervisorOptions {
  readonly steps: readonly StartStep[];
  readonly logDirectory: string;
  /** Not told of components that have no `readyUrl`. */
  readonly onReady: (component: string, seconds: number) => void;
  readonly onUnexpectedExit: (component: string, error: ComponentExitedError) => void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #components: ReadonlyMap<string, { readonly component: Component; readonly step: StartStep }>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#components = new Map(
      options.steps.map((step) => {
        const { name } = step.component;
        const component = new Component(step.component, join(options.logDirectory, `${name}.log`), (error) =>
          options.onUnexpectedExit(name, error),
        );
        return [name, { component, step }];
      }),
    );
  }

  /** Starts everything and resolves when all of it is ready. Throws `ComponentExitedError` when one ends before that. */
  async startAll(): Promise<void> {
    const ready = new Map<string, Promise<void>>();
    const start = async (step: StartStep): Promise<void> => {
      for (const name of step.after) await ready.get(name);
      await this.start(step.component.name);
    };
    // Steps name only earlier steps, so every promise that is waited for exists.
    for (const step of this.#options.steps) ready.set(step.component.name, start(step));
    await Promise.all(ready.values());
  }

  /** Starts one component and resolves when it is ready. */
  async start(name: string): Promise<void> {
    const { component, step } = this.#find(name);
    const startedAtMs = performance.now();
    component.start();
    while (step.readyUrl !== undefined) {
      const answer = await get(step.readyUrl, step.readyTls);
      if (answer?.status === 200) break;
      if (!component.running) throw new ComponentExitedError(`${name} ended before it was ready`);
      await sleep(pollMs);
    }
    if (step.readyUrl !== undefined) this.#options.onReady(name, (performance.now() - startedAtMs) / 1000);
  }

  async stop(name: string, graceMs?: number): Promise<void> {
    await this.#find(name).component.stop(graceMs);
  }

  /** Stops all of them, the last started first, without waiting for long: nothing of theirs is kept. */
  async stopAll(graceMs: number): Promise<void> {
    const all = [...this.#components.values()];
    await Promise.all(all.map(({ component }) => component.stop(graceMs)));
  }

  #find(name: string): { component: Component; step: StartStep } {
    const found = this.#components.get(name);
    if (found === undefined) {
      throw new TypeError(`no component ${JSON.stringify(name)}; there are ${[...this.#components.keys()].join(", ")}`);
    }
    return found;
  }
}
