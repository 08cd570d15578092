// Where the server's time goes with gRPC and with REST, for a model that itself takes next to nothing.

import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { type CpuProfile, timeByOwner } from "../cpu-profile.ts";
import type { PlimsollServer } from "../plimsoll-server.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 16;
/** How long the server is loaded, in measurements. */
const LENGTH = 2;

/** Microseconds by owner of the code. */
type Times = ReadonlyMap<string, number>;

async function run(bench: Bench): Promise<void> {
  const subject = await prepareSubject(bench, "tiny");
  // Loading and calibrating, which is in every profile.
  const { times: start } = await profile(bench, subject, async () => 0);
  const seconds = LENGTH * bench.options.seconds;
  const loads: Record<string, (server: PlimsollServer) => Promise<number>> = {
    grpc: async (server) => (await bench.grpc(server, { load: subject.grpc, clients: CLIENTS, seconds })) * seconds,
    binary: async ({ port }) => (await bench.rest({ port, load: subject.binary, clients: CLIENTS, seconds })).answered,
  };
  for (const [name, load] of Object.entries(loads)) {
    const { times, requests } = await profile(bench, subject, load);
    for (const [owner, microseconds] of [...times].toSorted(([, a], [, b]) => b - a)) {
      const each = (microseconds - (start.get(owner) ?? 0)) / requests;
      bench.record(`tiny_${name}_${owner}_us`, Math.max(0, each));
    }
  }
}

/** The whole life of a server that is loaded once it is ready. */
async function profile(
  bench: Bench,
  subject: Subject,
  load: (server: PlimsollServer) => Promise<number>,
): Promise<{ times: Times; requests: number }> {
  const folder = await mkdtemp(join(bench.folder, "profile-"));
  const server = await bench.startServer(subject, { nodeOptions: `--cpu-prof --cpu-prof-dir=${folder}` });
  const requests = await load(server);
  await server.stop();
  const files = await readdir(folder);
  if (files.length === 0) {
    throw new Error("the server left no profile: it ended before it could, or is no Node program");
  }
  const profiles = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(folder, file), "utf8")) as CpuProfile),
  );
  return { times: timeByOwner(profiles), requests };
}

export const grpcProfile: Scenario = {
  name: "grpc_profile",
  title: "where the server's time goes: gRPC beside REST, tiny model, under V8's profiler",
  run,
};
