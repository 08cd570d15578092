// How many requests a server carries when the model is next to nothing: beside a Python server and a bare Node server.

import type { Bench } from "../bench.ts";
import { type ContestResult, interleave } from "../interleave.ts";
import type { HttpLoad } from "../load/http-load.ts";
import { startEcho } from "../peers/echo.ts";
import { checkAnswer, type PlimsollServer } from "../plimsoll-server.ts";
import { cpuSeconds } from "../process-usage.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import { logContest, type Scenario } from "./scenario.ts";

/** Each contestant is measured with all of these, and its best one counts. */
const CLIENTS = [16, 64];

async function run(bench: Bench): Promise<void> {
  const subject = await prepareSubject(bench, "tiny");
  const server = await bench.startServer(subject);
  const { answerBytes } = await server.check(subject.binary, subject.expected);
  const echo = await startEcho(bench.group, { answerBytes, cores: bench.cores });
  const peer = await bench.startFastApi(subject);
  await checkAnswer(peer.port, subject.json, subject.expected);
  const targets: Record<string, { port: number; load: HttpLoad }> = {
    binary: { port: server.port, load: subject.binary },
    json: { port: server.port, load: subject.json },
    FastAPI: { port: peer.port, load: subject.json },
    echo: { port: echo.port, load: subject.binary },
  };
  for (const target of Object.values(targets)) {
    // First requests find code and connections cold.
    await bench.rest({ ...target, clients: 16, seconds: 1 });
  }
  const contestants = Object.entries(targets).flatMap(([name, target]) =>
    CLIENTS.map((clients) => ({
      name: `${name}, ${clients} clients`,
      measure: async () => (await bench.rest({ ...target, clients })).perSecond,
    })),
  );
  const result = await interleave(contestants, bench.options.repeats);
  logContest(bench, "per second", result);
  recordRates(bench, result);
  await measureGrpc(bench, server, subject);
}

function recordRates(bench: Bench, result: ContestResult): void {
  const best = (name: string) => Math.max(...CLIENTS.map((clients) => result.median(`${name}, ${clients} clients`)));
  bench.record("tiny_json_fastapi_ratio", best("json") / best("FastAPI"));
  bench.record("tiny_binary_fastapi_ratio", best("binary") / best("FastAPI"));
  bench.record("tiny_echo_ratio", best("binary") / best("echo"));
  bench.record("tiny_json_per_second", best("json"));
  bench.record("tiny_binary_per_second", best("binary"));
  bench.record("tiny_fastapi_per_second", best("FastAPI"));
  bench.record("tiny_echo_per_second", best("echo"));
}

/** gRPC beside REST with the same tensors, and the server's CPU time per request of both. */
async function measureGrpc(bench: Bench, server: PlimsollServer, subject: Subject): Promise<void> {
  const clients = 16;
  const cpuPerRequest = { grpc: 0, binary: 0 };
  const counted = async (name: keyof typeof cpuPerRequest, measure: () => Promise<number>) => {
    const before = await cpuSeconds(server.pid);
    const perSecond = await measure();
    cpuPerRequest[name] = ((await cpuSeconds(server.pid)) - before) / (perSecond * bench.options.seconds);
    return perSecond;
  };
  const overGrpc = () => bench.grpc(server, { load: subject.grpc, clients });
  const overRest = async () => (await bench.rest({ port: server.port, load: subject.binary, clients })).perSecond;
  try {
    await bench.grpc(server, { load: subject.grpc, clients, seconds: 1 });
    const result = await interleave(
      [
        { name: "gRPC", measure: () => counted("grpc", overGrpc) },
        { name: "REST binary", measure: () => counted("binary", overRest) },
      ],
      bench.options.repeats,
    );
    logContest(bench, "per second", result);
    bench.record("tiny_grpc_per_second", result.median("gRPC"));
    bench.record("tiny_grpc_rest_ratio", result.ratio("gRPC", "REST binary"));
    bench.record("tiny_grpc_server_cpu_us", cpuPerRequest.grpc * 1e6);
    bench.record("tiny_binary_server_cpu_us", cpuPerRequest.binary * 1e6);
  } catch (error) {
    bench.figures.fail("tiny over gRPC", error);
  }
}

export const tinyRate: Scenario = {
  name: "tiny_rate",
  title: "tiny model: requests per second beside FastAPI and a bare node:http echo",
  run,
};
