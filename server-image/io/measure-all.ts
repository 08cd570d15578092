// The I/O's part of the calibration: the cost of a request by protocol, and then workers and I/O together, in time.

import type { Protocol } from "../metrics.ts";
import type { IoFigures, IoProbe } from "../models/model.ts";
import { type MeasureIoOptions, measureIo } from "./measure-io.ts";
import { measureSaturation } from "./measure-saturation.ts";
import { type ProbeClient, startProbeClient } from "./probe-client.ts";
import { fittingStretch, type Stretch, wishedStretch } from "./stretch.ts";

/** The others are like one of these. The first one matters most where the time is not enough for both. */
const PROTOCOLS: readonly Protocol[] = ["v2-rest-binary", "v2-rest"];

/** At least this share of the time is for the costs; the rest is for workers and I/O together, as far as they need it. */
const COSTS_SHARE = 0.3;

/** Ends at the probe's deadline; only the cost of each protocol is measured once however late it is. */
export async function measureAll(probe: IoProbe, options: MeasureIoOptions): Promise<IoFigures> {
  const { loaded, deadlineMs } = probe;
  const wished = loaded.plan.inline ? undefined : wishedStretch(loaded);
  const togetherMs = Math.min(
    (wished?.totalMs ?? 0) * PROTOCOLS.length,
    Math.max(0, deadlineMs - options.clock()) * (1 - COSTS_SHARE),
  );
  const client = startProbeClient();
  try {
    const ioCpuSeconds = await measureIo({ ...probe, deadlineMs: deadlineMs - togetherMs }, client, options);
    const saturation = wished === undefined ? {} : await measureTogether(wished, { ...options, probe, client });
    return { ioCpuSeconds, saturation };
  } finally {
    await client.end();
  }
}

async function measureTogether(
  wished: Stretch,
  { probe, client, ...options }: MeasureIoOptions & { readonly probe: IoProbe; readonly client: ProbeClient },
): Promise<Readonly<Record<string, number>>> {
  const saturation: Record<string, number> = {};
  for (const [index, protocol] of PROTOCOLS.entries()) {
    const leftMs = probe.deadlineMs - options.clock();
    // What the first does not need is left for the other, but one of them rather than neither.
    const stretch = fittingStretch(wished, leftMs / (PROTOCOLS.length - index)) ?? fittingStretch(wished, leftMs);
    if (stretch === undefined) {
      break;
    }
    const requestsPerSecond = await measureSaturation({ ...probe, protocol, stretch }, client, options);
    if (requestsPerSecond !== undefined) {
      saturation[protocol] = requestsPerSecond;
    }
  }
  return saturation;
}
