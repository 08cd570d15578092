// The I/O's part of the calibration: the cost of a request by protocol, and then workers and I/O together.

import type { Protocol } from "../metrics.ts";
import type { IoFigures, IoProbe } from "../models/model.ts";
import { type MeasureIoOptions, measureIo } from "./measure-io.ts";
import { measureSaturation } from "./measure-saturation.ts";

/** The others are like one of these. */
const PROTOCOLS: readonly Protocol[] = ["v2-rest-binary", "v2-rest"];

/** Of the time; the rest is for workers and I/O together. */
const COSTS_SHARE = 0.5;

export async function measureAll(
  probe: IoProbe,
  options: MeasureIoOptions & { readonly cpus: number },
): Promise<IoFigures> {
  if (probe.loaded.plan.inline) {
    return { ioCpuSeconds: await measureIo(probe, options), saturation: {} };
  }
  const ioCpuSeconds = await measureIo({ ...probe, budgetMs: probe.budgetMs * COSTS_SHARE }, options);
  const saturation: Record<string, number> = {};
  for (const protocol of PROTOCOLS) {
    const requestsPerSecond = await measureSaturation(probe, protocol, options);
    if (requestsPerSecond !== undefined) {
      saturation[protocol] = requestsPerSecond;
    }
  }
  return { ioCpuSeconds, saturation };
}
