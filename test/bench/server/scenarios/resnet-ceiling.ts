// How near a server comes to what the cores give, with a model whose runs are all that counts.

import type { Bench } from "../bench.ts";
import { interleave } from "../interleave.ts";
import { findCeiling } from "../raw/ceiling.ts";
import { prepareSubject } from "../subject.ts";
import { ifPossible, logContest, type Scenario } from "./scenario.ts";

const CLIENTS = 16;
/** Larger ones gain nothing with convolutions, which use the cores fully with a few rows. */
const MAX_ROWS = 16;

async function run(bench: Bench): Promise<void> {
  const subject = await prepareSubject(bench, "resnet");
  const { json, binary, grpc } = subject;
  const ceiling = await findCeiling(bench, subject, MAX_ROWS);
  const server = await bench.startServer(subject);
  const peer = await bench.startFastApi(subject);
  const rest = (port: number, load: typeof json) => async () =>
    (await bench.rest({ port, load, clients: CLIENTS })).perSecond;
  const overGrpc = (seconds?: number) =>
    bench.grpc(server, { load: grpc, clients: CLIENTS, ...(seconds !== undefined && { seconds }) });
  // First requests find code and connections cold.
  await bench.rest({ port: server.port, load: binary, clients: CLIENTS, seconds: 1 });
  const result = await interleave(
    [
      ceiling.contestant("raw", MAX_ROWS),
      { name: "binary", measure: rest(server.port, binary) },
      { name: "json", measure: rest(server.port, json) },
      ...(await ifPossible(bench, { name: "resnet over gRPC", measure: () => overGrpc() }, () => overGrpc(1))),
      { name: "FastAPI", measure: rest(peer.port, json) },
    ],
    bench.options.repeats,
  );
  logContest(bench, "per second", result);
  bench.record("resnet_ceiling_ratio", result.ratio("binary", "raw"));
  bench.record("resnet_json_ceiling_ratio", result.ratio("json", "raw"));
  bench.record("resnet_raw_per_second", result.median("raw"));
  bench.record("resnet_binary_per_second", result.median("binary"));
  bench.record("resnet_json_per_second", result.median("json"));
  bench.record("resnet_fastapi_ceiling_ratio", result.ratio("FastAPI", "raw"));
  if (result.names.includes("resnet over gRPC")) {
    bench.record("resnet_grpc_per_second", result.median("resnet over gRPC"));
    bench.record("resnet_grpc_ceiling_ratio", result.ratio("resnet over gRPC", "raw"));
  }
}

export const resnetCeiling: Scenario = {
  name: "resnet_ceiling",
  title: `ResNet-50, ${CLIENTS} clients: share of the raw ceiling`,
  run,
};
