// How much of a batch's gain a server keeps when each of many clients sends one row at a time.

import type { Bench } from "../bench.ts";
import { interleave } from "../interleave.ts";
import type { ClosedLoopResult } from "../load/wrk.ts";
import type { PlimsollServer } from "../plimsoll-server.ts";
import { type Ceiling, findCeiling } from "../raw/ceiling.ts";
import { median } from "../statistics.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import { ifPossible, logContest, type Scenario } from "./scenario.ts";

const CLIENTS = 64;
/**
 * Half of the clients: in a closed loop the other half of the requests is on its way while a batch runs, so no server can
 * run larger batches without idle cores in between. The reference points are shares of a ceiling at batch 32 as well.
 */
const MAX_ROWS = CLIENTS / 2;
/** What the cores could give to whoever has as many rows at hand. */
const ANY_ROWS = 128;

async function run(bench: Bench): Promise<void> {
  const subject = await prepareSubject(bench, "mlp");
  const ceiling = await findCeiling(bench, subject, ANY_ROWS);
  const server = await bench.startServer(subject);
  await measureManyClients(bench, { subject, server, ceiling });
  await measureOneClient(bench, subject, server);
}

interface Many {
  readonly subject: Subject;
  readonly server: PlimsollServer;
  readonly ceiling: Ceiling;
}

async function measureManyClients(bench: Bench, { subject, server, ceiling }: Many): Promise<void> {
  const { json, binary, grpc } = subject;
  const peer = await bench.startFastApi(subject);
  const rest =
    (port: number, load: typeof json, seen: ClosedLoopResult[] = []) =>
    async () => {
      const result = await bench.rest({ port, load, clients: CLIENTS });
      seen.push(result);
      return result.perSecond;
    };
  const binaryLoops: ClosedLoopResult[] = [];
  const overGrpc = (seconds?: number) =>
    bench.grpc(server, { load: grpc, clients: CLIENTS, ...(seconds !== undefined && { seconds }) });
  // First requests find code and connections cold.
  await bench.rest({ port: server.port, load: binary, clients: CLIENTS, seconds: 1 });
  const result = await interleave(
    [
      ceiling.contestant("raw", MAX_ROWS),
      ceiling.contestant("raw, any batch", ANY_ROWS),
      { name: "binary", measure: rest(server.port, binary, binaryLoops) },
      { name: "json", measure: rest(server.port, json) },
      ...(await ifPossible(bench, { name: "mlp over gRPC", measure: () => overGrpc() }, () => overGrpc(1))),
      { name: "FastAPI", measure: rest(peer.port, json) },
    ],
    bench.options.repeats,
  );
  logContest(bench, "per second", result);
  bench.record("mlp_ceiling_ratio", result.ratio("binary", "raw"));
  bench.record("mlp_json_ceiling_ratio", result.ratio("json", "raw"));
  bench.record("mlp_any_batch_ceiling_ratio", result.ratio("binary", "raw, any batch"));
  bench.record("mlp_raw_per_second", result.median("raw"));
  bench.record("mlp_binary_per_second", result.median("binary"));
  bench.record("mlp_binary_p50_ms", median(binaryLoops.map(({ p50Ms }) => p50Ms)));
  bench.record("mlp_binary_p99_ms", median(binaryLoops.map(({ p99Ms }) => p99Ms)));
  bench.record("mlp_json_per_second", result.median("json"));
  bench.record("mlp_fastapi_ceiling_ratio", result.ratio("FastAPI", "raw"));
  if (result.names.includes("mlp over gRPC")) {
    bench.record("mlp_grpc_per_second", result.median("mlp over gRPC"));
    bench.record("mlp_grpc_ceiling_ratio", result.ratio("mlp over gRPC", "raw"));
  }
}

/** Against runs of one row in one session with as many threads as a worker of the server has. */
async function measureOneClient(bench: Bench, subject: Subject, server: PlimsollServer): Promise<void> {
  const { threads } = await server.plan();
  const { seconds, repeats } = bench.options;
  const raw = await bench.startRaw(subject, { workers: 1, threads });
  const { port } = server;
  const result = await interleave(
    [
      {
        name: "raw, one row",
        measure: async () => (await raw.run({ rows: 1, busyWorkers: 1, seconds })).rowsPerSecond,
      },
      {
        name: "one client",
        measure: async () => (await bench.rest({ port, load: subject.binary, clients: 1 })).perSecond,
      },
    ],
    repeats,
  );
  logContest(bench, "per second", result);
  bench.record("mlp_one_client_ratio", result.ratio("one client", "raw, one row"));
  bench.record("mlp_one_client_per_second", result.median("one client"));
}

export const mlpCeiling: Scenario = {
  name: "mlp_ceiling",
  title: `MLP, ${CLIENTS} clients of one row: share of the raw batched ceiling`,
  run,
};
