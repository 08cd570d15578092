// The thread of the calibration's client: one request over and over on several connections, to find out what answering costs.

import { parentPort } from "node:worker_threads";

import { threadCpuSeconds } from "../this-machine.ts";
import { openGrpc } from "./grpc-probe.ts";
import { openHttp } from "./http-probe.ts";
import type { Probe } from "./probe.ts";
import type { ProbeCommand, ProbeMessage, ProbeReport, ProbeTarget } from "./probe-messages.ts";
import { ProbeTally } from "./probe-tally.ts";

const probes = new Map<number, Probe>();

async function open({ kind, port, connections }: ProbeTarget): Promise<void> {
  probes.set(port, await (kind === "grpc" ? openGrpc(port, connections) : openHttp(port, connections)));
}

async function slice(port: number, { bytes, ...lengths }: ProbeCommand): Promise<ProbeReport> {
  const request = Buffer.from(bytes);
  const tally = new ProbeTally({ ...lengths, clock: () => performance.now(), cpuSeconds: threadCpuSeconds });
  await probes.get(port)?.keepBusy(request, tally);
  return tally.report();
}

async function answer(message: Exclude<ProbeMessage, "end">): Promise<void> {
  parentPort?.postMessage("open" in message ? await open(message.open) : await slice(message.port, message), []);
}

parentPort?.on("message", (message: ProbeMessage) => {
  if (message !== "end") {
    void answer(message);
    return;
  }
  for (const probe of probes.values()) {
    probe.end();
  }
  parentPort?.close();
});
