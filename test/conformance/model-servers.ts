// The servers that clients are tried on: one process for each model, as in a pod.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ocrModel, testModel } from "../../server-image/test-server.ts";
import { runTool } from "../cluster/tool.ts";

const program = fileURLToPath(new URL("../../server-image/main.ts", import.meta.url));
const makeModels = fileURLToPath(new URL("make_models.py", import.meta.url));

/** A quarter of an hour is longer than any test. */
const longSeconds = 900;
/** More at once would only wait for each other. */
const startedAtOnce = 4;

/** What a driver is told of a server; its Python side has the same fields. */
export interface ServerAddress {
  readonly http: string;
  readonly grpc: string;
  readonly model_name: string;
  readonly model_path: string;
}

interface Plan {
  readonly model: string;
  readonly name?: string;
  readonly flags?: readonly string[];
}

/** One of everything and nothing measured: starts in under a second. */
const unmeasured = ["--calibration-seconds", "0", "--workers", "1", "--threads-per-worker", "1", "--io-threads", "1"];
/** Joins what arrives within a few milliseconds, so that requests at once meet in one run. */
const joining = ["--workers", "1", "--threads-per-worker", "1", "--io-threads", "1", "--max-batch-delay-ms", "20"];

const datatypes = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 fp16 fp32 fp64 bytes".split(" ");

/** By the key that drivers use. `made`: the folder of the models that only these tests need. */
function plans(made: string): Record<string, Plan> {
  const fromTestdata = [...datatypes.map((datatype) => `identity-${datatype}`), "identity-rows", "scalar", "divide"];
  return {
    ...Object.fromEntries(fromTestdata.map((name) => [name, { model: testModel(name) }])),
    "add-sub": { model: testModel("add-sub") },
    "odd-names": { model: testModel("odd-names"), name: "odd näme: 1" },
    "every-datatype": { model: join(made, "every-datatype.onnx") },
    "half-plus-two": { model: join(made, "half-plus-two.onnx"), name: "half_plus_two" },
    perceptron: { model: join(made, "perceptron.onnx"), flags: joining },
    busy: { model: testModel("busy"), flags: [...unmeasured, "--max-expected-wait-ms", "3600000"] },
    "ocr-cls": { model: ocrModel("ch_ppocr_mobile_v2.0_cls_infer") },
    "ocr-rec": { model: ocrModel("ch_PP-OCRv4_rec_infer") },
    "ocr-det": { model: ocrModel("ch_PP-OCRv4_det_infer") },
  };
}

export interface ModelServers {
  readonly addresses: Readonly<Record<string, ServerAddress>>;
  readonly stop: () => Promise<void>;
}

/** @param python has the packages of requirements.txt; @param folder takes the models that are made */
export async function startModelServers(python: string, folder: string): Promise<ModelServers> {
  await runTool(python, [makeModels, folder]);
  const children: ChildProcess[] = [];
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const addresses: Record<string, ServerAddress> = {};
  const start = async (key: string, plan: Plan, until: string) => {
    const started = startServer(plan);
    children.push(started.process);
    addresses[key] = await started.reaches(until);
    return started;
  };
  const stop = async () => {
    silent.close();
    await Promise.all(children.map(end));
  };
  try {
    const waiting = Object.entries(plans(folder));
    const starters = Array.from({ length: startedAtOnce }, async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await start(next[0], next[1], "ready");
    });
    await Promise.all(starters);
    const { port } = silent.address() as { port: number };
    const flags = [...unmeasured, "--storage-allowed-networks", "127.0.0.0/8"];
    await start("loading", { model: `http://127.0.0.1:${port}/model.onnx`, flags }, "listening");
    const draining = await start(
      "draining",
      { model: testModel("add-sub"), flags: [...unmeasured, ...slowEnd] },
      "ready",
    );
    draining.process.kill("SIGTERM");
    await draining.reaches("stopping");
  } catch (error) {
    await stop();
    throw error;
  }
  return { addresses, stop };
}

const slowEnd = ["--drain-delay-seconds", String(longSeconds), "--grace-period-seconds", String(longSeconds)];

interface StartedServer {
  readonly process: ChildProcess;
  /** Resolves when the server has logged that message; rejects when it ends before. */
  readonly reaches: (message: string) => Promise<ServerAddress>;
}

function startServer({ model, name = "m", flags = unmeasured }: Plan): StartedServer {
  const identity = ["--model-name", name, "--storage-uri", model, "--termination-log", "/nonexistent"];
  const child = spawn(process.execPath, [program, ...identity, "--http-port", "0", "--grpc-port", "0", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: LogLine[] = [];
  const changed = new EventTarget();
  createInterface(child.stdout).on("line", (line) => {
    lines.push(JSON.parse(line) as LogLine);
    changed.dispatchEvent(new Event("line"));
  });
  const ended = once(child, "close");
  const reaches = async (message: string): Promise<ServerAddress> => {
    while (!lines.some(({ msg }) => msg === message)) {
      const line = once(changed, "line").then(() => true);
      if (!(await Promise.race([line, ended.then(() => false)]))) {
        throw new Error(`the server of ${model} ended before "${message}": ${JSON.stringify(lines.at(-1))}`);
      }
    }
    const listening = lines.find(({ msg }) => msg === "listening");
    const address = (port: number | undefined) => `127.0.0.1:${port}`;
    return {
      http: address(listening?.port),
      grpc: address(listening?.grpcPort),
      model_name: name,
      model_path: model,
    };
  };
  return { process: child, reaches };
}

interface LogLine {
  readonly msg: string;
  readonly port?: number;
  readonly grpcPort?: number;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}
