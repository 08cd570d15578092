// Whether what a server says that it takes is what it takes: on one core, with the load generator on the other.

import type { Bench } from "../bench.ts";
import { type ModelKind, modelKinds } from "../options.ts";
import type { PlimsollServer, Protocol } from "../plimsoll-server.ts";
import { median } from "../statistics.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import type { Scenario } from "./scenario.ts";

const protocols: readonly Protocol[] = ["v2-rest-binary", "v2-rest", "v2-grpc"];

/** Saturation is the best of these numbers of clients: too few leave the server waiting. */
const CLIENTS: Record<ModelKind, readonly number[]> = { tiny: [16, 64], mlp: [64, 128], resnet: [4, 16] };

async function run(bench: Bench): Promise<void> {
  const errors: number[] = [];
  for (const kind of modelKinds) {
    errors.push(...(await measureModel(bench, kind)));
  }
  bench.record("load_line_error_max", Math.max(...errors));
}

/** The errors of all protocols that the server has a line for, as shares of the saturation throughput. */
async function measureModel(bench: Bench, kind: ModelKind): Promise<number[]> {
  const subject = await prepareSubject(bench, kind);
  const [serverCore] = bench.cores;
  const server = await bench.startServer(subject, { cores: [serverCore] });
  const errors: number[] = [];
  for (const [protocol, line] of await readLines(bench, kind, server)) {
    const saturation = await measureSaturation(bench, { subject, server, protocol });
    const name = `${kind}_${protocol.replaceAll("-", "_")}`;
    bench.log(`${name}: load line ${line.toFixed(1)}/s, saturation ${saturation.toFixed(1)}/s`);
    const error = Math.abs(line - saturation) / saturation;
    errors.push(error);
    bench.record(`load_line_error_${name}`, error);
    const corrected = await server.loadLine(protocol);
    bench.record(`load_line_error_after_traffic_${name}`, Math.abs(corrected - saturation) / saturation);
  }
  await server.stop();
  bench.record(`load_line_error_${kind}`, Math.max(...errors));
  return errors;
}

/** All of them before any traffic: the server corrects its lines by what it sees. */
async function readLines(bench: Bench, kind: ModelKind, server: PlimsollServer): Promise<Map<Protocol, number>> {
  const lines = new Map<Protocol, number>();
  for (const protocol of protocols) {
    try {
      lines.set(protocol, await server.loadLine(protocol));
    } catch (error) {
      bench.figures.fail(`load line of ${kind} for ${protocol}`, error);
    }
  }
  return lines;
}

interface Saturation {
  readonly subject: Subject;
  readonly server: PlimsollServer;
  readonly protocol: Protocol;
}

/** Answers per second: of each number of clients the median of the repeats, of those the best. */
async function measureSaturation(bench: Bench, { subject, server, protocol }: Saturation): Promise<number> {
  const [, generatorCore] = bench.cores;
  const { seconds } = bench.options;
  const measure = async (clients: number, duration: number) => {
    const loop = { clients, seconds: duration, cores: [generatorCore] };
    if (protocol === "v2-grpc") {
      return bench.grpc(server, { ...loop, load: subject.grpc });
    }
    const load = protocol === "v2-rest" ? subject.json : subject.binary;
    return (await bench.rest({ ...loop, load, port: server.port })).perSecond;
  };
  // First requests find code and connections cold.
  await measure(16, seconds);
  const medians: number[] = [];
  for (const clients of CLIENTS[subject.kind]) {
    const rates: number[] = [];
    for (let repeat = 0; repeat < bench.options.repeats; repeat += 1) {
      rates.push(await measure(clients, seconds));
    }
    medians.push(median(rates));
  }
  return Math.max(...medians);
}

export const loadLine: Scenario = {
  name: "load_line",
  title: "load line against saturation, server on one core, generator on the other",
  run,
};
