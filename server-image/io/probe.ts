// The connections to one port, as the calibration's client keeps them busy.

import type { ProbeTally } from "./probe-tally.ts";

export interface Probe {
  /** Sends the request on all of them until the tally has run out; resolves when the last answer is there. */
  readonly keepBusy: (request: Buffer, tally: ProbeTally) => Promise<void>;
  readonly end: () => void;
}
