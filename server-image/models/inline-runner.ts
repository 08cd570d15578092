// Runs a model on the calling thread, for models whose run is shorter than the way to a worker and back.

import { ModelRunError, type Runner, type RunRequest, type RunResult, toRuntimeTensor, toTensor } from "./runner.ts";
import type { Session } from "./runtime.ts";

export class InlineRunner implements Runner {
  readonly idleCount = 1;
  readonly parallelRuns = 1;
  readonly movesInputs = false;
  readonly #session: Pick<Session, "run">;

  constructor(session: Pick<Session, "run">) {
    this.#session = session;
  }

  async run({ inputs, outputNames }: RunRequest): Promise<RunResult> {
    const startedAt = performance.now();
    try {
      const outputs = this.#session.run(inputs.map(toRuntimeTensor), outputNames);
      const computeSeconds = (performance.now() - startedAt) / 1000;
      return { outputs: outputs.map(toTensor), computeSeconds, freed: [] };
    } catch (cause) {
      throw new ModelRunError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
}
