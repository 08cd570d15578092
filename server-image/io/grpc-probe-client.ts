// A thread that makes one gRPC call over and over on several connections, to find out what answering it costs.

import { parentPort, workerData } from "node:worker_threads";

import { Client, credentials } from "@grpc/grpc-js";

import { threadCpuSeconds } from "../this-machine.ts";
import type { ProbeClientSettings, ProbeCommand, ProbeReport } from "./probe-messages.ts";
import { ProbeTally } from "./probe-tally.ts";

const PATH = "/inference.GRPCInferenceService/ModelInfer";
const { port, connections } = workerData as ProbeClientSettings;
/** Calls under way on each connection: all together as many as `connections` would have one each. */
const CALLS = Math.min(4, connections);
const unchanged = (bytes: Buffer) => bytes;
const options = {
  // Each client has a connection of its own.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};
const clients = Array.from(
  { length: Math.max(1, Math.floor(connections / CALLS)) },
  () => new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options),
);

/** Keeps all connections busy for a while; its report comes when the last answer is there. */
async function slice({ bytes, ...lengths }: ProbeCommand): Promise<ProbeReport> {
  const request = Buffer.from(bytes);
  const tally = new ProbeTally({ ...lengths, clock: () => performance.now(), cpuSeconds: threadCpuSeconds });
  const chains = clients.flatMap((client) =>
    Array.from({ length: CALLS }, async () => {
      while (tally.running) {
        tally.ended(await call(client, request));
      }
    }),
  );
  await Promise.all(chains);
  return tally.report();
}

/** Whether there was an answer. */
async function call(client: Client, request: Buffer): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  client.makeUnaryRequest(PATH, unchanged, unchanged, request, (error) => resolve(error === null));
  return promise;
}

parentPort?.on("message", (command: ProbeCommand | "end") => {
  if (command === "end") {
    for (const client of clients) {
      client.close();
    }
    parentPort?.close();
    return;
  }
  void slice(command).then((report) => parentPort?.postMessage(report, []));
});
parentPort?.postMessage("open", []);
