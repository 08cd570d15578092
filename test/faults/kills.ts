// The operator is killed right after the k-th write of each step.

import type { Fault } from "./fault.ts";
import type { StepName } from "./story.ts";

/** Whether the operator still hears that its last write was done. */
export type LastAnswer = "delivered" | "lost";

export interface KillFault extends Fault {
  /** Steps in which there was a k-th write. */
  readonly struck: readonly StepName[];
}

/** `crash` ends the operator at once and starts another one. Writes are counted from 1. */
export function killAfterWrite(k: number, answer: LastAnswer, crash: () => void): KillFault {
  const struck: StepName[] = [];
  let step: StepName | undefined;
  let writes = 0;
  const strike = (): void => {
    if (step !== undefined) struck.push(step);
    step = undefined;
    crash();
  };
  const isLast = (): boolean => {
    if (step === undefined) return false;
    writes += 1;
    return writes === k;
  };
  return {
    name: `killed after write ${k}, its answer ${answer}`,
    struck,
    beforeStep: (next) => {
      step = next;
      writes = 0;
    },
    afterStep: () => {
      step = undefined;
    },
    written: () => {
      if (answer === "delivered" || !isLast()) return "deliver";
      strike();
      return "lose";
    },
    delivered: () => {
      if (answer === "delivered" && isLast()) strike();
    },
  };
}
